package snp

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	"github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

const (
	verifyOp = "skr/snp: verify report"
	by       = "this program"
	vcekName = "SEV-VCEK"
	// maxCertificates bounds what is parsed of a chain, whose genuine size is
	// below 10 KiB.
	maxCertificates = 64 << 10
)

var errRefused = errors.New("refused")

// VerifierOptions are the options of a verifier. The zero value is ready.
type VerifierOptions struct {
	// Now is the time at which certificates must be valid; nil means time.Now.
	Now func() time.Time
}

// Verifier says whether evidence is authentic. It may be used by several
// goroutines.
type Verifier struct {
	// roots by product line; nil means AMD's, as go-sev-guest embeds them.
	roots map[string][]*trust.AMDRootCerts
	now   func() time.Time
}

// Result is what a verification found.
type Result struct {
	// Report is nil if it could not be parsed. Of a refused report no field can
	// be believed.
	Report *Report
	// Checks are in order; the last may be a failed one that ended it.
	Checks []skr.Check
}

// NewVerifier makes a verifier that trusts AMD's roots for Milan, Genoa and
// Turin, and nothing else. It never uses the network.
func NewVerifier(opts *VerifierOptions) *Verifier { return &Verifier{now: nowOf(opts)} }

// NewVerifierWithTestRoots makes a verifier that trusts one test chain and
// never AMD's: arkAndASK is the PEM text of its root (CN "ARK-" and the product
// line) and intermediate (CN "SEV-" and the product line), in any order. AMD's
// own root is refused, so that a verifier for tests cannot become one for
// production by the file it is given.
func NewVerifierWithTestRoots(arkAndASK []byte, opts *VerifierOptions) (*Verifier, error) {
	const op = "skr/snp: verifier with test roots"
	certs, err := parseCertificates(arkAndASK)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	var ark, ask *x509.Certificate
	for _, c := range certs {
		switch cn := c.Subject.CommonName; {
		case strings.HasPrefix(cn, "ARK-"):
			ark = c
		case strings.HasPrefix(cn, "SEV-") && c.IsCA:
			ask = c
		}
	}
	if len(certs) != 2 || ark == nil || ask == nil {
		return nil, fmt.Errorf("%s: want exactly one ARK and one ASK certificate, got %d certificates", op, len(certs))
	}
	for _, amd := range trust.DefaultRootCerts {
		if bytes.Equal(amd.ProductCerts.Ark.RawSubjectPublicKeyInfo, ark.RawSubjectPublicKeyInfo) {
			return nil, fmt.Errorf("%s: this is AMD's root; use NewVerifier", op)
		}
	}
	if err := ark.CheckSignatureFrom(ark); err != nil {
		return nil, fmt.Errorf("%s: the ARK is not signed by itself: %w", op, err)
	}
	if err := ask.CheckSignatureFrom(ark); err != nil {
		return nil, fmt.Errorf("%s: the ASK is not signed by the ARK: %w", op, err)
	}
	product := strings.TrimPrefix(ark.Subject.CommonName, "ARK-")
	root := trust.AMDRootCertsProduct(product)
	root.ProductCerts = &trust.ProductCerts{Ark: ark, Ask: ask}
	return &Verifier{roots: map[string][]*trust.AMDRootCerts{product: {root}}, now: nowOf(opts)}, nil
}

func nowOf(opts *VerifierOptions) func() time.Time {
	if opts == nil || opts.Now == nil {
		return time.Now
	}
	return opts.Now
}

// Verify checks the report as [Verifier.VerifyReport] does, and that it is
// bound to exactly the evidence's runtime data: all 64 bytes of REPORT_DATA
// count. The result holds the checks in either case; the error is a
// *skr.DeniedError.
func (v *Verifier) Verify(ev *skr.Evidence) (*Result, error) {
	if ev == nil {
		return &Result{}, errors.New(verifyOp + ": no evidence")
	}
	result := v.verify(ev.Report, ev.Certificates)
	if result.Report != nil {
		var want [64]byte
		sum := sha256.Sum256(ev.RuntimeData)
		copy(want[:], sum[:])
		result.add(check.Equal("report.runtime-data", hex.EncodeToString(want[:]), hex.EncodeToString(result.Report.ReportData[:]),
			"do not trust what came with this report: the guest bound other data"))
	}
	return result, check.Denied(verifyOp, by, result.Checks, nil)
}

