package governance_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// checkConfiguration reads the discovery document as a relying party would.
func checkConfiguration(t testing.TB, configuration []byte, issuerURL string) {
	t.Helper()
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(configuration, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Issuer != issuerURL || doc.JWKSURI != issuerURL+"/openid/v1/jwks" {
		t.Errorf("configuration %s", configuration)
	}
}

// checkToken verifies the token with the published keys and wants the claims.
func checkToken(t testing.TB, token string, jwks []byte, kid string, want map[string]string) {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	keys := set.Key(kid)
	if len(keys) != 1 {
		t.Fatalf("%d published keys are called %s", len(keys), kid)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.PS256})
	if err != nil {
		t.Fatal(err)
	}
	if got := jws.Signatures[0].Protected.KeyID; got != kid {
		t.Errorf("token is signed with %s, not %s", got, kid)
	}
	payload, err := jws.Verify(keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	// The service writes every claim as text, dates too.
	var claims map[string]string
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		if claims[name] != value {
			t.Errorf("claim %s is %q, not %q", name, claims[name], value)
		}
	}
	seconds := func(name string) time.Time {
		n, err := strconv.ParseInt(claims[name], 10, 64)
		if err != nil {
			t.Fatalf("claim %s: %v", name, err)
		}
		return time.Unix(n, 0)
	}
	if life := seconds("exp").Sub(seconds("nbf")); life != 5*time.Minute {
		t.Errorf("token lives for %s", life)
	}
	if d := time.Since(seconds("iat")); d < -time.Second || d > time.Minute {
		t.Errorf("token was issued %s ago", d)
	}
	if len(claims["jti"]) != 36 {
		t.Errorf("token id %q is no UUID", claims["jti"])
	}
}
