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
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// recordedEndorsement is an authority and a certificate of it, from a recording
// of release 8.0.0.
func recordedEndorsement(t testing.TB) (status, answer json.RawMessage, key any, names []string) {
	t.Helper()
	b, err := os.ReadFile("testdata/endorsed-8.0.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Status, Answer json.RawMessage
		Request        struct {
			PublicKey             string
			SubjectAlternateNames []string
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(doc.Request.PublicKey))
	if key, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		t.Fatal(err)
	}
	return doc.Status, doc.Answer, key, doc.Request.SubjectAlternateNames
}

// TestGenuineEndorsement takes what the genuine service made.
func TestGenuineEndorsement(t *testing.T) {
	status, answer, key, names := recordedEndorsement(t)
	info, err := parseCAInfo(status)
	if err != nil {
		t.Fatal(err)
	}
	if !info.Enabled || len(names) != 1 || names[0] != "dNSName:ccr.example.com" {
		t.Errorf("%+v, names %q", info, names)
	}
	authority, err := parseAuthority(info.CertificatePEM)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := parseEndorsed(answer)
	if err != nil {
		t.Fatal(err)
	}
	q := CertificateRequest{CommonName: "ccr", DNSNames: []string{"ccr.example.com"}}
	checks := q.checks(cert, authority, key, cert.NotBefore)
	if failed := check.Failed(checks); len(checks) != 8 || len(failed) > 0 {
		t.Errorf("%d checks, failed %v", len(checks), failed)
	}
}

// TestEndorsementChecks changes one thing at a time of a good answer.
func TestEndorsementChecks(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	root := func(key *ecdsa.PrivateKey) *x509.Certificate {
		tmpl := &x509.Certificate{
			Subject: pkix.Name{CommonName: "Azure Clean Room CA"}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
			NotBefore: now, NotAfter: now.Add(100 * day),
		}
		cert, err := testpki.Sign(tmpl, key.Public(), tmpl, key)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	caKey, strangerKey, roomKey := newKey(), newKey(), newKey()
	ca, stranger := root(caKey), root(strangerKey)
	request := CertificateRequest{CommonName: "room", DNSNames: []string{"b.example", "a.example"}, IPAddresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1")}, Validity: 7 * day}
	type issue struct {
		template *x509.Certificate
		key      *ecdsa.PrivateKey
		parent   *x509.Certificate
		signer   *ecdsa.PrivateKey
		now      time.Time
	}
	tests := []struct {
		name   string
		change func(*issue)
		fails  string // "" for none
	}{
		{"nothing", func(*issue) {}, ""},
		{"names in another order", func(i *issue) { i.template.DNSNames = []string{"a.example", "b.example"} }, ""},
		{"the room's clock is behind", func(i *issue) { i.now = now.Add(-time.Minute) }, ""},
		{"a stranger signed", func(i *issue) { i.parent, i.signer = stranger, strangerKey }, "certificate.signature"},
		{"self-signed", func(i *issue) { i.parent, i.signer = i.template, roomKey }, "certificate.signature"},
		{"another key", func(i *issue) { i.key = strangerKey }, "certificate.key"},
		{"another subject", func(i *issue) { i.template.Subject.CommonName = "other" }, "certificate.subject"},
		{"an organisation", func(i *issue) { i.template.Subject.Organization = []string{"x"} }, "certificate.subject"},
		{"one name more", func(i *issue) { i.template.DNSNames = append(i.template.DNSNames, "c.example") }, "certificate.dns-names"},
		{"one name less", func(i *issue) { i.template.DNSNames = i.template.DNSNames[:1] }, "certificate.dns-names"},
		{"another address", func(i *issue) { i.template.IPAddresses[0] = net.IPv4(10, 0, 0, 2) }, "certificate.ip-addresses"},
		{"a mail address", func(i *issue) { i.template.EmailAddresses = []string{"a@b.example"} }, "certificate.other-names"},
		{"an authority", func(i *issue) { i.template.IsCA = true }, "certificate.authority"},
		{"expired", func(i *issue) { i.now = now.Add(8 * day) }, "certificate.time"},
		{"not yet valid", func(i *issue) { i.now = now.Add(-time.Hour) }, "certificate.time"},
		{"longer than asked for", func(i *issue) { i.template.NotAfter = now.Add(8 * day) }, "certificate.time"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			i := &issue{&x509.Certificate{
				Subject: pkix.Name{CommonName: "room"}, BasicConstraintsValid: true, NotBefore: now, NotAfter: now.Add(7 * day),
				DNSNames: []string{"b.example", "a.example"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1), net.IPv6loopback},
			}, roomKey, ca, caKey, now}
			test.change(i)
			cert, err := testpki.Sign(i.template, i.key.Public(), i.parent, i.signer)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := json.Marshal(map[string]string{"cert": string(testpki.PEM(cert))})
			if err != nil {
				t.Fatal(err)
			}
			p := &pendingCertificate{request: request, authority: ca, key: roomKey}
			got, err := p.finish("get", answer, i.now)
			var d *DeniedError
			switch {
			case test.fails == "" && err != nil, test.fails != "" && !errors.As(err, &d):
				t.Fatalf("got %v", err)
			case d == nil:
				if pair, err := got.TLS(); err != nil || len(pair.Certificate) != 2 {
					t.Errorf("pair: %v", err)
				}
				return
			}
			failed := check.Failed(d.Checks)
			if len(failed) != 1 || failed[0].ID != test.fails || failed[0].Remedy == "" {
				t.Errorf("failed %v, want %s", failed, test.fails)
			}
		})
	}
	if len(tests) != 16 {
		t.Errorf("%d cases", len(tests))
	}
}

