package governance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// CertificateRequest says what certificate a room wants.
type CertificateRequest struct {
	// CA is the authority's certificate in PEM, as [CAClient.Info] gives it to
	// a member. It is required: a room cannot read it from the service, and a
	// certificate that is not verified against it is not given out.
	CA []byte
	// CommonName is at most 64 letters, digits and . _ -, and required.
	CommonName string
	// DNSNames and IPAddresses are the names that peers will look for.
	DNSNames    []string
	IPAddresses []netip.Addr
	// Validity is cut to whole days, of which there must be one; zero means 90
	// days. The service does not end it with the authority's own.
	Validity time.Duration
}

const (
	defaultValidityDays = 90
	// maxValidityDays is ten years, far beyond the life of a room.
	maxValidityDays = 3650
	day             = 24 * time.Hour
	// clockSkew is how far the clocks of a room and of the service may differ.
	clockSkew = 5 * time.Minute
)

func (q CertificateRequest) days() int {
	if q.Validity == 0 {
		return defaultValidityDays
	}
	return int(q.Validity / day)
}

// validate refuses what the service would refuse with an exception, and what
// has a meaning in the text form of a subject.
func (q CertificateRequest) validate() error {
	switch {
	case q.CommonName == "" || len(q.CommonName) > 64:
		return fmt.Errorf("the common name has %d bytes, not 1 to 64", len(q.CommonName))
	case strings.ContainsFunc(q.CommonName, func(r rune) bool { return !idRune(r) || r == ':' || r == '~' }):
		return fmt.Errorf("common name %q: use A-Z a-z 0-9 . _ -", q.CommonName)
	case q.days() < 1 || q.days() > maxValidityDays:
		return fmt.Errorf("validity %s is not 1 to %d days", q.Validity, maxValidityDays)
	}
	for _, name := range q.DNSNames {
		if name == "" || len(name) > 253 || strings.ContainsFunc(name, func(r rune) bool { return !idRune(r) && r != '*' || r == ':' || r == '~' }) {
			return fmt.Errorf("DNS name %q is malformed", cut(name, 80))
		}
	}
	for _, ip := range q.IPAddresses {
		if !ip.IsValid() || ip.Zone() != "" {
			return fmt.Errorf("IP address %q is malformed", ip)
		}
	}
	return nil
}

// pendingCertificate is a request with its fresh key, waiting for an answer.
type pendingCertificate struct {
	request   CertificateRequest
	authority *x509.Certificate
	key       *ecdsa.PrivateKey
	// data is what the room signs.
	data []byte
}

// prepare makes the key and the text of the request.
func (q CertificateRequest) prepare() (*pendingCertificate, error) {
	if err := q.validate(); err != nil {
		return nil, err
	}
	if len(q.CA) == 0 {
		return nil, errors.New("the request names no certificate authority; a member reads it with CAClient.Info")
	}
	authority, err := parseAuthority(q.CA)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(q.DNSNames)+len(q.IPAddresses)) // the service wants a list, if an empty one
	for _, name := range q.DNSNames {
		names = append(names, "dNSName:"+name)
	}
	for _, ip := range q.IPAddresses {
		names = append(names, "iPAddress:"+ip.Unmap().String())
	}
	data, err := json.Marshal(struct {
		PublicKey    string   `json:"publicKey"`
		Subject      string   `json:"subjectName"`
		Names        []string `json:"subjectAlternateNames"`
		ValidityDays int      `json:"validityPeriodDays"`
	}{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "CN=" + q.CommonName, names, q.days()})
	if err != nil {
		return nil, err
	}
	return &pendingCertificate{q, authority, key, data}, nil
}

// finish takes the answer {"cert"} if it is what was asked for.
func (p *pendingCertificate) finish(op string, answer []byte, now time.Time) (*EndorsedCertificate, error) {
	cert, err := parseEndorsed(answer)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	if err := denied(op, "this program", p.request.checks(cert, p.authority, p.key.Public(), now), nil); err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(p.key)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	defer clear(der)
	var chain []byte
	for _, c := range []*x509.Certificate{cert, p.authority} {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return &EndorsedCertificate{
		CertificatePEM: chain,
		private:        redact.New(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
	}, nil
}

func parseEndorsed(b []byte) (*x509.Certificate, error) {
	var doc struct {
		Cert string `json:"cert"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, errors.New("the answer is no JSON object with a certificate")
	}
	certs, err := parseCertificates([]byte(doc.Cert))
	if err != nil {
		return nil, fmt.Errorf("endorsed certificate: %w", err)
	}
	if len(certs) != 1 {
		return nil, fmt.Errorf("endorsed certificate: %d certificates, want one", len(certs))
	}
	return certs[0], nil
}

// checks compares the certificate with the request, and verifies its signature.
func (q CertificateRequest) checks(cert, authority *x509.Certificate, key any, now time.Time) []Check {
	const ask = "the service made another certificate than was asked for; do not use it, and ask its operator"
	signature := Check{
		ID: "certificate.signature", Want: "signed by the CA " + authority.Subject.String() + ", serial " + authority.SerialNumber.String(),
		Got: "signed by it",
	}
	if err := cert.CheckSignatureFrom(authority); err != nil {
		signature.Got, signature.Err = err.Error(), err
		signature.Remedy = "the authority's key may have been rotated: a member reads the CA again, and gives the room the new certificate"
	}
	addresses := func(list []netip.Addr) string {
		text := make([]string, len(list))
		for i, ip := range list {
			text[i] = ip.Unmap().String()
		}
		return sorted(text)
	}
	var got []netip.Addr
	for _, ip := range cert.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			got = append(got, a)
		}
	}
	others := len(cert.URIs) + len(cert.EmailAddresses)
	return []Check{
		signature,
		equalCheck("certificate.key", "the room's key", owner(samePublicKey(cert.PublicKey, key)), ask),
		equalCheck("certificate.subject", "CN="+q.CommonName, cert.Subject.String(), ask),
		equalCheck("certificate.dns-names", sorted(q.DNSNames), sorted(cert.DNSNames), ask),
		equalCheck("certificate.ip-addresses", addresses(q.IPAddresses), addresses(got), ask),
		equalCheck("certificate.other-names", "0", fmt.Sprint(others), ask),
		equalCheck("certificate.authority", "false", fmt.Sprint(cert.IsCA), ask),
		q.timeCheck(cert, now),
	}
}

func (q CertificateRequest) timeCheck(cert *x509.Certificate, now time.Time) Check {
	c := Check{
		ID:   "certificate.time",
		Want: fmt.Sprintf("valid at %s, and at most for %d days", now.UTC().Format(time.RFC3339), q.days()),
		Got:  fmt.Sprintf("%s to %s", cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339)),
	}
	if now.Add(clockSkew).Before(cert.NotBefore) || now.After(cert.NotAfter) || cert.NotAfter.Sub(cert.NotBefore) > time.Duration(q.days())*day+clockSkew {
		c.Err = errors.New("the certificate has the wrong time")
		c.Remedy = "compare the clocks of the room and of the service"
	}
	return c
}

func owner(same bool) string {
	if same {
		return "the room's key"
	}
	return "another key"
}

func sorted(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}
