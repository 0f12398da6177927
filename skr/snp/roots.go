package snp

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"

	"github.com/google/go-sev-guest/verify/trust"
)

// root is what a VCEK of one product line is verified against.
type root struct {
	ark, ask *x509.Certificate
	// The pools hold one certificate each.
	roots, intermediates *x509.CertPool
}

func newRoot(ark, ask *x509.Certificate) (*root, error) {
	if err := ark.CheckSignatureFrom(ark); err != nil {
		return nil, fmt.Errorf("the ARK is not signed by itself: %w", err)
	}
	if err := ask.CheckSignatureFrom(ark); err != nil {
		return nil, fmt.Errorf("the ASK is not signed by the ARK: %w", err)
	}
	r := &root{ark: ark, ask: ask, roots: x509.NewCertPool(), intermediates: x509.NewCertPool()}
	r.roots.AddCert(ark)
	r.intermediates.AddCert(ask)
	return r, nil
}

// amdRoots are AMD's own, by product line, as go-sev-guest embeds them.
var amdRoots = sync.OnceValue(func() map[string]*root {
	roots := map[string]*root{}
	for product, embedded := range trust.DefaultRootCerts {
		r, err := newRoot(embedded.ProductCerts.Ark, embedded.ProductCerts.Ask)
		if err != nil {
			panic("skr/snp: internal error: embedded roots of " + product + ": " + err.Error())
		}
		roots[product] = r
	}
	return roots
})

// TestRoots are what a verifier for tests trusts in place of AMD and Microsoft.
type TestRoots struct {
	// ARKAndASK is the PEM text of a root (CN "ARK-" and the product line) and
	// an intermediate (CN "SEV-" and the product line), in any order. AMD's own
	// root is refused.
	ARKAndASK []byte
	// UVMIssuer is the did:x509 whose utility VM endorsements are accepted;
	// empty accepts none. Microsoft's is refused.
	UVMIssuer string
}

// parse gives the roots by product line and the accepted issuers.
func (t TestRoots) parse() (map[string]*root, []*didX509, error) {
	certs, err := parseCertificates(t.ARKAndASK)
	if err != nil {
		return nil, nil, err
	}
	var ark, ask *x509.Certificate
	for _, c := range certs {
		switch cn := c.Subject.CommonName; {
		case strings.HasPrefix(cn, arkPrefix):
			ark = c
		case strings.HasPrefix(cn, askPrefix) && c.IsCA:
			ask = c
		}
	}
	if len(certs) != 2 || ark == nil || ask == nil {
		return nil, nil, fmt.Errorf("want exactly one ARK and one ASK certificate, got %d certificates", len(certs))
	}
	for _, amd := range amdRoots() {
		if bytes.Equal(amd.ark.RawSubjectPublicKeyInfo, ark.RawSubjectPublicKeyInfo) {
			return nil, nil, fmt.Errorf("this is AMD's root; use NewVerifier")
		}
	}
	product := strings.TrimPrefix(ark.Subject.CommonName, arkPrefix)
	if ask.Subject.CommonName != askPrefix+product {
		return nil, nil, fmt.Errorf("the ARK is of %q, the ASK %q", product, ask.Subject.CommonName)
	}
	r, err := newRoot(ark, ask)
	if err != nil {
		return nil, nil, err
	}
	roots := map[string]*root{product: r}
	if t.UVMIssuer == "" {
		return roots, nil, nil
	}
	issuer, err := parseDIDX509(t.UVMIssuer)
	if err != nil {
		return nil, nil, err
	}
	if issuer.fingerprint == microsoftUVM.fingerprint {
		return nil, nil, fmt.Errorf("this is Microsoft's issuer; use NewVerifier")
	}
	return roots, []*didX509{issuer}, nil
}
