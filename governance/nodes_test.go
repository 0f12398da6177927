package governance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// node is one address of the common ledger, and how often it was asked. Its
// behaviour is set before a test's first call.
type node struct {
	url, host string
	calls     atomic.Int64
	bodies    atomic.Int64 // bytes that it was sent
	behave    func(next http.Handler) http.Handler
}

func (c *consortium) node(behave func(next http.Handler) http.Handler) *node {
	c.Helper()
	n := &node{behave: behave}
	name := fmt.Sprintf("n%d", nodeNumber.Add(1))
	url, err := c.env.AddNode(name, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.calls.Add(1)
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			n.bodies.Add(int64(len(body)))
			r.Body = io.NopCloser(bytes.NewReader(body))
			h := next
			if n.behave != nil {
				h = n.behave(next)
			}
			h.ServeHTTP(w, r)
		})
	})
	c.check(err)
	n.url, n.host = url, strings.TrimPrefix(url, "https://")
	return n
}

var nodeNumber atomic.Int64

// across is a client of the publisher's for the nodes.
func (c *consortium) across(o governance.ClientOptions, first string, more ...string) *governance.Client {
	c.Helper()
	o.ServiceCertificate, o.Nodes, o.PollInterval = c.env.ServiceCertificate(), more, 5*time.Millisecond
	if o.DialContext == nil {
		o.DialContext = c.conn(cleanroomtest.Publisher).DialContext
	}
	client, err := governance.NewClient(first, c.publisher.Member(), &o)
	c.check(err)
	c.Cleanup(client.Close)
	return client
}

// toNode answers with the way to the same resource on another node.
func toNode(n *node, status int) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", n.url+r.URL.RequestURI())
			w.WriteHeader(status)
		})
	}
}

func always(status int) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
}

// dies breaks off before or after it did what it was asked.
func dies(after bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if after {
				next.ServeHTTP(httptest.NewRecorder(), r)
			}
			panic(http.ErrAbortHandler)
		})
	}
}

// TestNodes lets the first of two nodes fail in each way. What is asked is done
// once, and the node that did it is asked again.
func TestNodes(t *testing.T) {
	c, id := commonConsortium(t)
	c.acceptedContract(id, "data")
	for name, test := range map[string]struct {
		behave func(http.Handler) http.Handler
		calls  int64 // that the first node gets
	}{
		"sound":                {nil, 7},
		"dies before":          {dies(false), 1},
		"dies after":           {dies(true), 1},
		"no primary":           {always(http.StatusServiceUnavailable), 1},
		"gateway without node": {always(http.StatusBadGateway), 1},
		"gateway out of time":  {always(http.StatusGatewayTimeout), 1},
		"body of another length": {func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte(`{"proposalId":`))
			})
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := c.node(test.behave), c.node(nil)
			client := c.across(governance.ClientOptions{}, first.url, second.url)
			before := len(c.openProposals())
			p := c.propose(client, governance.EnableLogging(id))
			if _, err := client.Proposal(p.ID).Vote(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if n := len(c.openProposals()); n != before+1 {
				t.Errorf("%d proposals, want %d", n, before+1)
			}
			if _, err := client.Contract(id).Get(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := first.calls.Load(); n != test.calls {
				t.Errorf("the first node got %d calls, want %d", n, test.calls)
			}
			if (second.calls.Load() == 0) != (test.behave == nil) {
				t.Errorf("the second node got %d calls", second.calls.Load())
			}
			_, err := client.Proposal(p.ID).Show(t.Context())
			c.check(err)
		})
	}
}

func (c *consortium) openProposals() []governance.Proposal {
	c.Helper()
	list, err := c.consumer.Proposals(c.Context())
	c.check(err)
	open := list[:0]
	for _, p := range list {
		if p.State == governance.ProposalOpen {
			open = append(open, p)
		}
	}
	return open
}

