package entra

import (
	"errors"
	"net/http"
	"time"
)

// DefaultHost is the authority of the public cloud.
const DefaultHost = "login.microsoftonline.com"

// Options of [New].
type Options struct {
	// Host is the authority's host name; zero means [DefaultHost].
	Host string
	// HTTP reaches the documents of federated issuers. Required.
	HTTP *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Principal is whom an access token was issued to.
type Principal struct {
	TenantID, ClientID string
	// ObjectID is that of the service principal in the tenant.
	ObjectID string
}

// Server is a token authority.
type Server struct{ opts Options }

// New makes an authority that knows no tenant yet.
func New(opts Options) (*Server, error) { return nil, errors.ErrUnsupported }

// AddSecret lets a client authenticate with a secret.
func (s *Server) AddSecret(tenantID, clientID, secret string) {}

// Federate lets a client authenticate with assertions of an issuer.
func (s *Server) Federate(tenantID, clientID, issuer, subject, audience string) {}

// Verify accepts an access token for an audience.
func (s *Server) Verify(token, audience string) (Principal, error) {
	return Principal{}, errors.ErrUnsupported
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
