package vault

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// certificateVersion belongs to the key of the same name and version.
type certificateVersion struct {
	name, id   string
	der        []byte
	attributes attributes
}

// createCertificate is POST /certificates/{name}/create: a new key on a curve
// that the vault never gives away, and a certificate that it signs itself.
func (s *Server) createCertificate(_ context.Context, c *call) (any, error) {
	var in struct {
		Policy struct {
			Key struct {
				Kty        string `json:"kty"`
				Crv        string `json:"crv"`
				Exportable bool   `json:"exportable"`
			} `json:"key_props"`
			X509 struct {
				Subject string `json:"subject"`
				Months  int    `json:"validity_months"`
			} `json:"x509_props"`
			Issuer struct {
				Name string `json:"name"`
			} `json:"issuer"`
		} `json:"policy"`
		Attributes givenAttributes `json:"attributes"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	p := in.Policy
	name, ok := strings.CutPrefix(p.X509.Subject, "CN=")
	switch {
	case p.Issuer.Name != "Self":
		return nil, badParameter("Property issuer.name has the value '%s'; certificates sign themselves here, by the issuer Self.", p.Issuer.Name)
	case p.Key.Kty != "EC" && p.Key.Kty != "EC-HSM":
		return nil, badParameter("Property key_props.kty has the value '%s'; keys of certificates are on a curve here.", p.Key.Kty)
	case p.Key.Exportable:
		return nil, badParameter("Keys of certificates are not exportable here.")
	case !ok || name == "" || strings.ContainsAny(name, ",+="):
		return nil, badParameter("Property x509_props.subject has the value '%s'; subjects are a common name here, CN=name.", p.X509.Subject)
	}
	if p.X509.Months <= 0 {
		p.X509.Months = 12
	}
	key, err := newECKey(p.Key.Crv)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := s.now()
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-10 * time.Minute), NotAfter: now.AddDate(0, p.X509.Months, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	k := &keyVersion{name: c.name, id: newVersion(), ec: key, hsm: p.Key.Kty == "EC-HSM", ops: ecOperations, tags: map[string]string{}}
	if _, err := s.addKey(c, k, in.Attributes, nil); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.vault(c.host)
	lower := strings.ToLower(c.name)
	v.certificates[lower] = append(v.certificates[lower], &certificateVersion{name: k.name, id: k.id, der: der, attributes: k.attributes})
	return accepted{c.operation("inProgress")}, nil
}

// operation is the state of a certificate that is being made.
func (c *call) operation(status string) map[string]any {
	o := map[string]any{
		"id": c.id("certificates", c.name, "pending"), "issuer": map[string]string{"name": "Self"},
		"cancellation_requested": false, "status": status,
	}
	if status == "completed" {
		o["target"] = c.id("certificates", c.name, "")
	}
	return o
}

// pendingCertificate is GET /certificates/{name}/pending: the second look finds
// the certificate made.
func (s *Server) pendingCertificate(_ context.Context, c *call) (any, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, err := s.certificate(c); err != nil {
		return nil, err
	}
	return c.operation("completed"), nil
}

// getCertificate is GET /certificates/{name}[/{version}].
func (s *Server) getCertificate(_ context.Context, c *call) (any, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, err := s.certificate(c)
	if err != nil {
		return nil, err
	}
	thumb := sha1.Sum(v.der)
	return map[string]any{
		"id": c.id("certificates", v.name, v.id), "kid": c.id("keys", v.name, v.id), "sid": c.id("secrets", v.name, v.id),
		"x5t": wire.Encode64(thumb[:]), "cer": base64.StdEncoding.EncodeToString(v.der), "attributes": v.attributes,
	}, nil
}

// certificate finds the version that a call names. The caller holds the lock.
func (s *Server) certificate(c *call) (*certificateVersion, error) {
	if v := s.vaults[c.host]; v != nil {
		if found := find(v.certificates[strings.ToLower(c.name)], c.version, func(v *certificateVersion) string { return v.id }); found != nil {
			return found, nil
		}
	}
	return nil, wire.Errorf(http.StatusNotFound, "CertificateNotFound", "A certificate with (name/id) %s was not found in this key vault. If you recently deleted this certificate you may be able to recover it using the correct recovery command.", c.path())
}
