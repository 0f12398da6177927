package governance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"time"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// MemberKeys is a new member's certificate and private key in PEM. No form of
// printing shows the key.
type MemberKeys struct {
	// CertificatePEM is self-signed and public: the other members propose it.
	CertificatePEM []byte

	private *redact.Secret
}

// PrivateKeyPEM is a copy of the key in SEC 1, nil after Close. Write it with
// mode 0600, and clear it after use.
func (k *MemberKeys) PrivateKeyPEM() []byte {
	if k.private == nil {
		return nil
	}
	return k.private.Clone()
}

// Close clears the key. Members made of the pair before keep their own.
func (k *MemberKeys) Close() {
	if k.private != nil {
		k.private.Close()
	}
}

// MemberKeysOptions may be nil.
type MemberKeysOptions struct {
	// Curve is P-256, P-384 or P-521; nil means P-384, as upstream's key tool.
	Curve elliptic.Curve
	// Validity of the certificate; zero means 365 days. The service looks a
	// member up by the digest of the certificate and does not look at its dates.
	Validity time.Duration
}

// GenerateMemberKeys makes a key and a certificate whose common name is name.
func GenerateMemberKeys(name string, opts *MemberKeysOptions) (*MemberKeys, error) {
	var o MemberKeysOptions
	if opts != nil {
		o = *opts
	}
	if o.Curve == nil {
		o.Curve = elliptic.P384()
	}
	if o.Validity <= 0 {
		o.Validity = 365 * 24 * time.Hour
	}
	if name == "" {
		return nil, errors.New("governance: member keys: the name is empty")
	}
	if err := checkCurve(o.Curve); err != nil {
		return nil, fmt.Errorf("governance: member keys: %w", err)
	}
	key, err := ecdsa.GenerateKey(o.Curve, rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("governance: member keys: %w", err)
	}
	cert, err := selfSigned(name, key, o.Validity)
	if err != nil {
		return nil, fmt.Errorf("governance: member keys: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("governance: member keys: %w", err)
	}
	defer clear(der)
	return &MemberKeys{
		CertificatePEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		private:        redact.New(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
	}, nil
}

func selfSigned(name string, key *ecdsa.PrivateKey, validity time.Duration) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159))
	if err != nil {
		return nil, err
	}
	// A minute of grace for clocks that are behind.
	start := time.Now().Add(-time.Minute)
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             start,
		NotAfter:              start.Add(validity),
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

// Member is the identity made of the pair.
func (k *MemberKeys) Member() (*Member, error) {
	key := k.PrivateKeyPEM()
	defer redact.Clear(key)
	return ParseMember(k.CertificatePEM, key)
}

func (k MemberKeys) String() string {
	return "member keys, private key " + redact.Text + "\n" + string(k.CertificatePEM)
}

// Format is String for every verb.
func (k MemberKeys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue shows the certificate alone.
func (k MemberKeys) LogValue() slog.Value {
	return slog.GroupValue(slog.String("certificate", string(k.CertificatePEM)), slog.String("privateKey", redact.Text))
}

// MarshalJSON shows the certificate alone: it is for logs, not for storage.
func (k MemberKeys) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"certificate": string(k.CertificatePEM), "privateKey": redact.Text})
}

var (
	_ fmt.Formatter  = MemberKeys{}
	_ slog.LogValuer = MemberKeys{}
)
