package governance_test

import (
	"context"
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

// TestContextEndsAmongAttempts: whoever asks why a call ended learns of both, the
// answer and the context.
func TestContextEndsAmongAttempts(t *testing.T) {
	busy := func(r *http.Request, _ int) (*http.Response, error) {
		return respond(r, http.StatusServiceUnavailable, http.Header{"Retry-After": {"2"}}, ""), nil
	}
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := canned(t, busy).Network(ctx)
			var se *governance.ServiceError
			if !errors.Is(err, context.Canceled) || !errors.As(err, &se) {
				t.Error(err)
			}
		})
	})
	t.Run("too late for another", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := canned(t, busy).Network(ctx)
			var se *governance.ServiceError
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &se) {
				t.Error(err)
			}
		})
	})
	t.Run("wait for a vote", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			id := strings.Repeat("0", 64)
			client := canned(t, func(r *http.Request, n int) (*http.Response, error) {
				if n == 1 {
					return respond(r, 200, nil, `{"proposalId":"`+id+`","proposalState":"Open"}`), nil
				}
				if strings.HasSuffix(r.URL.Path, id) {
					return busy(r, n)
				}
				return respond(r, 404, nil, `{}`), nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			p, err := client.Proposal(id).Wait(ctx)
			wantDenied(t, err, "proposal.state")
			if p == nil || p.State != governance.ProposalOpen || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%+v, %v", p, err)
			}
		})
	})
}
