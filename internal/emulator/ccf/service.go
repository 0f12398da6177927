package ccf

import (
	"crypto/tls"
	"errors"
	"net/http"
	"time"
)

// Member is a member that a network starts with. It is Accepted, and becomes
// Active when it acknowledges its state digest.
type Member struct {
	// CertificatePEM is the member's signing certificate.
	CertificatePEM []byte
	// EncryptionKeyPEM is an RSA public key in PEM for a recovery share;
	// empty means that the member takes no part in recovery.
	EncryptionKeyPEM []byte
	// Data is the free member data; nil is stored as null.
	Data map[string]any
}

// Options configure a network.
type Options struct {
	// Genesis lists the members of the start configuration; at least one.
	Genesis []Member
	// VerifyReport checks the signature and chain of an SEV-SNP report (1184
	// bytes, and PEM of VCEK, ASK, ARK) and, if uvm is not empty, the utility
	// VM's endorsement. Required: a network without it would trust anything.
	VerifyReport func(report, certificates, uvm []byte) error
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service is one CCF network with CGS, an [http.Handler].
type Service struct{}

// New starts a network. It is not yet open: /app answers FrontendNotOpen
// until a transition_service_to_open proposal was accepted.
func New(opts Options) (*Service, error) { return nil, errors.ErrUnsupported }

// ServeHTTP answers one request. A caller's member certificate is read from
// r.TLS.PeerCertificates, so the listener must ask for client certificates.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// ServiceCertificate is the PEM of the self-signed service certificate.
func (s *Service) ServiceCertificate() []byte { return nil }

// TLSCertificate issues a node certificate for the names (DNS names or IP
// addresses), signed by the service certificate's key.
func (s *Service) TLSCertificate(names ...string) (*tls.Certificate, error) {
	return nil, errors.ErrUnsupported
}
