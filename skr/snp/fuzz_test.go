package snp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-sev-guest/verify/testdata"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/cleanroom-go/sdk/skr"
)

func FuzzParseReport(f *testing.F) {
	c, _ := twoChips(f)
	f.Add(c.report(f, []byte("data"), nil))
	f.Add(c.report(f, nil, c.version3))
	f.Add(testdata.AttestationBytes)
	f.Add(make([]byte, ReportSize))
	v := c.verifier(f, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseReport(b)
		if err == nil && !bytes.Equal(r.Raw, b) {
			t.Fatal("raw differs")
		}
		result, err := v.Verify(&skr.Evidence{Report: b, Certificates: c.chain, RuntimeData: []byte("no seed has this")})
		if err == nil || len(result.Checks) == 0 {
			t.Fatal("accepted, or refused without a check")
		}
		if _, err := Validate(result, &ValidateOptions{UVM: &UVMPolicy{}}); failedIDs(err) != "report.verified" {
			t.Fatalf("validated: %v", err)
		}
		if r != nil {
			_ = AMDURL(r, Turin)
		}
	})
}

// certTable is a certificate table with one entry.
func certTable(der []byte) []byte {
	head := make([]byte, 48)
	copy(head, "0123456789abcdef")
	binary.LittleEndian.PutUint32(head[16:], uint32(len(head)))
	binary.LittleEndian.PutUint32(head[20:], uint32(len(der)))
	return append(head, der...)
}

// Certificates in every form: whatever is made of them, it is consistent.
func FuzzCertificates(f *testing.F) {
	c, _ := twoChips(f)
	for _, seed := range [][]byte{
		c.chain, c.trustPEM, c.vcek.Raw, testdata.VcekBytes, trust.AskArkMilanVcekBytes, []byte(base64Lines(c.chain)), c.hostDocument(nil),
		[]byte(base64Lines(c.hostDocument(nil))), certTable(c.vcek.Raw), certTable(testdata.VcekBytes), make([]byte, 24), bytes.Repeat([]byte{0xff}, 48),
		[]byte(`{"tcbm":"7308000000000003"}`), []byte(`{"tcbm":"0x7308000000000003","vcekCert":1}`),
		[]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
	} {
		f.Add(seed)
	}
	raw := c.report(f, nil, nil)
	report, err := ParseReport(raw)
	if err != nil {
		f.Fatal(err)
	}
	v := c.verifier(f, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		if result, err := v.VerifyReport(raw, b); err == nil && !bytes.Contains(b, []byte("CERTIFICATE")) || len(result.Checks) == 0 {
			t.Fatal("accepted without a certificate, or no check")
		}
		chain, err := ParseChain(b)
		if err != nil {
			return
		}
		_ = chain.Fits(report)
		again, err := ParseChain(chain.PEM())
		if err != nil || again.TCB() != chain.TCB() || again.Product() != chain.Product() {
			t.Fatalf("its own text is read as another: %v", err)
		}
	})
}

// An endorsement never verifies but as one of the builder's.
func FuzzEndorsement(f *testing.F) {
	c, _ := twoChips(f)
	b := testBuilder()
	f.Add(b.older(nil))
	f.Add(b.newer(nil))
	f.Add(b.older(func(_ header, p *string) { *p = strings.Replace(*p, `"101"`, "101", 1) }))
	f.Add([]byte{0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0, 0x40, 0x40})
	raw := c.report(f, nil, nil)
	v := c.verifier(f, nil)
	f.Fuzz(func(t *testing.T, uvm []byte) {
		result, err := v.VerifyReport(raw, c.chain)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.VerifyUVM(result, uvm); (err == nil) != (result.UVM != nil) {
			t.Fatalf("%v, endorsement %v", err, result.UVM)
		}
		if result.UVM != nil && (result.UVM.Issuer != b.did() || result.UVM.Measurement != measurement) {
			t.Fatalf("verified what was never signed: %+v", result.UVM)
		}
		if e, err := parseEndorsement(uvm); err == nil && len(e.chain) > 0 {
			_ = e.verifySignature(e.chain[0].PublicKey)
			_, _ = b.anyIssuer().resolve(e.chain)
		}
	})
}

func (b *builder) anyIssuer() *didX509 { return must(parseDIDX509(b.did())) }

// answers is a service whose every answer is the same two bodies.
type answers struct{ first, second []byte }

func (a *answers) Do(req *http.Request) (*http.Response, error) {
	body := a.first
	if strings.HasSuffix(req.URL.Path, "/cert_chain") {
		body = a.second
	}
	return &http.Response{StatusCode: http.StatusOK, Request: req, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
}

// Whatever the services answer, what comes back fits the report.
func FuzzServiceAnswers(f *testing.F) {
	c, other := twoChips(f)
	f.Add(c.vcek.Raw, c.trustPEM)
	f.Add(c.chain, []byte{})
	f.Add(c.hostDocument(nil), []byte{})
	f.Add(other.vcek.Raw, c.trustPEM)
	f.Add(testdata.VcekBytes, trust.AskArkMilanVcekBytes)
	f.Add([]byte(base64.StdEncoding.EncodeToString(c.chain)), []byte("null"))
	report, err := ParseReport(c.report(f, nil, nil))
	if err != nil {
		f.Fatal(err)
	}
	service := &answers{}
	opts := &ServiceOptions{ClientOptions: azcore.ClientOptions{Transport: service, Retry: policy.RetryOptions{MaxRetries: -1}}}
	var sources []ChainSource
	for _, open := range []func(*ServiceOptions) (ChainSource, error){THIMChain, AMDChain, AzureCacheChain} {
		source, err := open(opts)
		if err != nil {
			f.Fatal(err)
		}
		sources = append(sources, source)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		service.first, service.second = first, second
		for _, source := range sources {
			if chain, err := source.Chain(context.Background(), report); err == nil && (chain.Fits(report) != nil || chain.ASK == nil) {
				t.Fatal("a chain that does not fit")
			}
		}
	})
}