func TestCertificateRequestRefused(t *testing.T) {
	good := func() CertificateRequest { return CertificateRequest{CommonName: "room"} }
	tests := []struct {
		change func(*CertificateRequest)
		says   string
	}{
		{func(q *CertificateRequest) { q.CommonName = "" }, "common name has 0 bytes"},
		{func(q *CertificateRequest) { q.CommonName = strings.Repeat("n", 65) }, "common name has 65 bytes"},
		{func(q *CertificateRequest) { q.CommonName = "a,O=b" }, `common name "a,O=b"`},
		{func(q *CertificateRequest) { q.CommonName = "a:b" }, `common name "a:b"`},
		{func(q *CertificateRequest) { q.Validity = time.Hour }, "validity 1h0m0s is not 1 to 3650 days"},
		{func(q *CertificateRequest) { q.Validity = -day }, "validity -24h0m0s"},
		{func(q *CertificateRequest) { q.Validity = 3651 * day }, "is not 1 to 3650 days"},
		{func(q *CertificateRequest) { q.DNSNames = []string{"a b"} }, `DNS name "a b"`},
		{func(q *CertificateRequest) { q.DNSNames = []string{""} }, `DNS name ""`},
		{func(q *CertificateRequest) { q.IPAddresses = []netip.Addr{{}} }, "IP address"},
		{func(q *CertificateRequest) { q.IPAddresses = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")} }, "IP address"},
		{func(*CertificateRequest) {}, "names no certificate authority"},
		{func(q *CertificateRequest) { q.CA = []byte("x") }, "no PEM block of type CERTIFICATE"},
	}
	for _, test := range tests {
		q := good()
		test.change(&q)
		if _, err := q.prepare(); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("want %q, got %v", test.says, err)
		}
	}
	if len(tests) != 13 {
		t.Errorf("%d cases", len(tests))
	}
}

func FuzzCAInfo(f *testing.F) {
	status, answer, _, _ := recordedEndorsement(f)
	f.Add([]byte(status))
	f.Add([]byte(answer))
	for _, s := range []string{`{"enabled":false,"proposalIds":[]}`, `{"caCert":"x"}`, `{"caCert":"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"}`, `null`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if info, err := parseCAInfo(b); err == nil && info.CertificatePEM != nil {
			if _, err := parseAuthority(info.CertificatePEM); err != nil {
				t.Errorf("%q: %v", b, err)
			}
		}
		if cert, err := parseEndorsed(b); err == nil && cert == nil {
			t.Errorf("%q: no certificate", b)
		}
	})
}
