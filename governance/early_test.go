package governance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// TestEarlyReturn writes without waiting, and waits for all at once.
func TestEarlyReturn(t *testing.T) {
	c, id := commonConsortium(t)
	c.acceptedContract(id, "data")
	var looks atomic.Int64
	n := c.node(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/tx") {
				looks.Add(1)
			}
			next.ServeHTTP(w, r)
		})
	})
	client := c.across(governance.ClientOptions{EarlyReturn: true}, n.url)
	c.check(client.WaitCommitted(t.Context())) // nothing was written
	for i := range 5 {
		_, err := client.Contract(id).PutSecret(t.Context(), fmt.Sprint("name", i), "value")
		c.check(err)
	}
	if looks.Load() != 0 || n.calls.Load() != 5 {
		t.Errorf("%d calls, %d of them about transactions", n.calls.Load(), looks.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.WaitCommitted(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	c.check(client.WaitCommitted(t.Context()))
	if looks.Load() == 0 {
		t.Error("no look at a transaction")
	}
	seen := looks.Load()
	c.check(client.WaitCommitted(t.Context()))
	if looks.Load() != seen {
		t.Error("what is committed was asked for again")
	}

	g := c.launch("policy")
	c.agree(id+"-room", g.hostData())
	room, err := governance.NewRoomClient(n.url, id+"-room", g, &governance.RoomClientOptions{
		ServiceCertificate: c.env.ServiceCertificate(), DialContext: c.conn(cleanroomtest.Publisher).DialContext, EarlyReturn: true,
	})
	c.check(err)
	t.Cleanup(room.Close)
	seen = looks.Load()
	c.check(room.PutEvent(t.Context(), struct{}{}, nil))
	if looks.Load() != seen {
		t.Error("the event waited")
	}
	c.check(room.WaitCommitted(t.Context()))
	if looks.Load() == seen {
		t.Error("the room did not wait")
	}
}

// TestEarlyLost has writes of two views, of which one was dropped.
func TestEarlyLost(t *testing.T) {
	ids := []string{"2.9", "2.10", "3.11"}
	status := map[string]string{"2.10": "Invalid", "3.11": "Committed"}
	var asked []string
	m := newMember(t, "m")
	client, err := governance.NewClient("https://host", m, &governance.ClientOptions{
		ServiceCertificate: m.CertificatePEM(), EarlyReturn: true,
		Transport: func(http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodGet {
					id := r.URL.Query().Get("transaction_id")
					asked = append(asked, id)
					body, _ := json.Marshal(map[string]string{"status": status[id]})
					return respond(r, 200, nil, string(body)), nil
				}
				id := ids[0]
				ids = ids[1:]
				return respond(r, 200, http.Header{"X-Ms-Ccf-Transaction-Id": {id}}, `{"secretId":"m_`+path.Base(r.URL.Path)+`"}`), nil
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := client.Contract("k").PutSecret(t.Context(), name, "v"); err != nil {
			t.Fatal(err)
		}
	}
	err = client.WaitCommitted(t.Context())
	if !errors.Is(err, governance.ErrTransactionLost) {
		t.Errorf("want a lost transaction, got %v", err)
	}
	wantText(t, err, "governance: 2 writes up to put secret b of k: transaction 2.10: ")
	if len(asked) != 2 {
		t.Errorf("asked for %v", asked)
	}
	if err := client.WaitCommitted(t.Context()); err != nil || len(asked) != 2 {
		t.Errorf("told twice: %v", err)
	}
}
