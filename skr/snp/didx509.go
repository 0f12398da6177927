package snp

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MicrosoftUVMIssuer is the did:x509 under which the utility VMs of
// confidential ACI are endorsed: a root of Microsoft by its SHA-256, and the
// key usage that a signer of such endorsements has below it.
const MicrosoftUVMIssuer = "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.2"

// microsoftUVM is the only issuer that a verifier for production accepts.
var microsoftUVM = func() *didX509 {
	d, err := parseDIDX509(MicrosoftUVMIssuer)
	if err != nil {
		panic("skr/snp: internal error: " + err.Error())
	}
	return d
}()

// didX509 is an issuer by the did:x509 method, version 0: an authority by its
// digest, and what the leaf below it must be. Of the method's policies the key
// usage is read; a DID with another one is refused, not taken for less.
type didX509 struct {
	text        string
	fingerprint [sha256.Size]byte
	usages      []asn1.ObjectIdentifier
}

func parseDIDX509(s string) (*didX509, error) {
	const prefix = "did:x509:0:sha256:"
	parts := strings.Split(s, "::")
	digest, ok := strings.CutPrefix(parts[0], prefix)
	if !ok || len(parts) < 2 {
		return nil, fmt.Errorf("issuer %q is no DID of the form %s<digest>::eku:<oid>", shorten(s), prefix)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(digest)
	if err != nil || len(b) != sha256.Size {
		return nil, fmt.Errorf("issuer %q has no SHA-256 in base64url", shorten(s))
	}
	d := &didX509{text: s, fingerprint: [sha256.Size]byte(b)}
	for _, policy := range parts[1:] {
		value, ok := strings.CutPrefix(policy, "eku:")
		if !ok {
			return nil, fmt.Errorf("issuer %q has a policy other than eku, which is not supported", shorten(s))
		}
		var oid asn1.ObjectIdentifier
		for arc := range strings.SplitSeq(value, ".") {
			n, err := strconv.ParseUint(arc, 10, 31)
			if err != nil {
				return nil, fmt.Errorf("issuer %q has no usable key usage", shorten(s))
			}
			oid = append(oid, int(n))
		}
		d.usages = append(d.usages, oid)
	}
	return d, nil
}

// resolve verifies a chain, leaf first, up to the authority that the DID names,
// and that the leaf has the usages. The authority must be in the chain and must
// not be the leaf. Time is that of the leaf's issue: an endorsement is a
// statement about a build, which stays true when the certificate has run out.
func (d *didX509) resolve(chain []*x509.Certificate) (*x509.Certificate, error) {
	if len(chain) < 2 {
		return nil, fmt.Errorf("a chain of %d certificates, want the signer's and at least one authority's", len(chain))
	}
	leaf := chain[0]
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	found := false
	for _, c := range chain[1:] {
		if digest := sha256.Sum256(c.Raw); bytes.Equal(digest[:], d.fingerprint[:]) {
			roots.AddCert(c)
			found = true
		} else {
			intermediates.AddCert(c)
		}
	}
	if !found {
		return nil, errors.New("the authority that the issuer's DID names is not in the chain")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: leaf.NotBefore,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return nil, err
	}
	for _, usage := range d.usages {
		if !hasUsage(leaf, usage) {
			return nil, fmt.Errorf("certificate %q lacks the key usage %v of the issuer's DID", shorten(leaf.Subject.String()), usage)
		}
	}
	return leaf, nil
}

// oidUsages is the extension of extended key usages (RFC 5280, 4.2.1.12). It is
// read raw: x509 sorts its values into those it knows by number and the others.
var oidUsages = asn1.ObjectIdentifier{2, 5, 29, 37}

func hasUsage(cert *x509.Certificate, usage asn1.ObjectIdentifier) bool {
	var usages []asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(extension(cert, oidUsages), &usages); err != nil || len(rest) > 0 {
		return false
	}
	for _, u := range usages {
		if u.Equal(usage) {
			return true
		}
	}
	return false
}
