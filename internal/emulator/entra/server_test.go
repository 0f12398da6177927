package entra

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
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
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/go-jose/go-jose/v4"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/emulator/wire/wiretest"
)

const (
	tenant     = "11111111-1111-4111-8111-111111111111"
	operator   = "22222222-2222-4222-8222-222222222222"
	workload   = "33333333-3333-4333-8333-333333333333"
	issuerHost = "consumeroidcsa.z6.web.core.windows.net"
	issuer     = "https://" + issuerHost + "/collab"
	audienceID = "api://AzureADTokenExchange"
	subject    = "contract-1"
	vaultScope = "https://vault.azure.net/.default"
)

// issuerKeys are that of the issuer and a stranger's. Made once, for speed.
var issuerKeys = sync.OnceValues(func() ([2]*rsa.PrivateKey, error) {
	a, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return [2]*rsa.PrivateKey{}, err
	}
	b, err := rsa.GenerateKey(rand.Reader, 2048)
	return [2]*rsa.PrivateKey{a, b}, err
})

type fixture struct {
	*Server
	network       *wiretest.Network
	key, stranger *rsa.PrivateKey
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	keys, err := issuerKeys()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{network: wiretest.New(t, DefaultHost, issuerHost), key: keys[0], stranger: keys[1]}
	if f.Server, err = New(Options{HTTP: f.network.Client}); err != nil {
		t.Fatal(err)
	}
	f.network.Handle(DefaultHost, f.Server)
	// The documents lie on a static web site, whose keys are labelled RS256.
	site := http.NewServeMux()
	site.HandleFunc("GET /collab/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		wire.JSON(w, http.StatusOK, map[string]any{"issuer": issuer, "jwks_uri": issuer + "/openid/v1/jwks"})
	})
	site.HandleFunc("GET /collab/openid/v1/jwks", func(w http.ResponseWriter, _ *http.Request) {
		wire.JSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "e": "AQAB", "n": wire.Encode64(f.key.N.Bytes()),
		}}})
	})
	f.network.Handle(issuerHost, site)
	f.AddSecret(tenant, operator, "correct horse")
	f.Federate(tenant, workload, issuer, subject, audienceID)
	return f
}

// clientOptions have no switch for the emulator but the transport.
func (f *fixture) clientOptions() azcore.ClientOptions {
	return azcore.ClientOptions{Transport: f.network.Client, Retry: policy.RetryOptions{MaxRetries: -1}}
}

// assertion signs as CCF does: PS256, and times as strings.
func (f *fixture) assertion(t *testing.T, key *rsa.PrivateKey, alg jose.SignatureAlgorithm, change map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": issuer, "sub": subject, "aud": audienceID, "jti": "1",
		"iat": fmt.Sprint(now), "nbf": fmt.Sprint(now), "exp": fmt.Sprint(now + 300),
	}
	for name, v := range change {
		if claims[name] = v; v == nil {
			delete(claims, name)
		}
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (f *fixture) federated(t *testing.T, tenantID, clientID, assertion, scope string) (string, error) {
	t.Helper()
	cred, err := azidentity.NewClientAssertionCredential(tenantID, clientID, func(context.Context) (string, error) { return assertion, nil },
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: f.clientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	token, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{scope}})
	return token.Token, err
}

func (f *fixture) bySecret(t *testing.T, tenantID, clientID, secret, scope string) (string, error) {
	t.Helper()
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: f.clientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	token, err := cred.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{scope}})
	return token.Token, err
}

func TestFederatedAssertion(t *testing.T) {
	f := newFixture(t)
	for _, alg := range []jose.SignatureAlgorithm{jose.PS256, jose.RS256} {
		token, err := f.federated(t, tenant, workload, f.assertion(t, f.key, alg, nil), vaultScope)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		p, err := f.Verify(token, "https://vault.azure.net")
		if err != nil {
			t.Fatal(err)
		}
		if p.TenantID != tenant || p.ClientID != workload || p.ObjectID != objectID(tenant, workload) {
			t.Errorf("principal %+v", p)
		}
	}
	// Numbers are as good as strings.
	now := time.Now().Unix()
	numbers := map[string]any{"iat": now, "nbf": now, "exp": now + 60}
	if _, err := f.federated(t, tenant, workload, f.assertion(t, f.key, jose.RS256, numbers), vaultScope); err != nil {
		t.Error(err)
	}
}

