package governance_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// sidecar is the room client of a guest through its sidecar.
func (l *ledger) sidecar(contractID string, g guest, wrap func(http.RoundTripper) http.RoundTripper) *governance.SidecarRoom {
	l.Helper()
	s, err := g.GovernanceSidecar(contractID)
	l.check(err)
	l.Cleanup(func() { l.check(s.Close()) })
	r, err := governance.NewSidecarRoom(s.URL, contractID, &governance.SidecarOptions{Transport: wrap})
	l.check(err)
	l.Cleanup(r.Close)
	return r
}

// TestRoomBothWays asks the same of a room that goes to the service itself and
// of one that goes through the sidecar.
func TestRoomBothWays(t *testing.T) {
	c := newConsortium(t)
	ctx := t.Context()
	c.accept(c.propose(c.consumer, governance.EnableOIDCIssuer("k")), c.both()...)
	kid, err := c.consumer.OIDC().GenerateSigningKey(ctx)
	c.check(err)
	c.accept(c.propose(c.consumer, governance.EnableSigning("s")), c.both()...)
	const issuer, other = "https://host/path", "https://other/path"
	c.check(c.publisher.OIDC().SetIssuerURL(ctx, issuer))
	jwks, err := c.publisher.OIDC().Keys(ctx)
	c.check(err)
	tenant := c.memberData(cleanroomtest.Publisher).TenantID

	ways := map[string]func(id string, g guest) governance.Room{
		"direct":  func(id string, g guest) governance.Room { return c.room(id, g, nil) },
		"sidecar": func(id string, g guest) governance.Room { return c.sidecar(id, g, nil) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			id := "both-" + name
			g := c.launch("policy of " + id)
			room := way(id, g)

			// Before there is a policy, and with another host's.
			_, err := room.Secret(ctx, "name")
			wantDenied(t, err, "policy.accepted")
			c.agree(id, g.hostData())
			stranger := way(id, c.launch("another policy"))
			_, secret := stranger.Secret(ctx, "name")
			_, token := stranger.Token(ctx, governance.TokenRequest{TenantID: tenant})
			_, consent := stranger.Consent(ctx, governance.Execution)
			_, put := stranger.PutSecret(ctx, "name", "v")
			_, document := stranger.Document(ctx, id)
			_, user := stranger.UserDocument(ctx, id)
			_, userConsent := stranger.UserDocumentConsent(ctx, id, governance.Execution)
			_, signature := stranger.Sign(ctx, []byte("payload"))
			delegate := stranger.SetDelegatePolicy(ctx, governance.EventDelegate(), governance.HostDataPolicy("aa"))
			for _, err := range []error{secret, put, token, consent, stranger.PutEvent(ctx, struct{}{}, nil), document, user, userConsent, signature, delegate} {
				d := wantDenied(t, err, "policy.match")
				wantCode(t, d, "VerifySnpAttestationFailed")
			}

			for _, value := range []string{"v", `{"a":"ü\u0000"}`, strings.Repeat("x", 25600)} {
				secretID, err := c.publisher.Contract(id).PutSecret(ctx, "name", value)
				c.check(err)
				got, err := room.Secret(ctx, secretID)
				c.check(err)
				if string(got) != value {
					t.Errorf("secret of %d bytes is another one", len(got))
				}
			}
			_, err = room.Secret(ctx, "nobody_name")
			wantCode(t, err, "SecretNotFound")
			for _, bad := range []string{"", "a/b", "a b", "%41", "../oauth"} {
				if _, err := room.Secret(ctx, bad); err == nil || !strings.HasPrefix(err.Error(), "governance: secret id") {
					t.Errorf("%q: %v", bad, err)
				}
			}

			c.putSecrets(id, room)
			c.readDocuments(id, room)
			c.endorse(id, room, stranger)
			c.signPayloads(room)
			c.delegate(id, room)

			for _, want := range []map[string]string{
				{"sub": id, "aud": governance.TokenAudience, "iss": issuer},
				{"sub": "someone", "aud": "api://else", "iss": other},
			} {
				r := governance.TokenRequest{TenantID: tenant}
				if want["sub"] != id {
					r.Subject, r.Audience, r.Issuer = want["sub"], want["aud"], want["iss"]
				}
				token, err := room.Token(ctx, r)
				c.check(err)
				checkToken(t, token, jwks, kid, want)
			}
			for _, bad := range []governance.TokenRequest{{}, {TenantID: "a b"}, {TenantID: tenant, Subject: "a&b"}, {TenantID: tenant, Audience: "a=b"}, {TenantID: tenant, Issuer: "a%20"}} {
				_, err := room.Token(ctx, bad)
				wantText(t, err, "governance: get token of "+id+" for tenant ", "the token's ")
			}

			status, err := room.Consent(ctx, governance.Execution)
			c.check(err)
			c.check(status.Err())
			c.check(c.publisher.Contract(id).DisableExecution(ctx))
			status, err = room.Consent(ctx, governance.Execution)
			c.check(err)
			if status.Enabled || status.ReasonCode != "ContractDisabled" || status.Reason == "" || status.ContractID != id {
				t.Errorf("execution: %+v", status)
			}
			p, err := c.consumer.Contract(id).ProposeLogging(ctx)
			c.check(err)
			status, err = room.Consent(ctx, governance.Logging)
			c.check(err)
			if status.Enabled || len(status.ProposalIDs) != 1 || status.ProposalIDs[0] != p.ID {
				t.Errorf("logging: %+v", status)
			}
			_, err = room.Consent(ctx, "printing")
			wantCode(t, err, "InvalidOption")
			if _, err = room.Consent(ctx, "a/b"); err == nil {
				t.Error("an option with a slash was asked for")
			}

			c.check(room.PutEvent(ctx, map[string]string{"message": "one"}, nil))
			c.check(room.PutEvent(ctx, map[string]string{"message": "two"}, &governance.PutEventOptions{ID: id + "-x", Scope: "s"}))
			for eventID, want := range map[string]string{id: "one", id + "-x": "two"} {
				o := &governance.EventsOptions{ID: eventID}
				if eventID != id {
					o.Scope = "s"
				}
				n := 0
				for e, err := range c.consumer.Contract(id).Events(ctx, o) {
					c.check(err)
					var doc struct{ Message string }
					c.check(json.Unmarshal(e.Data, &doc))
					if n++; doc.Message != want {
						t.Errorf("event %s", e.Data)
					}
				}
				if n != 1 {
					t.Errorf("%d events %s", n, eventID)
				}
			}
			for _, bad := range []any{nil, 1, "x", []int{1}, make(chan int)} {
				err := room.PutEvent(ctx, bad, nil)
				wantText(t, err, "governance: put event of "+id+": ")
			}
			if err := room.PutEvent(ctx, struct{}{}, &governance.PutEventOptions{Scope: "a/b"}); err == nil {
				t.Error("a scope with a slash was sent")
			}
		})
	}
}

