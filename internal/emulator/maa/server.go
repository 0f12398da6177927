package maa

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// Options of [New].
type Options struct {
	// Host is the host name of the instance; required.
	Host string
	// VerifyReport decides whether a report and its certificates are genuine
	// and, when uvm is not empty, whether it endorses the report's measurement.
	// Required.
	VerifyReport func(report, certificates, uvm []byte) error
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Server is one attestation instance.
type Server struct {
	host   string
	verify func(report, certificates, uvm []byte) error
	now    func() time.Time
	key    *rsa.PrivateKey
	cert   *x509.Certificate
	kid    string
}

// New makes an instance with a signing key of its own; it takes about 50 ms.
func New(opts Options) (*Server, error) {
	if opts.Host == "" || opts.VerifyReport == nil {
		return nil, errors.New("maa: Options.Host and Options.VerifyReport are required")
	}
	s := &Server{host: opts.Host, verify: opts.VerifyReport, now: opts.Now}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	if s.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, fmt.Errorf("maa: signing key: %w", err)
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: s.issuer()}}
	if s.cert, err = testpki.Sign(template, s.key.Public(), template, s.key); err != nil {
		return nil, fmt.Errorf("maa: signing certificate: %w", err)
	}
	digest := sha256.Sum256(s.cert.RawSubjectPublicKeyInfo)
	s.kid = base64.StdEncoding.EncodeToString(digest[:])
	return s, nil
}

// issuer is the iss of tokens and the authority that release policies name.
func (s *Server) issuer() string { return "https://" + s.host }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The service reads paths without regard to case, and clients make use of it.
	switch r.Method + " " + strings.ToLower(r.URL.Path) {
	case "GET /certs":
		s.serveCerts(w)
	case "GET /.well-known/openid-configuration":
		s.serveDiscovery(w)
	case "POST /attest/sevsnpvm":
		s.serveAttest(w, r)
	default:
		http.NotFound(w, r)
	}
}

// serveCerts answers a key set that holds certificates and no n or e.
func (s *Server) serveCerts(w http.ResponseWriter) {
	wire.JSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"alg": "RS256", "kid": s.kid, "kty": "RSA", "use": "sig",
		"x5c": []string{base64.StdEncoding.EncodeToString(s.cert.Raw)},
	}}})
}

// serveDiscovery answers what a vault reads to find the keys of a policy's
// authority.
func (s *Server) serveDiscovery(w http.ResponseWriter) {
	wire.JSON(w, http.StatusOK, map[string]any{
		"jwks_uri":                              s.issuer() + "/certs",
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"response_types_supported":              []string{"token", "none"},
		"revocation_endpoint":                   s.issuer() + "/revoke",
		"claims_supported":                      []string{"iss", "iat", "nbf", "exp", "jti", "nonce", "x-ms-runtime"},
	})
}

func (s *Server) serveAttest(w http.ResponseWriter, r *http.Request) {
	version := r.URL.Query().Get("api-version")
	token, err := s.attest(version, r)
	if err == nil {
		wire.JSON(w, http.StatusOK, map[string]string{"token": token})
		return
	}
	var refusal *wire.Error
	if errors.As(err, &refusal) && version == "2025-06-01" {
		w.Header().Set("X-Ms-Error-Code", refusal.Code)
	}
	wire.Fail(w, err)
}

func (s *Server) attest(version string, r *http.Request) (string, error) {
	switch version {
	case "2020-10-01", "2022-08-01", "2025-06-01":
	default:
		return "", invalid("api-version %q is not supported", version)
	}
	q, err := readRequest(r.Body)
	if err != nil {
		return "", err
	}
	if err := s.verify(q.report, q.certificates, nil); err != nil {
		return "", invalid("the report is not genuine: %v", err)
	}
	if err := q.checkBinding(); err != nil {
		return "", err
	}
	return wire.Sign(s.key, s.kid, header(s.issuer()), s.claims(q))
}

// endorsed reports whether one of the endorsements names the measurement.
func (s *Server) endorsed(q *request) bool {
	for _, uvm := range q.endorsements {
		if len(uvm) > 0 && s.verify(q.report, q.certificates, uvm) == nil {
			return true
		}
	}
	return false
}

func invalid(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "InvalidParameter", format, args...)
}
