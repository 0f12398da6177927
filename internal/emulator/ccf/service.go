package ccf

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/cleanroom-go/sdk/internal/testpki"
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
	// now is the clock; nil means time.Now. Only the replay of recordings sets
	// it.
	now func() time.Time
}

// Service is one CCF network with CGS, an [net/http.Handler].
type Service struct {
	verifyReport func(report, certificates, uvm []byte) error
	now          func() time.Time
	key          *ecdsa.PrivateKey
	cert         *x509.Certificate
	certPEM      string
	// The node's own identity, which signs the ledger.
	nodeKey  *ecdsa.PrivateKey
	nodeCert *x509.Certificate
	nodeID   string
	router   *router

	// mu guards everything below. One request at a time: the emulator is
	// about order and refusals, not about throughput.
	mu    sync.Mutex
	store *store
	// loaded names the historical ranges that were asked for before; the
	// first request for one is told to come back.
	loaded map[string]bool
}

// New starts a network. It is not yet open: /app answers FrontendNotOpen
// until a transition_service_to_open proposal was accepted.
func New(opts Options) (*Service, error) {
	if opts.VerifyReport == nil {
		return nil, errors.New("ccf: new network: Options.VerifyReport is missing")
	}
	if len(opts.Genesis) == 0 {
		return nil, errors.New("ccf: new network: Options.Genesis has no member")
	}
	s := &Service{verifyReport: opts.VerifyReport, now: opts.now, loaded: map[string]bool{}}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.makeIdentity(); err != nil {
		return nil, fmt.Errorf("ccf: new network: %w", err)
	}
	var seed [sha256.Size]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("ccf: new network: %w", err)
	}
	s.store = newStore(seed)
	s.router = sharedRouter()

	x := s.store.begin()
	serviceTable.put(x, "", serviceState{status: statusOpening, threshold: recoveryParties(opts.Genesis)})
	for i, m := range opts.Genesis {
		data, err := fromGo(m.Data)
		if err != nil {
			return nil, fmt.Errorf("ccf: new network: data of genesis member %d: %w", i, err)
		}
		if err := addMember(x, string(m.CertificatePEM), data, string(m.EncryptionKeyPEM), ""); err != nil {
			return nil, fmt.Errorf("ccf: new network: genesis member %d: %w", i, err)
		}
	}
	x.commit()
	s.store.sign()
	return s, nil
}

// recoveryParties counts the genesis members with an encryption key, which is
// the recovery threshold that a network starts with, but never 0.
func recoveryParties(members []Member) int {
	n := 0
	for _, m := range members {
		if len(m.EncryptionKeyPEM) > 0 {
			n++
		}
	}
	return max(n, 1)
}

// makeIdentity makes the service certificate, self-signed on P-384, and the
// identity of the one node, which it endorses.
func (s *Service) makeIdentity() error {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "CCF Service", Organization: []string{testpki.Organization}},
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	if s.cert, err = testpki.Sign(t, key.Public(), t, key); err != nil {
		return err
	}
	s.key = key
	s.certPEM = string(testpki.PEM(s.cert))
	if s.nodeKey, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		return err
	}
	node := &x509.Certificate{Subject: pkix.Name{CommonName: "CCF Node", Organization: []string{testpki.Organization}}}
	if s.nodeCert, err = testpki.Sign(node, s.nodeKey.Public(), s.cert, key); err != nil {
		return err
	}
	s.nodeID = fmt.Sprintf("%x", sha256.Sum256(s.nodeCert.RawSubjectPublicKeyInfo))
	return nil
}

// ServiceCertificate is the PEM of the self-signed service certificate, the
// root that clients pin.
func (s *Service) ServiceCertificate() []byte { return []byte(s.certPEM) }

// TLSCertificate issues a node certificate for the names (DNS names or IP
// addresses), signed by the service certificate's key. The chain holds the
// node's certificate and the service certificate.
func (s *Service) TLSCertificate(names ...string) (*tls.Certificate, error) {
	if len(names) == 0 {
		return nil, errors.New("ccf: node certificate: no name given")
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("ccf: node certificate: %w", err)
	}
	t := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "CCF Node", Organization: []string{testpki.Organization}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	leaf, err := testpki.Sign(t, key.Public(), s.cert, s.key)
	if err != nil {
		return nil, fmt.Errorf("ccf: node certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, s.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