// TestSidecarAddress takes literal loopback addresses alone.
func TestSidecarAddress(t *testing.T) {
	for _, good := range []string{"", "http://127.0.0.1:8300", "http://127.8.9.1:1", "http://[::1]:8300/"} {
		s, err := governance.NewSidecarRoom(good, "k", nil)
		if err != nil {
			t.Errorf("%s: %v", good, err)
			continue
		}
		if s.ContractID() != "k" {
			t.Errorf("contract %s", s.ContractID())
		}
		s.Close()
	}
	for _, bad := range []string{"http://localhost:8300", "https://127.0.0.1:8300", "http://10.0.0.1:8300", "http://0.0.0.0:8300", "http://[::]:8300", "http://127.0.0.1.example:1", "http://127.0.0.1:1/x", "http://u:CANARY@127.0.0.1:1", "http://127.0.0.1:1?x", "http://127.0.0.1:1#x", "127.0.0.1:8300", "http://2130706433:1"} {
		_, err := governance.NewSidecarRoom(bad, "k", nil)
		wantText(t, err, "governance: sidecar: ")
		if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%v", err)
		}
	}
	if _, err := governance.NewSidecarRoom("", "a/b", nil); err == nil {
		t.Error("a contract id with a slash passed")
	}
}

// fakeSidecar answers as it likes.
func fakeSidecar(t testing.TB, handler http.HandlerFunc) *governance.SidecarRoom {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s, err := governance.NewSidecarRoom(server.URL, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	governance.HastenSidecar(s)
	return s
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// TestSidecarAnswers has sidecars in trouble, and what only looks like one.
func TestSidecarAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		says    string
		calls   int64
	}{
		"exception":        {text(500, `{"error":{"code":"HttpRequestException","message":"no route"}}`), "remedy the sidecar failed", 1},
		"service in text":  {text(404, `{"error":{"code":"SecretNotFound","message":"m"}}`), "SecretNotFound (404): m", 1},
		"starting":         {text(503, ``), "status 503", 12},
		"page":             {text(200, `<html>`), "not what the service sends", 1},
		"no value":         {text(200, `{}`), "has no value", 1},
		"null":             {text(200, `null`), "has no value", 1},
		"another type":     {text(200, `{"value":1}`), "not what the service sends", 1},
		"refused evidence": {text(400, `{"error":{"code":"VerifySnpAttestationFailed","message":"The clean room policy is missing"}}`), "policy.accepted", 1},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example"+r.URL.Path)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "redirects are not followed", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			s := fakeSidecar(t, func(w http.ResponseWriter, r *http.Request) { calls.Add(1); test.handler(w, r) })
			_, err := s.Secret(t.Context(), "name")
			wantText(t, err, "governance: read secret name of k: ", test.says)
			if calls.Load() != test.calls {
				t.Errorf("%d calls", calls.Load())
			}
		})
	}
	s := fakeSidecar(t, text(200, `{"value":"no token"}`))
	_, err := s.Token(t.Context(), governance.TokenRequest{TenantID: "t"})
	wantText(t, err, "is no JWT")
	_, err = s.Token(t.Context(), governance.TokenRequest{TenantID: "t", Lifetime: time.Hour})
	wantText(t, err, "live 5m0s, not 1h0m0s")
	// What is not a clear yes is a no.
	for _, body := range []string{`{}`, `{"status":"Enabled"}`, `{"status":""}`, `null`} {
		status, err := fakeSidecar(t, text(200, body)).Consent(t.Context(), governance.Execution)
		if err != nil || status.Enabled {
			t.Errorf("%s: %+v, %v", body, status, err)
		}
	}
}

// TestSidecarProxy does not ask the proxy of the environment.
func TestSidecarProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	s := fakeSidecar(t, text(200, `{"value":"v"}`))
	if v, err := s.Secret(t.Context(), "name"); err != nil || string(v) != "v" {
		t.Errorf("%q, %v", v, err)
	}
}