// VerifyReport checks the certificate chain to the verifier's root, the
// report's signature by its VCEK, and that the VCEK is that of the report's TCB
// and chip. Whoever uses it must compare ReportData.
func (v *Verifier) VerifyReport(report, certificates []byte) (*Result, error) {
	result := v.verify(report, certificates)
	return result, check.Denied(verifyOp, by, result.Checks, nil)
}

func (v *Verifier) verify(raw, certificates []byte) *Result {
	result := &Result{}
	report, err := ParseReport(raw)
	var proto *sevsnp.Report
	if err == nil {
		proto, err = toProto(report)
	}
	if !result.that("report.format", "an SEV-SNP report", err, "pass the raw report of 1184 bytes") {
		return result
	}
	result.Report = report

	vcek, err := findVCEK(certificates)
	if !result.that("report.certificates", "a certificate "+vcekName, err, "pass VCEK, ASK and ARK as PEM text; confidential ACI gives them in host-amd-cert-base64") {
		return result
	}
	// The library checks chain and signature in one call. Its text for a bad
	// signature is that of the signature's own check, which tells the two apart.
	signatureErr := verify.SnpReportSignature(report.Raw, vcek)
	chainErr := verify.SnpAttestation(&sevsnp.Attestation{
		Report:           proto,
		CertificateChain: &sevsnp.CertificateChain{VcekCert: vcek.Raw},
	}, &verify.Options{DisableCertFetching: true, TrustedRoots: v.roots, Now: v.now()})
	if chainErr != nil && signatureErr != nil && chainErr.Error() == signatureErr.Error() {
		chainErr = nil
	}
	result.that("report.chain", v.rootName(), chainErr, "do not trust this report: no trusted processor vouches for its key")
	result.that("report.signature", "a signature by the VCEK", signatureErr, "do not trust this report: it was changed after it was signed")

	exts, err := kds.VcekCertificateExtensions(vcek)
	if !result.that("report.vcek-extensions", "a TCB and a chip id", err, "pass the VCEK as AMD issued it") {
		return result
	}
	result.add(check.Equal("report.tcb", fmt.Sprintf("%016x", uint64(exts.TCBVersion)), fmt.Sprintf("%016x", report.ReportedTCB),
		"fetch the VCEK of the reported TCB: the platform was updated after these certificates were stored"))
	result.add(check.Equal("report.chip-id", hex.EncodeToString(exts.HWID), hex.EncodeToString(report.ChipID[:]),
		"do not trust this report: the certificate is another processor's"))
	return result
}

// toProto converts for the library, which may panic on what another party sent.
func toProto(r *Report) (_ *sevsnp.Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed report: %v", p)
		}
	}()
	return abi.ReportToProto(r.Raw)
}

func (v *Verifier) rootName() string {
	if v.roots == nil {
		return "a chain to AMD's root"
	}
	return "a chain to the test root, which is not AMD's"
}

func (r *Result) add(c skr.Check) { r.Checks = append(r.Checks, c) }

func (r *Result) that(id, want string, err error, remedy string) bool {
	c := skr.Check{ID: id, Want: want, Got: want}
	if err != nil {
		c.Got, c.Remedy, c.Err = err.Error(), remedy, err
	}
	r.add(c)
	return err == nil
}

// findVCEK finds the processor's certificate in a chain of PEM blocks, wherever
// it stands.
func findVCEK(chain []byte) (*x509.Certificate, error) {
	certs, err := parseCertificates(chain)
	if err != nil {
		return nil, err
	}
	for _, c := range certs {
		if c.Subject.CommonName == vcekName {
			return c, nil
		}
	}
	return nil, fmt.Errorf("none of %d certificates is a VCEK", len(certs))
}

func parseCertificates(chain []byte) ([]*x509.Certificate, error) {
	if len(chain) > maxCertificates {
		return nil, fmt.Errorf("certificates have %d bytes; at most %d are read", len(chain), maxCertificates)
	}
	var certs []*x509.Certificate
	for rest := chain; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a PEM block is %q, want CERTIFICATE", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate")
	}
	return certs, nil
}
