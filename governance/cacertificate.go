package governance

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// EndorsedCertificate is a room's certificate from its contract's authority,
// with its private key. No form of printing shows the key.
type EndorsedCertificate struct {
	// CertificatePEM is the room's certificate, then the authority's.
	CertificatePEM []byte

	private *redact.Secret
}

// PrivateKeyPEM is a copy of the key (P-384, SEC 1), nil after Close. Clear it
// after use.
func (c *EndorsedCertificate) PrivateKeyPEM() []byte {
	if c.private == nil {
		return nil
	}
	return c.private.Clone()
}

// TLS is the pair as crypto/tls takes it. It holds a copy of the key, which
// Close does not clear and printing would show.
func (c *EndorsedCertificate) TLS() (*tls.Certificate, error) {
	key := c.PrivateKeyPEM()
	defer redact.Clear(key)
	pair, err := tls.X509KeyPair(c.CertificatePEM, key)
	if err != nil {
		return nil, fmt.Errorf("governance: endorsed certificate: %w", err)
	}
	return &pair, nil
}

// Close clears the key.
func (c *EndorsedCertificate) Close() {
	if c.private != nil {
		c.private.Close()
	}
}

func (c EndorsedCertificate) String() string {
	return "endorsed certificate, private key " + redact.Text + "\n" + string(c.CertificatePEM)
}

// Format is String for every verb.
func (c EndorsedCertificate) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue shows the certificate alone.
func (c EndorsedCertificate) LogValue() slog.Value {
	return slog.GroupValue(slog.String("certificate", string(c.CertificatePEM)), slog.String("privateKey", redact.Text))
}

// MarshalJSON shows the certificate alone: it is for logs, not for storage.
func (c EndorsedCertificate) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"certificate": string(c.CertificatePEM), "privateKey": redact.Text})
}

var (
	_ fmt.Formatter  = EndorsedCertificate{}
	_ slog.LogValuer = EndorsedCertificate{}
)
