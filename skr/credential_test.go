package skr

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const entraHost = "login.microsoftonline.com"

// entra answers token requests: with a token when code is 0, else with that
// error number.
func (w *world) entra(code int) func(http.ResponseWriter, *http.Request) bool {
	return func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Host != entraHost {
			return false
		}
		base := "https://" + entraHost + "/" + tenantID
		switch r.URL.Path {
		case "/common/discovery/instance":
			reply(rw, 200, object{"tenant_discovery_endpoint": base + "/v2.0/.well-known/openid-configuration", "metadata": []any{
				object{"preferred_network": entraHost, "preferred_cache": entraHost, "aliases": []any{entraHost}},
			}})
		case "/" + tenantID + "/v2.0/.well-known/openid-configuration":
			reply(rw, 200, object{"issuer": base + "/v2.0", "token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize"})
		case "/" + tenantID + "/oauth2/v2.0/token":
			_ = r.ParseForm()
			if code == 0 && r.Form.Get("client_assertion") != "" && r.Form.Get("client_id") == clientID {
				reply(rw, 200, object{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "access-canary"})
				return true
			}
			reply(rw, 401, object{"error": "invalid_client", "error_description": fmt.Sprintf("AADSTS%d: refused", code), "error_codes": []any{code}})
		default:
			http.NotFound(rw, r)
		}
		return true
	}
}

func assertionToken() string {
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://issuer.example/rg","sub":"contract-1","aud":"api://AzureADTokenExchange"}`))
	return "e30." + payload + ".assertion-canary"
}

