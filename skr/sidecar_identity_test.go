package skr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const someScope = "https://vault.azure.net/.default"

func (s *script) credential(t testing.TB, managed bool) *sidecarCredential {
	t.Helper()
	c, err := NewSidecarCredential(s.URL, "the-tenant", "the-client", &SidecarCredentialOptions{SidecarOptions: quick, ManagedIdentityForm: managed})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*sidecarCredential)
}

func ask(c azcore.TokenCredential, scopes ...string) (azcore.AccessToken, error) {
	return c.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: scopes})
}

// TestSidecarCredentialForms: both routes, and every way to write a time.
func TestSidecarCredentialForms(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	end := now.Add(time.Hour)
	for _, test := range []struct {
		managed bool
		body    string
		query   string
	}{
		{false, `{"token":"t","expiresOn":"` + end.UTC().Format("2006-01-02T15:04:05+00:00") + `"}`, "/metadata/identity/oauth2/token?apiVersion=2018-02-01&clientId=the-client&scope=https%3A%2F%2Fvault.azure.net%2F.default&tenantId=the-tenant"},
		{false, `{"token":"t","expiresOn":"` + end.UTC().Format(time.RFC3339Nano) + `","refreshOn":null,"tokenType":null,"more":{}}`, ""},
		{false, fmt.Sprintf(`{"token":"t","expiresOn":%d}`, end.Unix()), ""},
		{true, fmt.Sprintf(`{"access_token":"t","refresh_token":"","expires_in":3600,"expires_on":%d}`, end.Unix()), "/metadata/identity/the-tenant/the-client/oauth2/token?apiVersion=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"},
		{true, fmt.Sprintf(`{"access_token":"t","expires_in":"3600","expires_on":"%d"}`, end.Unix()), ""},
		{true, `{"access_token":"t","expires_in":"3600"}`, ""},
		{true, `{"access_token":"t","expires_in":3600,"expires_on":"soon"}`, ""},
	} {
		s := sayer(t, said{200, test.body, [2]string{}})
		c := s.credential(t, test.managed)
		c.tokens.now = func() time.Time { return now }
		token, err := ask(c, someScope)
		if err != nil || token.Token != "t" || !token.ExpiresOn.Equal(end) || !token.RefreshOn.Equal(end.Add(-tokenRenewal)) {
			t.Errorf("%s: ends %s, renewed %s, %v", test.body, token.ExpiresOn, token.RefreshOn, err)
		}
		if got := s.seen[0].URL.RequestURI(); test.query != "" && got != test.query {
			t.Errorf("asked for %s", got)
		}
	}
	bad := []string{
		``, `{}`, `{"token":""}`, `{"token":1}`, `{"token":"t"}`, `{"token":"t","expiresOn":"2000-01-01T00:00:00Z"}`, `{"token":"t","expiresOn":"x"}`, `{"token":"t","expires_in":-1}`,
		`{"token":"t","expires_in":0}`, `{"token":"t","expires_in":1e9}`, `{"token":"t","expires_on":99999999999999999999}`, `[]`, `{"error":{"code":"x"}}`, `{"token":"t","expires_in":60}{}`,
	}
	for _, body := range bad {
		c := sayer(t, said{200, body, [2]string{}}).credential(t, false)
		c.tokens.now = func() time.Time { return now }
		if token, err := ask(c, someScope); err == nil || token.Token != "" || strings.Contains(err.Error(), `"t"`) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if len(bad) != 14 {
		t.Errorf("%d cases", len(bad))
	}
}

func tokenAnswer(text string, end time.Time, more string) said {
	return said{200, fmt.Sprintf(`{"token":%q,"expiresOn":%q%s}`, text, end.UTC().Format(time.RFC3339), more), [2]string{}}
}

// TestSidecarCredentialKeeps: one request per audience while the token is
// young, a new one when it is old, and the old one as long as it may be used.
func TestSidecarCredentialKeeps(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	now := start
	s := sayer(t, tokenAnswer("first", start.Add(time.Hour), ""), tokenAnswer("second", start.Add(2*time.Hour), `,"refreshOn":"`+start.Add(80*time.Minute).UTC().Format(time.RFC3339)+`"`),
		tokenAnswer("third", start.Add(3*time.Hour), ""), said{401, "", [2]string{}})
	c := s.credential(t, false)
	c.tokens.now = func() time.Time { return now }
	for _, step := range []struct {
		after time.Duration
		want  string
		calls int32
	}{
		{0, "first", 1}, {54 * time.Minute, "first", 1}, {56 * time.Minute, "second", 2}, {79 * time.Minute, "second", 2}, {81 * time.Minute, "third", 3},
		{176 * time.Minute, "third", 4}, // cannot be renewed, and is still good
		{178 * time.Minute, "third", 5}, {179*time.Minute + time.Second, "", 6},
	} {
		now = start.Add(step.after)
		token, err := ask(c, someScope)
		if token.Token != step.want || (err == nil) != (step.want != "") || s.calls.Load() != step.calls {
			t.Errorf("after %s: %q, %v, %d calls", step.after, token.Token, err, s.calls.Load())
		}
	}
}

// TestSidecarCredentialOneFlight: callers of one audience share a request,
// others do not wait for it, and who gives up does not take others along.
func TestSidecarCredentialOneFlight(t *testing.T) {
	gate, arrived := make(chan struct{}), make(chan string, 10)
	s := sayer(t)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope := r.URL.Query().Get("scope")
		arrived <- scope
		if scope == someScope {
			<-gate
		}
		a := tokenAnswer("t", time.Now().Add(time.Hour), "")
		_, _ = w.Write([]byte(a.body))
	})
	c := s.credential(t, false)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if _, err := ask(c, someScope); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	if _, err := ask(c, "https://storage.azure.com/.default"); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{someScope}}); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	close(gate)
	all.Wait()
	if len(arrived) != 1 { // that of the other audience
		t.Errorf("%d more requests", len(arrived)-1)
	}
}

