// Package testpki makes the throw-away certificate authorities of the local
// environment. Every subject says that it is for tests; no root of it is in
// any trust store but the one a caller builds from [CA.Pool].
package testpki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Organization stands in the subject of everything that is issued here.
const Organization = "Local test environment - not Azure"

// CA is a root with one issuing authority below it, as the public services
// have: a release response must carry leaf, issuing authority and root.
type CA struct {
	Root, Issuing *x509.Certificate
	rootKey, key  crypto.Signer
}

// New makes an authority with P-256 keys.
func New(name string) (*CA, error) {
	ca := &CA{}
	var err error
	if ca.rootKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if ca.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	root := &x509.Certificate{Subject: subject(name + " root"), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	if ca.Root, err = Sign(root, ca.rootKey.Public(), root, ca.rootKey); err != nil {
		return nil, err
	}
	issuing := &x509.Certificate{Subject: subject(name + " issuing"), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign}
	if ca.Issuing, err = Sign(issuing, ca.key.Public(), ca.Root, ca.rootKey); err != nil {
		return nil, err
	}
	return ca, nil
}

func subject(cn string) pkix.Name {
	return pkix.Name{CommonName: cn, Organization: []string{Organization}}
}

// Sign issues the template for pub, valid from an hour ago for a week unless
// it says otherwise. Pass the template as parent for a self-signed certificate.
func Sign(template *x509.Certificate, pub crypto.PublicKey, parent *x509.Certificate, key crypto.Signer) (*x509.Certificate, error) {
	if template.SerialNumber == nil {
		serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
		if err != nil {
			return nil, err
		}
		template.SerialNumber = serial
	}
	if template.NotBefore.IsZero() {
		now := time.Now()
		template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(7*24*time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("testpki: %w", err)
	}
	return x509.ParseCertificate(der)
}

// Issue makes a TLS server certificate with a P-256 key. Each name is a DNS
// name, possibly with a wildcard, or an IP address.
func (ca *CA) Issue(names ...string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return ca.issue(key, names)
}

// IssueRSA makes a TLS server certificate with an RSA-2048 key, for a service
// that also signs RS256 with it.
func (ca *CA) IssueRSA(names ...string) (*tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return ca.issue(key, names)
}

func (ca *CA) issue(key crypto.Signer, names []string) (*tls.Certificate, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("testpki: a server certificate needs a name")
	}
	t := &x509.Certificate{
		Subject:     subject(names[0]),
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
	leaf, err := Sign(t, key.Public(), ca.Issuing, ca.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, ca.Issuing.Raw, ca.Root.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// Pool holds the root alone.
func (ca *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.Root)
	return p
}

// RootPEM is the root certificate.
func (ca *CA) RootPEM() []byte { return PEM(ca.Root) }

// PEM encodes certificates one after the other.
func PEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
