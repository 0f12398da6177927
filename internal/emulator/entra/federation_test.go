package entra

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-jose/go-jose/v4"

	"github.com/cleanroom-go/sdk/skr"
)

// TestCredentialExplains: each refusal names what was sent and what to do, and
// never the assertion.
func TestCredentialExplains(t *testing.T) {
	f := newFixture(t)
	const bare = "44444444-4444-4444-8444-444444444444"
	f.AddSecret(tenant, bare, "x") // an application without a federation
	const unpublished = "https://" + issuerHost + "/nothing-here"
	f.Federate(tenant, workload, unpublished, subject, audienceID)
	cases := []struct {
		name             string
		tenantID, client string
		key              *rsa.PrivateKey
		change           map[string]any
		code             int
		check, remedy    string
		temporary        bool
	}{
		{"none", tenant, bare, f.key, nil, 70021, "federation.subject", "after about a minute", true},
		{"issuer", tenant, workload, f.key, map[string]any{"iss": issuer + "/"}, 700211, "federation.issuer", "trailing slash", true},
		{"subject", tenant, workload, f.key, map[string]any{"sub": "contract-2"}, 700213, "federation.subject", "the contract id", true},
		{"audience", tenant, workload, f.key, map[string]any{"aud": "api://other"}, 700212, "federation.audience", "audience that the federated credential names", true},
		{"signature", tenant, workload, f.stranger, nil, 700027, "federation.signature", "openid/v1/jwks", false},
		{"tenant", "99999999-9999-4999-8999-999999999999", workload, f.key, nil, 90002, "federation.tenant", "identity's tenant", false},
		{"client", tenant, "99999999-9999-4999-8999-999999999999", f.key, nil, 700016, "federation.client", "not its object id", true},
		{"documents", tenant, workload, f.key, map[string]any{"iss": unpublished}, 50166, "federation.documents", "anonymous reads", false},
		{"expired", tenant, workload, f.key, map[string]any{"exp": fmt.Sprint(time.Now().Add(-time.Hour).Unix())}, 700024, "federation.time", "clocks", false},
	}
	for _, c := range cases {
		assertion := f.assertion(t, c.key, jose.PS256, c.change)
		cred, err := skr.NewAssertionCredential(c.tenantID, c.client, func(context.Context) (string, error) { return assertion, nil },
			&skr.AssertionCredentialOptions{ClientOptions: f.clientOptions()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{vaultScope}})
		var denied *skr.DeniedError
		if !errors.As(err, &denied) || len(denied.Checks) != 1 || denied.Checks[0].ID != c.check || !strings.Contains(denied.Checks[0].Remedy, c.remedy) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.name == "tenant" {
			continue // refused before anything is sent
		}
		var sent *skr.FederationError
		if !errors.As(err, &sent) || sent.Code != c.code || sent.Temporary() != c.temporary || sent.ClientID != c.client || sent.TenantID != c.tenantID {
			t.Errorf("%s: %+v", c.name, sent)
			continue
		}
		want := map[string]string{"iss": issuer, "sub": subject, "aud": audienceID}
		for name, v := range c.change {
			want[name] = v.(string)
		}
		if sent.Issuer != want["iss"] || sent.Subject != want["sub"] || sent.Audience != want["aud"] {
			t.Errorf("%s: sent %s, %s, %s", c.name, sent.Issuer, sent.Subject, sent.Audience)
		}
		text := fmt.Sprintf("%v %+v %#v", err, err, sent)
		for _, part := range strings.Split(assertion, ".")[1:] {
			if strings.Contains(text, part) {
				t.Errorf("%s: the assertion is in %s", c.name, text)
			}
		}
	}
	if len(cases) != 9 {
		t.Errorf("%d cases, want 9", len(cases))
	}
}

// TestCredentialSharesExchanges: one exchange per audience however many ask, a
// fresh assertion for each, and renewal in time.
func TestCredentialSharesExchanges(t *testing.T) {
	f := newFixture(t)
	var mu sync.Mutex
	made := 0
	cred, err := skr.NewAssertionCredential(tenant, workload, func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		made++
		return f.assertion(t, f.key, jose.PS256, map[string]any{"jti": fmt.Sprint(made)}), nil
	}, &skr.AssertionCredentialOptions{ClientOptions: f.clientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	scopes := []string{vaultScope, "https://managedhsm.azure.net/.default", "https://storage.azure.com/.default"}
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			token, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: scopes[i%3 : i%3+1]})
			if err != nil || !token.RefreshOn.Before(token.ExpiresOn) || token.RefreshOn.Before(time.Now()) {
				t.Errorf("%v, renewed %v", err, token.RefreshOn)
			}
		})
	}
	wg.Wait()
	if made != len(scopes) {
		t.Errorf("%d assertions for %d audiences", made, len(scopes))
	}
}
