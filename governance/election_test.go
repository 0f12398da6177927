package governance_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// TestElection: a network whose primary is gone is silent for five seconds
// before it elects another, and names no time.
func TestElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
			if time.Since(start) < 10*time.Second {
				return respond(r, http.StatusServiceUnavailable, nil, ""), nil
			}
			return respond(r, http.StatusOK, nil, networkJSON), nil
		})
		if _, err := client.Network(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestExecutedIsNotRefused: what is answered to the question about the commit is
// no answer to the write, which was executed.
func TestExecutedIsNotRefused(t *testing.T) {
	broken := errors.New("broken")
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"busy":    func(r *http.Request) (*http.Response, error) { return respond(r, 503, nil, ""), nil },
		"refused": func(r *http.Request) (*http.Response, error) { return respond(r, 401, nil, ""), nil },
		"garbage": func(r *http.Request) (*http.Response, error) { return respond(r, 200, nil, "<html>"), nil },
		"broken":  func(*http.Request) (*http.Response, error) { return nil, broken },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				writes := 0
				client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "/tx") {
						return answer(r)
					}
					writes++
					return respond(r, 200, http.Header{"X-Ms-Ccf-Transaction-Id": {"2.10"}}, `{"secretId":"a_name"}`), nil
				})
				_, err := client.Contract("k").PutSecret(t.Context(), "name", "value")
				wantText(t, err, "transaction 2.10 is executed: ", "look for its effect", "\n\tcause  ")
				if !errors.Is(err, governance.ErrNotCommitted) || writes != 1 {
					t.Errorf("%d writes, %v", writes, err)
				}
			})
		})
	}
}
