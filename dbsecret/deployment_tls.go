package dbsecret

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"
)

// certificateLife is how long a deployment's certificates are good, and
// clockSkew how far behind a room's clock may be.
const certificateLife, clockSkew = 365 * 24 * time.Hour, time.Hour

// serverCertificate makes a root, which signs one certificate and whose key is
// then dropped, and the server's certificate with its key, all as PEM.
func serverCertificate(name string) (root, leaf, key []byte, err error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the root's key: %w", err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the server's key: %w", err)
	}
	begin := time.Now().Add(-clockSkew)
	authority := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "root of " + shortName(name)},
		NotBefore: begin, NotAfter: begin.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage:                    x509.KeyUsageCertSign,
		PermittedDNSDomains:         []string{name},
		PermittedDNSDomainsCritical: true,
	}
	server := &x509.Certificate{
		Subject:   pkix.Name{CommonName: shortName(name)},
		NotBefore: begin, NotAfter: begin.Add(certificateLife),
		DNSNames: []string{name}, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, authority, authority, rootKey.Public(), rootKey)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the root: %w", err)
	}
	authority, err = x509.ParseCertificate(rootDER)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the root: %w", err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, server, authority, leafKey.Public(), rootKey)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the server's certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the server's key: %w", err)
	}
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	key = encode("PRIVATE KEY", keyDER)
	clear(keyDER)
	return encode("CERTIFICATE", rootDER), encode("CERTIFICATE", leafDER), key, nil
}

// shortName fits a common name (RFC 5280 appendix A.1: 64 characters) behind the
// words before it; what is verified is the DNS name.
func shortName(name string) string { return name[:min(len(name), 50)] }
