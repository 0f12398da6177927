package vault

import (
	"crypto/tls"
	"errors"
	"net/http"
	"time"
)

// Options of [New].
type Options struct {
	// Certificate signs release answers: an RSA leaf, its issuing authority and
	// the root, in this order. Required.
	Certificate *tls.Certificate
	// Verify accepts a bearer token for an audience and says whose it is.
	// Required.
	Verify func(token, audience string) (tenantID, clientID string, err error)
	// HTTP reaches the documents of attestation authorities. Required.
	HTTP *http.Client
	// TenantID is the tenant of the vault at a host, "" if there is no vault of
	// that name. Required.
	TenantID func(host string) string
	// Authority is the URL of the token authority that challenges name; zero
	// means https://login.microsoftonline.com.
	Authority string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Server is a set of vaults.
type Server struct {
	opts Options
}

// Data actions that [Server.Grant] takes, as Azure's role definitions name
// them below Microsoft.KeyVault/vaults/.
const (
	KeysRead    = "keys/read"
	KeysImport  = "keys/import/action"
	KeysUpdate  = "keys/update/action"
	KeysRelease = "keys/release/action"
	SecretsGet  = "secrets/getSecret/action"
	SecretsSet  = "secrets/setSecret/action"
)

// New makes a server whose vaults are empty.
func New(opts Options) (*Server, error) { return nil, errors.ErrUnsupported }

// Grant allows a client the given actions in the vault at a host.
func (s *Server) Grant(host, clientID string, actions ...string) {}

// Reset empties the vault at a host. Grants stay.
func (s *Server) Reset(host string) {}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