func TestFederationRefusals(t *testing.T) {
	f := newFixture(t)
	past, future := fmt.Sprint(time.Now().Add(-time.Second).Unix()), fmt.Sprint(time.Now().Add(time.Hour).Unix())
	good := f.assertion(t, f.key, jose.PS256, nil)
	const unknown = "44444444-4444-4444-8444-444444444444"
	f.Federate(tenant, unknown, issuer+"/gone", subject, audienceID)
	cases := []struct {
		name                       string
		number                     int
		tenant, client, jwt, scope string
	}{
		{"foreign issuer", 700211, tenant, workload, f.assertion(t, f.key, jose.PS256, map[string]any{"iss": "https://evil.example/collab"}), vaultScope},
		{"issuer with slash", 700211, tenant, workload, f.assertion(t, f.key, jose.PS256, map[string]any{"iss": issuer + "/"}), vaultScope},
		{"foreign subject", 700213, tenant, workload, f.assertion(t, f.key, jose.PS256, map[string]any{"sub": "contract-2"}), vaultScope},
		{"foreign audience", 700212, tenant, workload, f.assertion(t, f.key, jose.PS256, map[string]any{"aud": "api://other"}), vaultScope},
		{"no federation", 70021, tenant, operator, good, vaultScope},
		{"foreign key", 700027, tenant, workload, f.assertion(t, f.stranger, jose.PS256, nil), vaultScope},
		{"tampered", 700027, tenant, workload, tamper(t, good, `"jti":"1"`, `"jti":"2"`), vaultScope},
		{"expired", 700024, tenant, workload, f.assertion(t, f.key, jose.PS256, map[string]any{"exp": past}), vaultScope},
		{"not yet valid", 700024, tenant, workload, f.assertion(t, f.key, jose.PS256, map[string]any{"nbf": future}), vaultScope},
		{"no exp", 700024, tenant, workload, f.assertion(t, f.key, jose.PS256, map[string]any{"exp": nil}), vaultScope},
		{"not a JWT", 50027, tenant, workload, "not-a-jwt", vaultScope},
		{"wrong algorithm", 50027, tenant, workload, f.assertion(t, f.key, jose.RS512, nil), vaultScope},
		{"documents missing", 50166, tenant, unknown, f.assertion(t, f.key, jose.PS256, map[string]any{"iss": issuer + "/gone"}), vaultScope},
		{"unknown client", 700016, tenant, "55555555-5555-4555-8555-555555555555", good, vaultScope},
		{"unknown tenant", 90002, "66666666-6666-4666-8666-666666666666", workload, good, vaultScope},
		{"scope without default", 1002012, tenant, workload, good, "https://vault.azure.net/read"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := f.federated(t, c.tenant, c.client, c.jwt, c.scope)
			wantNumber(t, err, c.number)
			if err != nil && strings.Contains(err.Error(), c.jwt) {
				t.Error("the error shows the assertion")
			}
		})
	}
}

// tamper changes text inside the payload and leaves the signature as it was.
func tamper(t *testing.T, jwt, old, new string) string {
	t.Helper()
	parts := strings.Split(jwt, ".")
	payload, err := wire.Decode64(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(payload), old) {
		t.Fatalf("%q is not in the payload", old)
	}
	parts[1] = wire.Encode64([]byte(strings.Replace(string(payload), old, new, 1)))
	return strings.Join(parts, ".")
}

func wantNumber(t *testing.T, err error, number int) {
	t.Helper()
	if err == nil {
		t.Fatal("a token was issued")
	}
	if want := fmt.Sprintf("AADSTS%d:", number); !strings.Contains(err.Error(), want) {
		t.Errorf("want %s in:\n%v", want, err)
	}
}

func TestClientSecret(t *testing.T) {
	f := newFixture(t)
	token, err := f.bySecret(t, strings.ToUpper(tenant), operator, "correct horse", "https://storage.azure.com/.default")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify(token, "https://storage.azure.com/"); err != nil {
		t.Error(err)
	}
	if _, err := f.Verify(token, "https://vault.azure.net"); !errors.Is(err, ErrAudience) {
		t.Errorf("want ErrAudience, got %v", err)
	}
	if _, err := f.Verify(tamper(t, token, operator, workload), "https://storage.azure.com"); err == nil {
		t.Error("a token changed to another client was accepted")
	}
	_, err = f.bySecret(t, tenant, operator, "wrong", vaultScope)
	wantNumber(t, err, 7000215)
	_, err = f.bySecret(t, tenant, workload, "any", vaultScope)
	wantNumber(t, err, 7000215)
}

func TestAccessTokenExpires(t *testing.T) {
	f := newFixture(t)
	token, err := f.bySecret(t, tenant, operator, "correct horse", vaultScope)
	if err != nil {
		t.Fatal(err)
	}
	f.now = func() time.Time { return time.Now().Add(tokenLifetime + time.Second) }
	if _, err := f.Verify(token, "https://vault.azure.net"); !errors.Is(err, wire.ErrExpired) {
		t.Errorf("want ErrExpired, got %v", err)
	}
}

func TestTokenRequestForm(t *testing.T) {
	f := newFixture(t)
	cases := map[string]struct {
		status, number int
		form           string
	}{
		"no client":       {400, 900144, "grant_type=client_credentials&scope=" + vaultScope},
		"no grant":        {400, 900144, "client_id=" + operator + "&scope=" + vaultScope},
		"other grant":     {400, 70003, "client_id=" + operator + "&grant_type=password&scope=" + vaultScope},
		"two resources":   {400, 70011, "client_id=" + operator + "&grant_type=client_credentials&scope=" + vaultScope + "+https://x/.default"},
		"no proof":        {401, 7000218, "client_id=" + operator + "&grant_type=client_credentials&scope=" + vaultScope},
		"two proofs":      {400, 90023, "client_id=" + operator + "&grant_type=client_credentials&client_secret=a&client_assertion=b&scope=" + vaultScope},
		"other assertion": {400, 90023, "client_id=" + operator + "&grant_type=client_credentials&client_assertion=b&client_assertion_type=c&scope=" + vaultScope},
	}
	for name, c := range cases {
		res, err := f.network.Client.Post("https://"+DefaultHost+"/"+tenant+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", strings.NewReader(c.form))
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Error string
			Codes []int `json:"error_codes"`
		}
		err = wire.ReadJSON(res.Body, &body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || body.Error == "" || len(body.Codes) != 1 || body.Codes[0] != c.number {
			t.Errorf("%s: %d %+v %v, want %d and %d", name, res.StatusCode, body, err, c.status, c.number)
		}
	}
}

// Whoever knows the authority only by its documents can verify its tokens.
func TestPublishedKeysVerifyTokens(t *testing.T) {
	f := newFixture(t)
	token, err := f.bySecret(t, tenant, operator, "correct horse", vaultScope)
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.network.Client.Get("https://" + DefaultHost + "/" + tenant + "/discovery/v2.0/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := wire.ReadBounded(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := wire.ParseKeys(body)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := wire.ParseToken(token, jose.RS256)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.Verify(keys); err != nil {
		t.Error(err)
	}
}
