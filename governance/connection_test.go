package governance_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

type dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// counted counts the connections that a dialler opens: each has one handshake.
func counted(n *atomic.Int64, next dial) dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		n.Add(1)
		return next(ctx, network, addr)
	}
}

// TestOneHandshake drives a member's and a room's client through many calls.
func TestOneHandshake(t *testing.T) {
	c, id := commonConsortium(t)
	g := c.launch("policy")
	c.agree(id, g.hostData())
	ctx := t.Context()
	dialer := c.conn(cleanroomtest.Consumer).DialContext

	var dials atomic.Int64
	member, err := governance.NewClient(c.env.LedgerURL(), c.publisher.Member(), &governance.ClientOptions{
		ServiceCertificate: c.env.ServiceCertificate(), DialContext: counted(&dials, dialer),
	})
	c.check(err)
	defer member.Close()
	k := member.Contract(id)
	secretID, err := k.PutSecret(ctx, "name", "value")
	c.check(err)
	p := c.propose(member, governance.EnableLogging(id))
	_, err = member.Proposal(p.ID).Ballots(ctx)
	c.check(err)
	_, err = k.Create(ctx, "refused")
	wantCode(t, err, "ContractAlreadyAccepted")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := k.Get(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := dials.Load(); n != 1 {
		t.Errorf("the member's client opened %d connections", n)
	}

	dials.Store(0)
	room, err := governance.NewRoomClient(c.env.LedgerURL(), id, g, &governance.RoomClientOptions{
		ServiceCertificate: c.env.ServiceCertificate(), DialContext: counted(&dials, dialer),
	})
	c.check(err)
	defer room.Close()
	for range 3 {
		_, err = room.Consent(ctx, governance.Execution)
		c.check(err)
		_, err = room.Secret(ctx, secretID)
		c.check(err)
		c.check(room.PutEvent(ctx, struct{}{}, nil))
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("the room's client opened %d connections", n)
	}
}

func TestEndpoints(t *testing.T) {
	member := newMember(t, "m")
	good := &governance.ClientOptions{ServiceCertificate: member.CertificatePEM()}
	for _, endpoint := range []string{"https://host", "https://host/", "https://host:8000", "https://[::1]:8000"} {
		if _, err := governance.NewClient(endpoint, member, good); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	for _, endpoint := range []string{"", "host", "http://host", "https://", "https://host/app", "https://host?x", "https://host#x", "https://user:CANARY@host", "https://host:x", "://"} {
		_, err := governance.NewClient(endpoint, member, good)
		if err == nil || !strings.HasPrefix(err.Error(), "governance: endpoint") || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	for name, text := range map[string]string{"absent": "", "garbage": "x", "empty block": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "key": string(keysOf(t).PrivateKeyPEM())} {
		_, err := governance.NewClient("https://host", member, &governance.ClientOptions{ServiceCertificate: []byte(text)})
		wantText(t, err, "governance: service certificate: ", "operator")
		if name == "absent" {
			_, err = governance.NewClient("https://host", member, nil)
			wantText(t, err, "governance: service certificate: ")
		}
	}
	if _, err := governance.NewClient("https://host", nil, good); err == nil {
		t.Error("a client without a member was made")
	}
}

func keysOf(t testing.TB) *governance.MemberKeys {
	t.Helper()
	keys, err := governance.GenerateMemberKeys("member", nil)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestOtherServer meets servers that are not part of the pinned service, also
// ones that another authority vouches for.
func TestOtherServer(t *testing.T) {
	c, id := commonConsortium(t)
	conn := c.conn(cleanroomtest.Consumer)
	for name, test := range map[string]struct {
		endpoint string
		cert     []byte
	}{
		"another service certificate": {c.env.LedgerURL(), newMember(t, "other").CertificatePEM()},
		"another host":                {"https://" + cleanroomtest.AttestationHost, c.env.ServiceCertificate()},
	} {
		t.Run(name, func(t *testing.T) {
			var dials atomic.Int64
			client, err := governance.NewClient(test.endpoint, c.consumer.Member(), &governance.ClientOptions{
				ServiceCertificate: test.cert, DialContext: counted(&dials, conn.DialContext),
			})
			c.check(err)
			defer client.Close()
			_, err = client.Contract(id).Get(t.Context())
			wantText(t, err, "governance: read contract "+id+": ", "not part of the service whose certificate was given")
			if n := dials.Load(); n != 1 {
				t.Errorf("%d attempts", n)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	refused := errors.New("no route")
	client, err := governance.NewClient("https://nowhere.example:8000", newMember(t, "m"), &governance.ClientOptions{
		ServiceCertificate: newMember(t, "s").CertificatePEM(),
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return nil, refused },
	})
	if err != nil {
		t.Fatal(err)
	}
	governance.Hasten(client)
	_, err = client.Network(t.Context())
	wantText(t, err, "governance: read network: nowhere.example:8000: no route")
	if !errors.Is(err, refused) {
		t.Errorf("the cause is lost: %v", err)
	}
}

// otherService is a TLS server with the handler, and a client that trusts it.
func otherService(t *testing.T, http2 bool, handler http.HandlerFunc, dialled *[]string) *governance.Client {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of refused certificates
	server.StartTLS()
	t.Cleanup(server.Close)
	var mu sync.Mutex
	client, err := governance.NewClient("https://example.com", newMember(t, "m"), &governance.ClientOptions{
		ServiceCertificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			mu.Lock()
			*dialled = append(*dialled, addr)
			mu.Unlock()
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// TestKeepAlive keeps the one connection through answers of all kinds, with
// either version of HTTP.
func TestKeepAlive(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var dialled []string
		var calls atomic.Int64
		client := otherService(t, http2, func(w http.ResponseWriter, r *http.Request) {
			if (r.ProtoMajor == 2) != http2 {
				t.Errorf("the request came by %s", r.Proto)
			}
			switch n := calls.Add(1); {
			case n%3 == 0:
				_, _ = w.Write([]byte(networkJSON))
			case n%3 == 1:
				w.WriteHeader(http.StatusNoContent)
			default:
				http.Error(w, strings.Repeat("x", 100_000), http.StatusNotFound)
			}
		}, &dialled)
		for range 9 {
			_, _ = client.Network(t.Context())
		}
		if calls.Load() != 9 || len(dialled) != 1 {
			t.Errorf("%d calls over %d connections", calls.Load(), len(dialled))
		}
	}
}

// TestNoRedirect answers every call with the way to another host, which must
// not be asked: only 307 and 308 are meant for requests like ours.
func TestNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303} {
		var dialled []string
		var calls atomic.Int64
		client := otherService(t, true, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			w.Header().Set("Location", "https://elsewhere.example.com"+r.URL.Path)
			w.WriteHeader(status)
		}, &dialled)
		_, err := client.Contract("k").Get(t.Context())
		wantText(t, err, "redirect to https://elsewhere.example.com/app/contracts/k", "redirects are not followed")
		_, err = client.Contract("k").PutSecret(t.Context(), "name", "value")
		wantText(t, err, "redirects are not followed")
		if calls.Load() != 2 || len(dialled) != 1 || dialled[0] != "example.com:443" {
			t.Errorf("%d: %d calls, dialled %v", status, calls.Load(), dialled)
		}
	}
}

// TestForeignAnswers meets something that is no governance service.
func TestForeignAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"web page":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "the answer is not what the service sends"},
		"nothing":      {func(http.ResponseWriter, *http.Request) {}, "the answer is not what the service sends"},
		"null":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("null")) }, `the service sent the contract ""`},
		"other":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"id":"other"}`)) }, `the service sent the contract "other"`},
		"gateway page": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusForbidden) }, "status 403"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, "the answer is longer than 8388608 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			var dialled []string
			client := otherService(t, true, test.handler, &dialled)
			_, err := client.Contract("k").Get(t.Context())
			wantText(t, err, "governance: read contract k: ", test.says)
		})
	}
}
