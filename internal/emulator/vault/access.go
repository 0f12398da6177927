package vault

import (
	"net/http"
	"strings"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// Data actions that [Server.Grant] takes, as Azure's role definitions name
// them below Microsoft.KeyVault/vaults/.
const (
	KeysRead    = "keys/read"
	KeysImport  = "keys/import/action"
	KeysUpdate  = "keys/update/action"
	KeysRelease = "keys/release/action"
	KeysCreate  = "keys/create/action"
	KeysSign    = "keys/sign/action"
	KeysWrap    = "keys/wrap/action"
	SecretsGet  = "secrets/getSecret/action"
	SecretsSet  = "secrets/setSecret/action"

	CertificatesRead   = "certificates/read"
	CertificatesCreate = "certificates/create/action"
)

// Grant allows a client the given actions in the vault at a host, beside what
// it is allowed already.
func (s *Server) Grant(host, clientID string, actions ...string) {
	s.GrantScope(host, clientID, "/", actions...)
}

// authenticate says which client of the vault's tenant is calling.
func (s *Server) authenticate(r *http.Request, tenantID string) (clientID string, err error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", unauthorized("AKV10000: Request is missing a Bearer or PoP token.")
	}
	tokenTenant, clientID, err := s.opts.Verify(token, s.audience())
	if err != nil {
		return "", unauthorized("AKV10022: The bearer token is not valid for %s: %v", s.audience(), err)
	}
	if !strings.EqualFold(tokenTenant, tenantID) {
		return "", unauthorized("AKV10032: Invalid issuer. Expected the tenant %s, found %s.", tenantID, tokenTenant)
	}
	return clientID, nil
}

func unauthorized(format string, args ...any) error {
	return wire.Errorf(http.StatusUnauthorized, "Unauthorized", format, args...)
}

// authorize requires a grant.
func (s *Server) authorize(c *call, clientID, action string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if v := s.vaults[c.host]; v != nil {
		for _, scope := range s.scopes(c) {
			if v.grants[strings.ToLower(clientID)][scope+" "+action] {
				return nil
			}
		}
	}
	if s.opts.ManagedHSM {
		if !strings.HasSuffix(action, "/action") {
			action += "/action"
		}
		return wire.Errorf(http.StatusForbidden, "AccessDenied", "Not authorized to access Microsoft.KeyVault/managedHsm/%s on /keys/%s", action, c.name)
	}
	return forbidden("ForbiddenByRbac", "Caller is not authorized to perform action on resource. If role assignments were changed recently, please observe propagation time.\nCaller: appid=%s\nAction: 'Microsoft.KeyVault/vaults/%s'\nResource: '%s'\nAssignment: (not found)", clientID, action, c.name)
}
