package skr

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
)

const (
	// minChain is leaf, issuing authority and root, as the service sends them.
	// The reference drops the last one unread, so nobody sends fewer.
	minChain = 3
	// maxChain bounds the certificates that are parsed.
	maxChain = 10
)

// verifySignature checks chain, host name and signature of a release response.
// The signing leaf is the vault's TLS certificate, so its name must be that of
// the vault asked.
func (rc *releaseCheck) verifySignature(l *checklist, raw string) []byte {
	sig := l.parseJWS("release", raw, maxResponse)
	if sig == nil {
		return nil
	}
	leaf := rc.verifyChain(l, sig)
	if leaf == nil {
		return nil
	}
	err := sig.verify(leaf)
	if !l.that("release.signature", "a valid signature", describe(err, "a valid signature"), "do not trust this answer: it was changed on its way", err) {
		return nil
	}
	return sig.payload
}

// verifyChain returns the key that may sign for the vault, or nil.
func (rc *releaseCheck) verifyChain(l *checklist, sig *jws) *rsa.PublicKey {
	chain, err := readChain(sig.header["x5c"])
	if !l.that("release.x5c", "leaf, issuing authority and root", describe(err, "leaf, issuing authority and root"),
		"do not trust this answer: vaults send the whole chain of their certificate", err) {
		return nil
	}
	leaf := chain[0]
	if !l.that("release.leaf-time", "a certificate that is valid now", "valid from "+stamp(leaf.NotBefore)+" until "+stamp(leaf.NotAfter),
		"compare this machine's clock with the service's; if it is right, do not trust this answer", refuseIf(rc.now.Before(leaf.NotBefore) || rc.now.After(leaf.NotAfter))) {
		return nil
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots:         rc.roots,
		Intermediates: intermediates,
		CurrentTime:   rc.now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if !l.that("release.chain", "a certificate under a trusted root", describe(err, "a certificate under a trusted root"),
		"do not trust this answer; if the vault's certificate comes from a private authority, pass its root as ReleaserOptions.Roots", err) {
		return nil
	}
	host := hostOf(rc.ref.VaultURL)
	err = leaf.VerifyHostname(host)
	if !l.that("release.host", "a certificate for "+host, describe(err, "a certificate for "+host), "do not trust this answer: another service signed it", err) {
		return nil
	}
	pub, isRSA := leaf.PublicKey.(*rsa.PublicKey)
	if !l.that("release.signing-key", "an RSA key of 2048 bits or more", fmt.Sprintf("%T", leaf.PublicKey),
		"do not trust this answer: vaults sign with RSA", refuseIf(!isRSA || !usableRSA(pub))) {
		return nil
	}
	return pub
}

// readChain parses the header's x5c: base64 (not base64url) of DER each.
func readChain(x5c any) ([]*x509.Certificate, error) {
	list, _ := x5c.([]any)
	if len(list) < minChain || len(list) > maxChain {
		return nil, fmt.Errorf("%d certificates", len(list))
	}
	var chain []*x509.Certificate
	for i, v := range list {
		text, _ := v.(string)
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(der) == 0 {
			return nil, fmt.Errorf("certificate %d is no base64", i+1)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d is none", i+1)
		}
		chain = append(chain, cert)
	}
	return chain, nil
}