// TestSidecarCredentialRefuses what the sidecar cannot give, and explains what
// Entra refused.
func TestSidecarCredentialRefuses(t *testing.T) {
	s := sayer(t, said{500, `{"error":{"code":"MsalServiceException","message":"AADSTS700213: No matching federated identity record"}}`, [2]string{}})
	c := s.credential(t, false)
	for name, o := range map[string]policy.TokenRequestOptions{
		"no scope": {}, "two": {Scopes: []string{someScope, "https://storage.azure.com/.default"}}, "part": {Scopes: []string{"https://vault.azure.net/user"}},
		"claims": {Scopes: []string{someScope}, Claims: "{}"}, "tenant": {Scopes: []string{someScope}, TenantID: "other"},
	} {
		if _, err := c.GetToken(t.Context(), o); err == nil || s.calls.Load() != 0 {
			t.Errorf("%s: %v, %d calls", name, err, s.calls.Load())
		}
	}
	_, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{someScope}, TenantID: "THE-TENANT"})
	var denied *DeniedError
	if !errors.As(err, &denied) || denied.Checks[0].ID != "federation.subject" || denied.By != "Microsoft Entra" || s.calls.Load() != 1 {
		t.Errorf("%v", err)
	}
	for _, ids := range [][2]string{{"", "c"}, {"t", ""}, {"a/b", "c"}, {"t", "c?x"}, {"..", "c"}} {
		if _, err := NewSidecarCredential("", ids[0], ids[1], nil); err == nil {
			t.Errorf("%v was taken", ids)
		}
	}
}

// TestSecretsSidecar: what is sent, what is taken, what is refused.
func TestSecretsSidecar(t *testing.T) {
	ref := SecretRef{ClientID: "c", TenantID: "t", Name: "secret", VaultURL: "https://v1.vault.azure.net/", KEK: KeyRef{Name: "kek", Version: "1", VaultURL: "v2.vault.azure.net", AttestationURL: maaHost}}
	client := func(s *script) *SecretsSidecar {
		c, err := NewSecretsSidecar(s.URL, &quick)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	s := sayer(t, said{200, `{"value":"` + base64.StdEncoding.EncodeToString([]byte("plain")) + `"}`, [2]string{}})
	got, err := client(s).Unwrap(t.Context(), ref)
	if string(got) != "plain" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	var sent, want any
	wire := `{"clientId":"c","tenantId":"t","kid":"secret","akvEndpoint":"https://v1.vault.azure.net","kek":{"kid":"kek/1","akvEndpoint":"https://v2.vault.azure.net","maaEndpoint":"https://` + maaHost + `"}}`
	if json.Unmarshal(s.body[0], &sent) != nil || json.Unmarshal([]byte(wire), &want) != nil || fmt.Sprint(sent) != fmt.Sprint(want) {
		t.Errorf("sent %s", s.body[0])
	}
	for _, a := range []struct {
		said
		denied bool
		says   string
	}{
		{said{200, `{"value":"*canary*"}`, [2]string{}}, false, "not base64"},
		{said{200, `{"value":null}`, [2]string{}}, false, "no text"},
		{said{200, `{}`, [2]string{}}, false, "no text"},
		{said{200, ``, [2]string{}}, false, "no JSON object"},
		{said{403, `{"error":"secure key release failed"}`, [2]string{}}, true, "secure key release failed"},
		{said{403, `{"error":{}}`, [2]string{}}, true, "(absent)"},
		{said{403, ``, [2]string{}}, true, "(absent)"},
		{said{404, `{"error":{"code":"SecretNotFound","message":"none"}}`, [2]string{}}, false, "SecretNotFound"},
		{said{500, `{"error":{"code":"FormatException","message":"not base 64"}}`, [2]string{}}, false, "FormatException"},
		{said{400, `{"title":"x","errors":{"kek":["needed"]}}`, [2]string{}}, false, "needed"},
	} {
		got, err := client(sayer(t, a.said)).Unwrap(t.Context(), ref)
		var denied *DeniedError
		if got != nil || err == nil || errors.As(err, &denied) != a.denied || !strings.Contains(err.Error(), a.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d %s: %v", a.status, a.body, err)
		}
	}
	calls := s.calls.Load()
	for _, change := range []func(*SecretRef){
		func(r *SecretRef) { r.KEK.VaultURL += ":8443" }, func(r *SecretRef) { r.KEK.AttestationURL += ":8443" }, func(r *SecretRef) { r.Name = "a/b" }, func(r *SecretRef) { r.ClientID = "" },
	} {
		bad := ref
		change(&bad)
		if _, err := client(s).Unwrap(t.Context(), bad); err == nil || s.calls.Load() != calls {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	bad := ref
	bad.VaultURL = "https://v1.vault.azure.net:8443" // kept by the sidecar
	if _, err := client(s).Unwrap(t.Context(), bad); err != nil {
		t.Error(err)
	}
}
