package entra

import (
	"math/big"
	"net/http"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

func (s *Server) url(tenantID, path string) string {
	return "https://" + s.host + "/" + tenantID + path
}

// serveInstance answers the question which hosts belong to this cloud. Clients
// ask it before they trust an authority.
func (s *Server) serveInstance(w http.ResponseWriter, _ *http.Request) {
	wire.JSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": s.url("common", "/v2.0/.well-known/openid-configuration"),
		"api-version":               "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": s.host,
			"preferred_cache":   s.host,
			"aliases":           []string{s.host},
		}},
	})
}

func (s *Server) serveTenant(w http.ResponseWriter, _ *http.Request, tenantID string) error {
	wire.JSON(w, http.StatusOK, map[string]any{
		"issuer":                                s.url(tenantID, "/v2.0"),
		"authorization_endpoint":                s.url(tenantID, "/oauth2/v2.0/authorize"),
		"token_endpoint":                        s.url(tenantID, "/oauth2/v2.0/token"),
		"jwks_uri":                              s.url(tenantID, "/discovery/v2.0/keys"),
		"response_types_supported":              []string{"token"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
	})
	return nil
}

func (s *Server) serveKeys(w http.ResponseWriter, _ *http.Request, _ string) error {
	wire.JSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "kid": s.kid,
		"n": wire.Encode64(s.key.N.Bytes()),
		"e": wire.Encode64(big.NewInt(int64(s.key.E)).Bytes()),
	}}})
	return nil
}
