package governance_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// TestRedirectToNode sends writes from a backup to the primary, whose address
// the client may know or not.
func TestRedirectToNode(t *testing.T) {
	c, id := commonConsortium(t)
	c.acceptedContract(id, "data")
	for _, status := range []int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		for _, known := range []bool{false, true} {
			primary := c.node(nil)
			backup := c.node(toNode(primary, status))
			var more []string
			if known {
				more = []string{primary.url}
			}
			var lines bytes.Buffer
			client := c.across(governance.ClientOptions{
				Logger: slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug})),
			}, backup.url, more...)
			p := c.propose(client, governance.EnableLogging(id))
			if p.ProposerID != c.publisher.Member().ID() {
				t.Errorf("proposer %s", p.ProposerID)
			}
			if _, err := client.Contract(id).PutSecret(t.Context(), "name", "value"); err != nil {
				t.Fatal(err)
			}
			if n := backup.calls.Load(); n != 1 {
				t.Errorf("the backup got %d calls, want only the first", n)
			}
			if primary.calls.Load() < 4 { // each write and at least one look at its transaction
				t.Errorf("the primary got %d calls", primary.calls.Load())
			}
			if strings.Contains(lines.String(), "value") {
				t.Error("the secret is in the log")
			}
		}
	}
}

// TestRedirectElsewhere points to what is not the same resource on a node of
// the service. Nothing is sent there, not even the path.
func TestRedirectElsewhere(t *testing.T) {
	c, id := commonConsortium(t)
	other := c.node(nil)
	asked := make(chan string, 10)
	foreign := foreignServer(t, func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path })
	direct := c.conn(cleanroomtest.Publisher).DialContext
	path := "/app/contracts/" + id + "/secrets/name"
	tests := map[string]struct {
		status         int
		location, says string
	}{
		"certificate of another authority": {307, "https://foreign.example" + path, "foreign.example: tls: failed to verify certificate"},
		"another status":                   {302, other.url + path, "redirects are not followed"},
		"moved":                            {301, other.url + path, "redirects are not followed"},
		"see other":                        {303, other.url + path, "redirects are not followed"},
		"in the clear":                     {307, "http://" + other.host + path, "redirects are not followed"},
		"another path":                     {307, other.url + "/app/contracts", "redirects are not followed"},
		"another query":                    {307, other.url + path + "?x=y", "redirects are not followed"},
		"a fragment":                       {308, other.url + path + "#x", "redirects are not followed"},
		"an account":                       {308, "https://user:pass@" + other.host + path, "redirects are not followed"},
		"a path alone":                     {307, path, "redirects are not followed"},
		"nothing":                          {307, "", "redirects are not followed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			backup := c.node(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", test.location)
					w.WriteHeader(test.status)
				})
			})
			client := c.across(governance.ClientOptions{
				DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr == "foreign.example:443" {
						return (&net.Dialer{}).DialContext(ctx, network, foreign.Listener.Addr().String())
					}
					return direct(ctx, network, addr)
				},
			}, backup.url)
			_, err := client.Contract(id).PutSecret(t.Context(), "name", "CANARY")
			wantText(t, err, "governance: put secret name of "+id+": ", test.says, "remedy")
			if n := backup.calls.Load(); n != 1 {
				t.Errorf("%d attempts", n)
			}
		})
	}
	select {
	case path := <-asked:
		t.Errorf("a foreign server was asked for %s", path)
	default:
	}
	if n := other.calls.Load(); n != 0 {
		t.Errorf("the other node got %d calls", n)
	}
}

// foreignServer is no node of any service.
func foreignServer(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of refused certificates
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// TestRedirectMisnamed points to a name that the service's own certificate does
// not have.
func TestRedirectMisnamed(t *testing.T) {
	var dialled []string
	var calls atomic.Int64
	client := otherService(t, true, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Location", "https://elsewhere.test"+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}, &dialled)
	_, err := client.Contract("k").PutSecret(t.Context(), "name", "CANARY")
	wantText(t, err, "governance: put secret name of k: elsewhere.test: ", "not elsewhere.test", "not part of the service")
	if calls.Load() != 1 || len(dialled) != 2 {
		t.Errorf("%d calls, dialled %v", calls.Load(), dialled)
	}
}

// TestRedirectLoop has two nodes that take one another for the primary.
func TestRedirectLoop(t *testing.T) {
	c, id := commonConsortium(t)
	one, two := c.node(nil), c.node(nil)
	one.behave, two.behave = toNode(two, 307), toNode(one, 307)
	client := c.across(governance.ClientOptions{}, one.url)
	governance.Hasten(client)
	_, err := client.Contract(id).PutSecret(t.Context(), "name", "value")
	wantText(t, err, "redirect to "+one.url, "while they elect a primary")
	if n := one.calls.Load() + two.calls.Load(); n != 12*4 {
		t.Errorf("%d requests, want 12 attempts of 4", n)
	}
	// The election ends while the client tries.
	var after atomic.Int64
	one.behave = func(next http.Handler) http.Handler {
		if after.Add(1) > 3 {
			return next
		}
		return toNode(two, 307)(next)
	}
	if _, err := client.Contract(id).PutSecret(t.Context(), "name", "value"); err != nil {
		t.Error(err)
	}
}
