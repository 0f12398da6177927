package vault

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/keywrap"
)

func (s *Server) domain() string {
	if s.opts.ManagedHSM {
		return hsmDomain
	}
	return vaultDomain
}

func (s *Server) audience() string { return "https://" + s.domain() }

// Activate marks the Managed HSM at a host as activated, which in Azure the
// download of its security domain does. Until then it serves no key.
func (s *Server) Activate(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vault(host).activated = true
}

// ready refuses what a Managed HSM does not have, and everything before its
// activation. The genuine codes of both refusals are not published.
func (s *Server) ready(c *call, op operation) error {
	if !s.opts.ManagedHSM {
		return nil
	}
	s.mu.RLock()
	v := s.vaults[c.host]
	activated := v != nil && v.activated
	s.mu.RUnlock()
	switch {
	case !strings.HasPrefix(op.action, "keys/"):
		return wire.Errorf(http.StatusNotFound, "NotFound", "A Managed HSM holds keys; it has no secrets and no certificates.")
	case !activated:
		return wire.Errorf(http.StatusForbidden, "Forbidden", "The Managed HSM is not activated. Download its security domain first.")
	}
	return nil
}

// GrantScope allows a client the given actions below a scope of a Managed HSM's
// local roles: "/", "/keys" or "/keys/NAME".
func (s *Server) GrantScope(host, clientID, scope string, actions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	grants := s.vault(host).grants
	clientID = strings.ToLower(clientID)
	if grants[clientID] == nil {
		grants[clientID] = map[string]bool{}
	}
	for _, action := range actions {
		grants[clientID][strings.ToLower(scope)+" "+action] = true
	}
}

// scopes are those whose grants count for a call.
func (s *Server) scopes(c *call) []string {
	if s.opts.ManagedHSM {
		return []string{"/", "/keys", "/keys/" + strings.ToLower(c.name)}
	}
	return []string{"/"}
}

// wrapKey is POST /keys/{name}[/{version}]/wrapkey with an octet key: AES Key
// Wrap of RFC 3394 by the key's own size.
func (s *Server) wrapKey(_ context.Context, c *call) (any, error) {
	k, in, err := s.operand(c, "wrapKey")
	if err != nil {
		return nil, err
	}
	if want := map[int]string{16: "A128KW", 24: "A192KW", 32: "A256KW"}[len(k.oct)]; want == "" || in.Alg != want {
		return nil, badParameter("Key and wrapping algorithm are incompatible. Key %s does not wrap with '%s' here.", c.id("keys", k.name, k.id), in.Alg)
	}
	value, err := wire.Decode64(in.Value)
	if err != nil {
		return nil, badParameter("Property value is not base64url: %v", err)
	}
	wrapped, err := keywrap.WrapKW(k.oct, value)
	if err != nil {
		return nil, badParameter("Invalid length of 'value': %d bytes. AES key wrap takes 16 or more, a multiple of 8.", len(value))
	}
	return map[string]string{"kid": c.id("keys", k.name, k.id), "value": wire.Encode64(wrapped)}, nil
}

var octOperations = []string{"encrypt", "decrypt", "wrapKey", "unwrapKey"}

// octSizes are the sizes of octet keys in bits.
var octSizes = []int{128, 192, 256}

// parseOct reads the octet key of an import.
func (s *Server) parseOct(in *privateKey) ([]byte, error) {
	k, err := wire.Decode64(in.K)
	switch {
	case !s.opts.ManagedHSM || in.Kty != "oct-HSM":
		return nil, badParameter("JSON Web Key: key type '%s' is not supported", in.Kty)
	case err != nil:
		return nil, badParameter("JSON Web Key: member k is not base64url")
	case len(k) > 64:
		return nil, badParameter("JSON Web Key: k property of oct key is too large, maximum size is 64")
	case !slices.Contains(octSizes, 8*len(k)):
		return nil, badParameter("JSON Web Key: oct key size %d is not supported, use 128, 192 or 256", 8*len(k))
	}
	return k, nil
}
