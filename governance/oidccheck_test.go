package governance_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

func TestCheckIssuerDocuments(t *testing.T) {
	const issuer = "https://host/path"
	keys := json.RawMessage(`{"keys":[{"kty":"RSA","kid":"k1","n":"AQ","e":"AQAB"},{"kty":"RSA","kid":"k2","n":"Ag","e":"AQAB"}]}`)
	configuration, jwks, err := governance.IssuerDocuments(issuer, keys)
	if err != nil {
		t.Fatal(err)
	}
	// Sites add to documents and format them anew.
	configuration2 := strings.Replace(string(configuration), "{", "{\n \"scopes_supported\": [\"openid\"],", 1)
	jwks2 := `{ "keys": [ {"e":"AQAB","n":"Ag","kid":"k2","kty":"RSA","alg":"RS256"}, {"e":"AQAB","n":"AQ","kid":"k1","kty":"RSA","use":"sig"} ] }`
	for _, jwks := range []string{string(jwks), jwks2} {
		for _, configuration := range []string{string(configuration), configuration2} {
			if err := governance.CheckIssuerDocuments(issuer, keys, []byte(configuration), []byte(jwks)); err != nil {
				t.Error(err)
			}
		}
	}
	replaced := func(text []byte, from, to string) string {
		t.Helper()
		if !strings.Contains(string(text), from) {
			t.Fatalf("%s has no %s", text, from)
		}
		return strings.Replace(string(text), from, to, 1)
	}
	denied := map[string]struct{ configuration, jwks, check string }{
		"another issuer":    {replaced(configuration, `"https://host/path"`, `"https://host/other"`), string(jwks), "issuer.url"},
		"no issuer":         {`{}`, string(jwks), "issuer.url"},
		"keys elsewhere":    {replaced(configuration, issuer+governance.KeysPath, "https://elsewhere/keys"), string(jwks), "issuer.keys-url"},
		"a key more":        {string(configuration), replaced(jwks, `]`, `,{"kty":"RSA","kid":"planted","n":"Aw","e":"AQAB"}]`), "issuer.key"},
		"a nameless key":    {string(configuration), replaced(jwks, `]`, `,{"kty":"RSA","n":"Aw","e":"AQAB"}]`), "issuer.key"},
		"another key":       {string(configuration), replaced(jwks, `"n":"AQ"`, `"n":"Aw"`), "issuer.key"},
		"another exponent":  {string(configuration), replaced(jwks, `"e":"AQAB"`, `"e":"Aw"`), "issuer.key"},
		"the same id twice": {string(configuration), replaced(jwks, `]`, `,{"kty":"RSA","kid":"k1","n":"Aw","e":"AQAB"}]`), "issuer.key"},
		"a key less":        {string(configuration), `{"keys":[{"kty":"RSA","kid":"k1","n":"AQ","e":"AQAB"}]}`, "issuer.key"},
		"no keys":           {string(configuration), `{"keys":[]}`, "issuer.key"},
	}
	for name, test := range denied {
		t.Run(name, func(t *testing.T) {
			wantDenied(t, governance.CheckIssuerDocuments(issuer, keys, []byte(test.configuration), []byte(test.jwks)), test.check)
		})
	}
	for _, err := range []error{
		governance.CheckIssuerDocuments("http://host", keys, configuration, jwks),
		governance.CheckIssuerDocuments(issuer, json.RawMessage(`{"keys":[]}`), configuration, jwks),
		governance.CheckIssuerDocuments(issuer, keys, configuration, []byte("<html>")),
		governance.CheckIssuerDocuments(issuer, keys, configuration, []byte(replaced(jwks, `{`, `{"Keys":[],`))),
		governance.CheckIssuerDocuments(issuer, keys, []byte("<html>"), jwks),
		governance.CheckIssuerDocuments(issuer, keys, []byte(replaced(configuration, `{`, `{"issuer":"https://elsewhere",`)), jwks),
		governance.CheckIssuerDocuments(issuer, keys, nil, nil),
	} {
		wantText(t, err, "governance: check issuer documents: ")
	}
}