func (w *world) assertionCredential(t testing.TB, calls *int) azcore.TokenCredential {
	t.Helper()
	cred, err := NewAssertionCredential(tenantID, clientID, func(context.Context) (string, error) {
		*calls++
		return assertionToken(), nil
	}, &AssertionCredentialOptions{ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

var vaultScope = policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}

func TestAssertionCredential(t *testing.T) {
	w := newWorld(t)
	w.intercept = w.entra(0)
	calls := 0
	cred := w.assertionCredential(t, &calls)
	for range 3 {
		token, err := cred.GetToken(context.Background(), vaultScope)
		if err != nil || token.Token != "access-canary" {
			t.Fatalf("%v", err)
		}
	}
	if calls != 1 {
		t.Errorf("the assertion was made %d times, want once", calls)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", cred, cred, cred, cred); strings.Contains(s, "canary") {
		t.Errorf("printed: %s", s)
	}
}

// The environment does not say who gets the assertion, only the options do.
func TestAuthority(t *testing.T) {
	t.Setenv("AZURE_AUTHORITY_HOST", "https://elsewhere.example.com")
	for want, configuration := range map[string]cloud.Configuration{
		entraHost:                  {},
		"login.microsoftonline.us": cloud.AzureGovernment,
	} {
		w := newWorld(t)
		hosts := map[string]bool{}
		entra := w.entra(0)
		w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			hosts[r.Host] = true
			// The library asks the public authority what it knows of another.
			if about, err := url.Parse(r.URL.Query().Get("authorization_endpoint")); err == nil && about.Host != "" {
				hosts[about.Host] = true
			}
			return entra(rw, r)
		}
		o := w.options()
		o.Cloud = configuration
		cred, err := NewAssertionCredential(tenantID, clientID, func(context.Context) (string, error) { return assertionToken(), nil },
			&AssertionCredentialOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		_, err = cred.GetToken(context.Background(), vaultScope)
		// The world has a certificate for the public authority alone.
		asked := hosts[want] || err != nil && strings.Contains(err.Error(), `Get "https://`+want)
		if !asked || hosts["elsewhere.example.com"] || (want == entraHost) != (err == nil) {
			t.Errorf("%s: asked %v, %v", want, hosts, err)
		}
	}
}

// However loud the log of the Azure library, it shows no token.
func TestTokensAreNotLogged(t *testing.T) {
	var mu sync.Mutex
	var text strings.Builder
	azlog.SetListener(func(_ azlog.Event, s string) {
		mu.Lock()
		defer mu.Unlock()
		text.WriteString(s + "\n")
	})
	defer azlog.SetListener(nil)
	w := newWorld(t)
	w.intercept = w.entra(0)
	o := w.options()
	o.Logging = policy.LogOptions{IncludeBody: true, AllowedHeaders: []string{"Authorization", "authorization"}}
	cred, err := NewAssertionCredential(tenantID, clientID, func(context.Context) (string, error) { return assertionToken(), nil },
		&AssertionCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReleaser(w.guest(), &ReleaserOptions{ClientOptions: o, Roots: w.ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := cred.GetToken(context.Background(), vaultScope); err != nil {
		t.Fatal(err)
	}
	key, err := r.Release(context.Background(), w.ref(), &bearer{"bearer-canary"})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(text.String(), "/oauth2/v2.0/token") || !strings.Contains(text.String(), "/release") {
		t.Error("the library logged nothing")
	}
	for _, canary := range []string{"access-canary", "assertion-canary", "bearer-canary", "eyJ"} {
		if strings.Contains(text.String(), canary) {
			t.Errorf("%s is in the log", canary)
		}
	}
}

func TestAssertionCredentialDenied(t *testing.T) {
	for code, want := range map[int]string{
		70021: "federation.subject", 700213: "federation.subject", 700211: "federation.issuer",
		700212: "federation.audience", 50027: "federation.signature", 700027: "federation.signature", 90002: "federation.tenant",
	} {
		w := newWorld(t)
		w.intercept = w.entra(code)
		calls := 0
		_, err := w.assertionCredential(t, &calls).GetToken(context.Background(), vaultScope)
		if ids := failedIDs(err); len(ids) != 1 || ids[0] != want {
			t.Errorf("%d: failed checks %v, want %s: %v", code, ids, want, err)
			continue
		}
		if strings.Contains(err.Error(), "assertion-canary") {
			t.Errorf("%d: the assertion is in the error", code)
		}
		var denied *DeniedError
		if errors.As(err, &denied) && want == "federation.subject" && denied.Checks[0].Got != "contract-1" {
			t.Errorf("%d: got %q", code, denied.Checks[0].Got)
		}
	}
	w := newWorld(t)
	w.intercept = w.entra(500)
	calls := 0
	if _, err := w.assertionCredential(t, &calls).GetToken(context.Background(), vaultScope); err == nil || failedIDs(err) != nil {
		t.Errorf("an unknown number: %v", err)
	}
}

func TestAssertionCredentialErrors(t *testing.T) {
	w := newWorld(t)
	w.intercept = w.entra(0)
	fails := errors.New("governance says no")
	cred, err := NewAssertionCredential(tenantID, clientID, func(context.Context) (string, error) { return "", fails },
		&AssertionCredentialOptions{ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cred.GetToken(context.Background(), vaultScope); err == nil || !strings.Contains(err.Error(), fails.Error()) {
		t.Errorf("got %v", err)
	}
	assert := func(context.Context) (string, error) { return "", nil }
	for name, args := range map[string][2]string{"tenant": {"", clientID}, "client": {tenantID, "a b"}, "path": {"a/b", clientID}} {
		if _, err := NewAssertionCredential(args[0], args[1], assert, nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := NewAssertionCredential(tenantID, clientID, nil, nil); err == nil {
		t.Error("no assertion function was accepted")
	}
	for _, bad := range []string{"", "a.b", "a.!.c", "a.e30.c.d", "a.W10.c"} {
		if c := readAssertion(bad); c.Subject != "" {
			t.Errorf("%q: %+v", bad, c)
		}
	}
}

// fakeEntra is what lies below the cache: time is the test's.
type fakeEntra struct {
	asked  int
	err    error
	expire time.Time
	enter  chan struct{} // if set, each call waits for it
}

func (f *fakeEntra) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	f.asked++
	if f.enter != nil {
		select {
		case <-f.enter:
		case <-ctx.Done():
			return azcore.AccessToken{}, ctx.Err()
		}
	}
	return azcore.AccessToken{Token: fmt.Sprint("token-", f.asked), ExpiresOn: f.expire}, f.err
}

func TestAssertionCredentialRenews(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	below := &fakeEntra{expire: now.Add(time.Hour)}
	c := &assertionCredential{tenantID: tenantID, clientID: clientID, inner: below, tokens: newTokenKeeper(func() time.Time { return now })}
	start := now
	for _, step := range []struct {
		after time.Duration
		err   error
		want  string // empty: an error
		asked int
	}{
		{0, nil, "token-1", 1},
		{54 * time.Minute, nil, "token-1", 1},
		{55 * time.Minute, errors.New("down"), "token-1", 2}, // due, and it still lasts
		{56 * time.Minute, nil, "token-3", 3},
		{60 * time.Minute, errors.New("down"), "", 4},
	} {
		now, below.err = start.Add(step.after), step.err
		token, err := c.GetToken(context.Background(), vaultScope)
		if token.Token != step.want || (err == nil) != (step.want != "") || below.asked != step.asked {
			t.Errorf("after %v: %q after %d exchanges, %v", step.after, token.Token, below.asked, err)
		}
	}
	// A service that wants more than the kept token gets another.
	now, below.err = start, nil
	want := vaultScope
	want.Claims = `{"access_token":{}}`
	if token, err := c.GetToken(context.Background(), want); err != nil || token.Token != "token-5" {
		t.Errorf("with claims: %q, %v", token.Token, err)
	}
}

// Who waits for another's exchange waits by his own context.
func TestAssertionCredentialWaits(t *testing.T) {
	below := &fakeEntra{expire: time.Now().Add(time.Hour), enter: make(chan struct{})}
	c := &assertionCredential{tenantID: tenantID, clientID: clientID, inner: below, tokens: newTokenKeeper(time.Now)}
	done := make(chan error)
	go func() {
		_, err := c.GetToken(context.Background(), vaultScope)
		done <- err
	}()
	below.enter <- struct{}{} // the first one is inside
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	c.tokens.of(tokenAudience(vaultScope)).turn <- struct{}{} // after the first one, nobody else
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetToken(cancelled, vaultScope); !errors.Is(err, context.Canceled) {
		t.Errorf("waited: %v", err)
	}
	<-c.tokens.of(tokenAudience(vaultScope)).turn
	if token, err := c.GetToken(context.Background(), vaultScope); err != nil || token.Token != "token-1" || below.asked != 1 {
		t.Errorf("%q after %d, %v", token.Token, below.asked, err)
	}
}
