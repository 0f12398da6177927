package governance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Member is a member's identity: a certificate and the key that signs for it.
// The key may live anywhere that a [crypto.Signer] reaches, for instance in a
// key vault.
type Member struct {
	cert *x509.Certificate
	key  crypto.Signer
	id   string
}

// NewMember takes an EC key on P-256, P-384 or P-521; the service accepts no
// other for governance messages.
func NewMember(cert *x509.Certificate, key crypto.Signer) (*Member, error) {
	if cert == nil || key == nil {
		return nil, errors.New("governance: a member needs a certificate and a key")
	}
	pub, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("governance: member key: governance messages need an EC key, not %T", key.Public())
	}
	if err := checkCurve(pub.Curve); err != nil {
		return nil, fmt.Errorf("governance: member key: %w", err)
	}
	if !pub.Equal(cert.PublicKey) {
		return nil, errors.New("governance: member key: it does not belong to the certificate")
	}
	return &Member{cert: cert, key: key, id: MemberID(cert)}, nil
}

// checkCurve accepts what the service verifies.
func checkCurve(c elliptic.Curve) error {
	switch c {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
		return nil
	}
	return fmt.Errorf("curve %s is not one of P-256, P-384 and P-521", c.Params().Name)
}

// ParseMember reads a certificate and a key in PEM. The key may be SEC 1
// ("EC PRIVATE KEY", with or without the "EC PARAMETERS" block that OpenSSL
// puts before it) or PKCS #8 ("PRIVATE KEY").
func ParseMember(certPEM, keyPEM []byte) (*Member, error) {
	certs, err := parseCertificates(certPEM)
	if err != nil {
		return nil, fmt.Errorf("governance: member certificate: %w", err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("governance: member key: %w", err)
	}
	return NewMember(certs[0], key)
}

// LoadMember is [ParseMember] of two files. Its errors name the file.
func LoadMember(certFile, keyFile string) (*Member, error) {
	certPEM, err := readFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("governance: member certificate: %w", err)
	}
	certs, err := parseCertificates(certPEM)
	if err != nil {
		return nil, fmt.Errorf("governance: member certificate: %s: %w", certFile, err)
	}
	keyPEM, err := readFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("governance: member key: %w", err)
	}
	defer clear(keyPEM)
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("governance: member key: %s: %w", keyFile, err)
	}
	m, err := NewMember(certs[0], key)
	if err != nil {
		return nil, fmt.Errorf("%w; the files are %s and %s", err, certFile, keyFile)
	}
	return m, nil
}

func readFile(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; GenerateMemberKeys makes both files' content", err)
	}
	return b, err
}

// parseKey never puts a byte of its input into an error.
func parseKey(b []byte) (crypto.Signer, error) {
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return nil, errors.New("no PEM block of type EC PRIVATE KEY or PRIVATE KEY")
		}
		switch block.Type {
		case "EC PRIVATE KEY":
			key, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				return nil, errors.New("the EC PRIVATE KEY block is damaged")
			}
			return key, nil
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, errors.New("the PRIVATE KEY block is damaged")
			}
			signer, ok := key.(crypto.Signer)
			if !ok {
				return nil, fmt.Errorf("a key of type %T cannot sign", key)
			}
			return signer, nil
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the key is encrypted; decrypt it, or give a crypto.Signer to NewMember")
		}
	}
}

// ID is the member id: [MemberID] of the certificate.
func (m *Member) ID() string { return m.id }

// CertificatePEM is the certificate that the other members accept.
func (m *Member) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.cert.Raw})
}

// String names the member and nothing of its key.
func (m *Member) String() string { return "member " + m.id }

// GoString is String.
func (m *Member) GoString() string { return m.String() }

// MemberID is the id of whoever has the certificate: 64 lower case hex digits
// of the SHA-256 of its DER.
func MemberID(cert *x509.Certificate) string { return idOfDER(cert.Raw) }

func idOfDER(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// idOfPEM is the id of whoever has the first certificate of a text, "" if there
// is none. It reads nothing of the certificate: crypto/x509 is stricter than the
// service, and one odd member must not hide all of them.
func idOfPEM(text []byte) string {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return ""
		}
		if block.Type == "CERTIFICATE" {
			return idOfDER(block.Bytes)
		}
	}
}

// SecretID is the id under which a clean room reads the secret that a member
// set under name, in the form of release 8.0.0. Setting the secret returns the
// same id; this predicts it, so that it can stand in a contract before the
// secret exists.
func SecretID(memberID, name string) string { return memberID + "_" + name }

// CleanRoomID stands for the member id in the [SecretID] of what a room of the
// contract stored; all rooms share it.
const CleanRoomID = "cleanroom"
