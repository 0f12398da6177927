package vault

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

const (
	// Domains of the two services. The resource that access tokens must be for
	// is https:// and the domain.
	vaultDomain = "vault.azure.net"
	hsmDomain   = "managedhsm.azure.net"
	// defaultAuthority is the token authority of the public cloud.
	defaultAuthority = "https://login.microsoftonline.com"
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
	// ManagedHSM makes the server a set of Managed HSMs, at *.managedhsm.azure.net,
	// with roles of their own and keys only; each must be activated, see
	// [Server.Activate].
	ManagedHSM bool
	// Authority is the URL of the token authority that challenges name; zero
	// means https://login.microsoftonline.com.
	Authority string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Server is a set of vaults.
type Server struct {
	opts   Options
	http   *http.Client
	now    func() time.Time
	signer *signer

	mu     sync.RWMutex
	vaults map[string]*contents // by host in lower case
}

// contents is one vault. What its maps lead to is never changed in place, so
// that a request may go on with it after the lock is released.
type contents struct {
	keys         map[string][]*keyVersion // by name in lower case, oldest first
	secrets      map[string][]*secretVersion
	certificates map[string][]*certificateVersion
	grants       map[string]map[string]bool // by client id in lower case; "scope action"
	activated    bool                       // Managed HSM only
}

// New makes a server whose vaults are empty.
func New(opts Options) (*Server, error) {
	if opts.Verify == nil || opts.HTTP == nil || opts.TenantID == nil {
		return nil, errors.New("vault: Options.Verify, Options.HTTP and Options.TenantID are required")
	}
	signer, err := newSigner(opts.Certificate)
	if err != nil {
		return nil, fmt.Errorf("vault: Options.Certificate: %w", err)
	}
	if opts.Authority == "" {
		opts.Authority = defaultAuthority
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Server{
		opts: opts, http: wire.NoRedirect(opts.HTTP), now: opts.Now, signer: signer,
		vaults: map[string]*contents{},
	}, nil
}

// Reset empties the vault at a host. Its grants stay.
func (s *Server) Reset(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.vault(host)
	clear(v.keys)
	clear(v.secrets)
	clear(v.certificates)
}

// vault makes what is missing. The caller holds the lock for writing.
func (s *Server) vault(host string) *contents {
	host = strings.ToLower(host)
	v := s.vaults[host]
	if v == nil {
		v = &contents{
			keys: map[string][]*keyVersion{}, secrets: map[string][]*secretVersion{},
			certificates: map[string][]*certificateVersion{}, grants: map[string]map[string]bool{},
		}
		s.vaults[host] = v
	}
	return v
}

// call is one authorised request.
type call struct {
	host       string
	apiVersion string
	name       string
	version    string // "" for the latest
	body       io.Reader
}

// id is the URL of an object, of a certain version unless version is empty.
func (c *call) id(collection, name, version string) string {
	id := "https://" + c.host + "/" + collection + "/" + name
	if version != "" {
		id += "/" + version
	}
	return id
}

// operation is what a route leads to. The action is the one a grant must hold.
type operation struct {
	action string
	serve  func(*Server, context.Context, *call) (any, error)
}

// operations by method, collection and verb.
var operations = map[string]operation{
	"PUT keys":          {KeysImport, (*Server).importKey},
	"GET keys":          {KeysRead, (*Server).getKey},
	"PATCH keys":        {KeysUpdate, (*Server).updateKey},
	"POST keys release": {KeysRelease, (*Server).releaseKey},
	"POST keys create":  {KeysCreate, (*Server).createKey},
	"POST keys sign":    {KeysSign, (*Server).signDigest},
	"POST keys wrapkey": {KeysWrap, (*Server).wrapKey},
	"PUT secrets":       {SecretsSet, (*Server).setSecret},
	"GET secrets":       {SecretsGet, (*Server).getSecret},

	"POST certificates create": {CertificatesCreate, (*Server).createCertificate},
	"GET certificates":         {CertificatesRead, (*Server).getCertificate},
	"GET certificates pending": {CertificatesRead, (*Server).pendingCertificate},
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.serve(w, r)
	if err != nil {
		wire.Fail(w, err)
		return
	}
	s.answer(w, answer)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	host := wire.Host(r)
	tenantID := ""
	if name, ok := strings.CutSuffix(host, "."+s.domain()); ok && !strings.Contains(name, ".") {
		tenantID = s.opts.TenantID(host)
	}
	if tenantID == "" {
		// On the real network such a name does not resolve.
		return nil, wire.Errorf(http.StatusNotFound, "VaultNotFound", "no vault is at %s", host)
	}
	clientID, err := s.authenticate(r, tenantID)
	if err != nil {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="%s/%s", resource="%s"`, s.opts.Authority, tenantID, s.audience()))
		return nil, err
	}
	c := &call{host: host, body: r.Body}
	if c.apiVersion, err = apiVersion(r); err != nil {
		return nil, err
	}
	op, err := c.route(r)
	if err != nil {
		return nil, err
	}
	if err := s.ready(c, op); err != nil {
		return nil, err
	}
	if err := s.authorize(c, clientID, op.action); err != nil {
		return nil, err
	}
	return op.serve(s, r.Context(), c)
}

var (
	apiVersions = regexp.MustCompile(`^(7\.[0-6]|20(2[5-9]|[3-9]\d)-\d\d-\d\d)(-preview(\.\d)?)?$`)
	names       = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)
	versions    = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

func apiVersion(r *http.Request) (string, error) {
	v := r.URL.Query().Get("api-version")
	switch {
	case v == "":
		return "", badParameter("api-version must be specified")
	case !apiVersions.MatchString(v):
		return "", badParameter("The specified version (%s) is not recognized. Consider using the latest supported version (7.6).", v)
	}
	return v, nil
}

// hasRelease reports whether the api-version knows exportable keys.
func (c *call) hasRelease() bool {
	return strings.HasPrefix(c.apiVersion, "20") || c.apiVersion >= "7.3"
}

// route reads /collection/name[/version][/verb]. Clients that leave a version
// out send an empty segment or a trailing slash in its place.
func (c *call) route(r *http.Request) (operation, error) {
	var parts []string
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) < 2 {
		return operation{}, badParameter("Method %s does not allow operation on '%s'", r.Method, r.URL.Path)
	}
	key := r.Method + " " + parts[0]
	rest := parts[2:]
	pending := key == "GET certificates" && len(rest) == 1 && rest[0] == "pending"
	if (r.Method == http.MethodPost || pending) && len(rest) > 0 {
		key += " " + rest[len(rest)-1]
		rest = rest[:len(rest)-1]
	}
	op, ok := operations[key]
	if !ok || len(rest) > 1 || r.Method == http.MethodPut && len(rest) > 0 {
		return operation{}, badParameter("Method %s does not allow operation on '%s'", r.Method, r.URL.Path)
	}
	if c.name = parts[1]; !names.MatchString(c.name) {
		return operation{}, badParameter("The request URI contains an invalid name: %s", c.name)
	}
	if len(rest) == 1 {
		if c.version = rest[0]; !versions.MatchString(c.version) {
			return operation{}, badParameter("The request URI contains an invalid version: %s", c.version)
		}
	}
	return op, nil
}

func (c *call) read(v any) error {
	if err := wire.ReadJSON(c.body, v); err != nil {
		return badParameter("The request body is not valid: %v", err)
	}
	return nil
}

func badParameter(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "BadParameter", format, args...)
}

func forbidden(inner, format string, args ...any) error {
	return &wire.Error{Status: http.StatusForbidden, Code: "Forbidden", Inner: inner, Message: fmt.Sprintf(format, args...)}
}

// signer holds what release answers are signed with.
type signer struct {
	key   *rsa.PrivateKey
	chain [][]byte // DER: leaf, issuing authority, ..., root
}

func newSigner(cert *tls.Certificate) (*signer, error) {
	if cert == nil {
		return nil, errors.New("required: release answers are signed with it")
	}
	key, ok := cert.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("release answers are RS256, which a %T cannot sign", cert.PrivateKey)
	}
	// Clients drop the last certificate unread and look for it among their
	// roots, so a chain of two would never verify.
	if len(cert.Certificate) < 3 {
		return nil, fmt.Errorf("chain has %d certificates, want leaf, issuing authority and root", len(cert.Certificate))
	}
	return &signer{key: key, chain: cert.Certificate}, nil
}
