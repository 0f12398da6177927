package skr

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

// signingChain is a chain of a vault's certificate, each changed by edit before
// it is issued.
func signingChain(t *testing.T, edit func(leaf, issuing, root *x509.Certificate)) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	names := [3]string{"*.vault.azure.net", "issuing", "root"}
	var keys [3]*rsa.PrivateKey
	var templates, certs [3]*x509.Certificate
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
		templates[i] = &x509.Certificate{Subject: pkix.Name{CommonName: names[i]}, IsCA: i > 0, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	templates[0].DNSNames, templates[0].KeyUsage = names[:1], x509.KeyUsageDigitalSignature
	templates[0].ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if edit != nil {
		edit(templates[0], templates[1], templates[2])
	}
	parent := templates[2]
	for i := 2; i >= 0; i-- {
		signer := keys[min(i+1, 2)]
		cert, err := testpki.Sign(templates[i], keys[i].Public(), parent, signer)
		if err != nil {
			t.Fatal(err)
		}
		certs[i], parent = cert, cert
	}
	pool := x509.NewCertPool()
	pool.AddCert(certs[2])
	return &tls.Certificate{Certificate: [][]byte{certs[0].Raw, certs[1].Raw, certs[2].Raw}, PrivateKey: keys[0]}, pool
}

// A leaf that an authority vouches for is not enough: it must be a server's,
// below authorities that may issue, all of it at this time.
func TestSigningChains(t *testing.T) {
	past := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	}
	w := newWorld(t)
	tests := map[string]struct {
		edit func(leaf, issuing, root *x509.Certificate)
		want string // the failed check; empty means none
	}{
		"good":                  {nil, ""},
		"leaf of any use":       {func(l, _, _ *x509.Certificate) { l.ExtKeyUsage = nil }, ""},
		"leaf of a client":      {func(l, _, _ *x509.Certificate) { l.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "release.chain"},
		"leaf of a code signer": {func(l, _, _ *x509.Certificate) { l.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }, "release.chain"},
		"leaf expired":          {func(l, _, _ *x509.Certificate) { past(l) }, "release.leaf-time"},
		"issuer expired":        {func(_, i, _ *x509.Certificate) { past(i) }, "release.chain"},
		"root expired":          {func(_, _, r *x509.Certificate) { past(r) }, "release.chain"},
		"issuer is none":        {func(_, i, _ *x509.Certificate) { i.IsCA = false }, "release.chain"},
		"name in the subject":   {func(l, _, _ *x509.Certificate) { l.Subject.CommonName, l.DNSNames = vaultHost, nil }, "release.host"},
		"name of a parent":      {func(l, _, _ *x509.Certificate) { l.DNSNames = []string{"vault.azure.net"} }, "release.host"},
		"name of a child":       {func(l, _, _ *x509.Certificate) { l.DNSNames = []string{"*." + vaultHost} }, "release.host"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rc, seal := crafted(t, w)
			w.leaf, rc.roots = signingChain(t, test.edit)
			m, checks := rc.open(seal())
			got := ""
			for _, c := range checks {
				if !c.OK() {
					got = c.ID
				}
			}
			if got != test.want || (m == nil) != (test.want != "") {
				t.Errorf("failed check %q, want %q", got, test.want)
			}
		})
	}
	if len(tests) != 11 {
		t.Errorf("%d cases", len(tests))
	}
	// An issuer that expires before its leaf: the time is this program's clock,
	// not the machine's.
	rc, seal := crafted(t, w)
	w.leaf, rc.roots = signingChain(t, func(l, i, _ *x509.Certificate) {
		l.NotBefore, l.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(2, 0, 0)
	})
	rc.now = time.Now().AddDate(1, 0, 0)
	if m, checks := rc.open(seal()); m != nil || checks[len(checks)-1].ID != "release.chain" {
		t.Errorf("a chain that will have expired: %v", checks)
	}
}

// No second text carries the same signature: not with stray bits in the last
// letter, nor padded, nor with line breaks.
func TestOneTextPerSignature(t *testing.T) {
	w := newWorld(t)
	c := w.maaClient(t)
	token, err := c.Attest(context.Background(), evidenceFor(t, w), "")
	if err != nil {
		t.Fatal(err)
	}
	rc, seal := crafted(t, w)
	response := seal()
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	others := func(raw string) (list []string) {
		end := len(raw) - 1
		last := strings.IndexByte(letters, raw[end])
		for spare := 1; spare < 16; spare++ { // 256 bytes leave four bits
			list = append(list, raw[:end]+letters[last^spare:][:1])
		}
		dot := strings.IndexByte(raw, '.')
		return append(list, raw+"=", raw+"==", raw+"\n", "\n"+raw, raw[:end-3]+"\r\n"+raw[end-3:], raw[:dot]+"\n"+raw[dot:], raw[:dot]+"="+raw[dot:], strings.ReplaceAll(raw, ".", ". "))
	}
	for _, s := range others(token.Raw()) {
		if _, err := c.Verify(context.Background(), s, ""); failedIDs(err) == nil {
			t.Errorf("token ending %q: %v", s[len(s)-4:], err)
		}
	}
	for _, s := range others(response) {
		if m, checks := rc.open(s); m != nil || checks[len(checks)-1].ID != "release.format" {
			t.Errorf("response ending %q: %v", s[len(s)-4:], checks)
		}
	}
	if m, _ := rc.open(response); m == nil {
		t.Error("the response itself was refused")
	}
}
