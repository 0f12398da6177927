package governance_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// TestRecordedRefusals gives a client every refusal that was recorded of the
// genuine service: each is a typed error with the service's code and a remedy,
// and none is asked for twice.
func TestRecordedRefusals(t *testing.T) {
	files, err := filepath.Glob("../internal/emulator/ccf/testdata/cgs-8.0.0/8.0.0-*.json")
	if err != nil {
		t.Fatal(err)
	}
	exchanges, refusals, codes := 0, 0, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var flow struct {
			Exchanges []struct {
				Step     string
				Response struct {
					Status int
					Body   json.RawMessage
				}
			}
		}
		if err := json.Unmarshal(text, &flow); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, e := range flow.Exchanges {
			exchanges++
			if e.Response.Status < 400 {
				continue
			}
			refusals++
			calls := 0
			client := canned(t, func(r *http.Request, n int) (*http.Response, error) {
				calls = n
				return respond(r, e.Response.Status, nil, string(e.Response.Body)), nil
			})
			_, err := client.Network(t.Context())
			var body struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal(e.Response.Body, &body); err != nil {
				t.Fatalf("%s: %v", e.Step, err)
			}
			var se *governance.ServiceError
			if !errors.As(err, &se) || se.StatusCode != e.Response.Status || se.Code != body.Error.Code || se.Message != body.Error.Message || se.Remedy == "" || calls != 1 {
				t.Errorf("%s, %s: after %d calls: %v", filepath.Base(file), e.Step, calls, err)
			}
			codes[se.Code] = true
		}
	}
	if len(files) != 12 || exchanges != 308 || refusals != 104 || len(codes) != 45 {
		t.Errorf("%d flows with %d exchanges, %d refusals of %d kinds", len(files), exchanges, refusals, len(codes))
	}
}
