package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
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
type Server struct {
	host string
	http *http.Client
	now  func() time.Time
	key  *rsa.PrivateKey
	kid  string

	mu      sync.RWMutex
	tenants map[string]map[string]*client // by tenant id and client id
}

// client is an application or a managed identity of one tenant.
type client struct {
	secret      *[32]byte // SHA-256 of the client secret, nil if it has none
	federations []federation
}

// federation is one federated identity credential.
type federation struct{ issuer, subject, audience string }

// New makes an authority with a signing key of its own that knows no tenant
// yet; it takes about 50 ms.
func New(opts Options) (*Server, error) {
	if opts.HTTP == nil {
		return nil, errors.New("entra: Options.HTTP is required: federated issuers publish their keys over HTTP")
	}
	if opts.Host == "" {
		opts.Host = DefaultHost
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("entra: signing key: %w", err)
	}
	digest := sha256.Sum256(key.N.Bytes())
	return &Server{
		host: opts.Host, http: wire.NoRedirect(opts.HTTP), now: opts.Now,
		key: key, kid: wire.Encode64(digest[:]),
		tenants: map[string]map[string]*client{},
	}, nil
}

// AddSecret lets a client authenticate with a secret; it replaces an earlier
// secret. Tenant and client come into being by being named.
func (s *Server) AddSecret(tenantID, clientID, secret string) {
	digest := sha256.Sum256([]byte(secret))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client(tenantID, clientID).secret = &digest
}

// Federate lets a client authenticate with assertions whose iss, sub and aud
// are exactly the given ones.
func (s *Server) Federate(tenantID, clientID, issuer, subject, audience string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.client(tenantID, clientID)
	// Readers hold the old slice without the lock: append to a copy.
	c.federations = append(c.federations[:len(c.federations):len(c.federations)], federation{issuer, subject, audience})
}

// client makes what is missing. The caller holds the lock.
func (s *Server) client(tenantID, clientID string) *client {
	tenantID, clientID = strings.ToLower(tenantID), strings.ToLower(clientID)
	clients := s.tenants[tenantID]
	if clients == nil {
		clients = map[string]*client{}
		s.tenants[tenantID] = clients
	}
	c := clients[clientID]
	if c == nil {
		c = &client{}
		clients[clientID] = c
	}
	return c
}

func (s *Server) knowsTenant(tenantID string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.tenants[strings.ToLower(tenantID)]
	return ok
}

// lookup returns a copy of a client.
func (s *Server) lookup(tenantID, clientID string) (client, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.tenants[strings.ToLower(tenantID)][strings.ToLower(clientID)]
	if !ok {
		return client{}, false
	}
	return *c, true
}

func (c client) hasSecret(secret string) bool {
	digest := sha256.Sum256([]byte(secret))
	return c.secret != nil && subtle.ConstantTimeCompare(digest[:], c.secret[:]) == 1
}

// objectID derives the id of a client's service principal, so that it is the
// same in every run.
func objectID(tenantID, clientID string) string {
	d := sha256.Sum256([]byte("service principal\x00" + strings.ToLower(tenantID) + "\x00" + strings.ToLower(clientID)))
	d[6], d[8] = d[6]&0x0f|0x50, d[8]&0x3f|0x80
	h := hex.EncodeToString(d[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.Path, "/")
	if path == "common/discovery/instance" {
		s.serveInstance(w, r)
		return
	}
	tenantID, rest, _ := strings.Cut(path, "/")
	endpoints := map[string]func(http.ResponseWriter, *http.Request, string) error{
		"GET v2.0/.well-known/openid-configuration": s.serveTenant,
		"GET discovery/v2.0/keys":                   s.serveKeys,
		"POST oauth2/v2.0/token":                    s.serveToken,
	}
	serve, ok := endpoints[r.Method+" "+rest]
	if !ok {
		http.NotFound(w, r)
		return
	}
	err := s.requireTenant(tenantID)
	if err == nil {
		err = serve(w, r, tenantID)
	}
	if err != nil {
		s.fail(w, err)
	}
}

func (s *Server) requireTenant(tenantID string) error {
	if s.knowsTenant(tenantID) {
		return nil
	}
	return refuse(http.StatusBadRequest, "invalid_tenant", 90002, "Tenant '%s' not found. Check that the tenant id is the right one and that this cloud has it.", tenantID)
}