// TestDeadNode lets one address refuse connections, swallow them, or belong to
// somebody else. The caller's time is enough for the others.
func TestDeadNode(t *testing.T) {
	c, id := commonConsortium(t)
	c.acceptedContract(id, "data")
	alive := c.node(nil)
	direct := c.conn(cleanroomtest.Publisher).DialContext
	foreign := foreignServer(t, func(http.ResponseWriter, *http.Request) { t.Error("a foreign server was asked") })
	for name, dead := range map[string]dial{
		"refuses": func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") },
		"silent": func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		"foreign": func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, foreign.Listener.Addr().String())
		},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			client := c.across(governance.ClientOptions{
				DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr == "dead.example:8000" {
						asked.Add(1)
						return dead(ctx, network, addr)
					}
					return direct(ctx, network, addr)
				},
			}, "https://dead.example:8000", alive.url)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			for range 3 {
				if _, err := client.Contract(id).Get(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("the dead node was tried %d times", n)
			}
		})
	}
}

// TestSlowNode takes longer to answer than a node may take to let a caller in.
func TestSlowNode(t *testing.T) {
	c, id := commonConsortium(t)
	c.acceptedContract(id, "data")
	governance.SetMaxConnect(t, 200*time.Millisecond)
	slow := c.node(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(300 * time.Millisecond):
			case <-r.Context().Done():
				t.Error("the caller gave up")
			}
			next.ServeHTTP(w, r)
		})
	})
	other := c.node(nil)
	client := c.across(governance.ClientOptions{}, slow.url, other.url)
	for range 2 { // over a new connection and over an old one
		_, err := client.Contract(id).Get(t.Context())
		c.check(err)
	}
	if n := other.calls.Load(); n != 0 {
		t.Errorf("the other node got %d calls", n)
	}
}

// TestNoNode names what each node said.
func TestNoNode(t *testing.T) {
	c, id := commonConsortium(t)
	busy, broken := c.node(always(http.StatusServiceUnavailable)), c.node(dies(false))
	client := c.across(governance.ClientOptions{}, busy.url, broken.url)
	governance.Hasten(client)
	_, err := client.Contract(id).Get(t.Context())
	wantText(t, err, "governance: read contract "+id+": none of the 2 nodes that were asked did it", "\n\tstatus 503", "\n\t"+broken.host+": ")
	var se *governance.ServiceError
	if !errors.As(err, &se) || se.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the answer of the first node is lost: %v", err)
	}
	if busy.calls.Load() != 12 || broken.calls.Load() != 12 {
		t.Errorf("%d and %d calls, want 12 each", busy.calls.Load(), broken.calls.Load())
	}
	// A refusal is an answer, and ends the search.
	refusing := c.across(governance.ClientOptions{}, broken.url, c.node(nil).url, busy.url)
	_, err = refusing.Contract("unknown").Get(t.Context())
	wantCode(t, err, "ContractNotFound")
	if busy.calls.Load() != 12 {
		t.Error("another node was asked after an answer")
	}
	// Too little time for a second round.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = client.Contract(id).Get(ctx)
	if err == nil {
		t.Error("no error")
	}
}

func TestNodeAddresses(t *testing.T) {
	m := newMember(t, "m")
	for _, bad := range []string{"", "http://host", "https://host/path", "host:443"} {
		_, err := governance.NewClient("https://host", m, &governance.ClientOptions{ServiceCertificate: m.CertificatePEM(), Nodes: []string{bad}})
		wantText(t, err, "governance: endpoint", "https://host[:port]")
	}
}

// TestNodesAtOnce moves many callers from a dying node to another.
func TestNodesAtOnce(t *testing.T) {
	c, id := commonConsortium(t)
	c.acceptedContract(id, "data")
	var served atomic.Int64
	dying := c.node(func(next http.Handler) http.Handler {
		if served.Add(1) > 20 {
			return dies(false)(next)
		}
		return next
	})
	other := c.node(nil)
	client := c.across(governance.ClientOptions{}, dying.url, other.url)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 8 {
				if _, err := client.Contract(id).Get(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if other.calls.Load() < 64-20 {
		t.Errorf("the other node got %d calls", other.calls.Load())
	}
}
