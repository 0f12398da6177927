package snp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	"github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/validate"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

// VerifierOptions are the options of a verifier. nil works.
type VerifierOptions struct {
	// Now is the time at which certificates must be valid; nil means the
	// clock's.
	Now func() time.Time
}

// Verifier decides whether reports are authentic. It is safe for concurrent
// use.
type Verifier struct {
	now   func() time.Time
	roots map[string][]*trust.AMDRootCerts // nil means AMD's own
}

// NewVerifier trusts AMD's roots and nothing else.
func NewVerifier(opts *VerifierOptions) *Verifier {
	v := &Verifier{now: time.Now}
	if opts != nil && opts.Now != nil {
		v.now = opts.Now
	}
	return v
}

// NewVerifierWithTestRoots trusts the given ASK and ARK, in PEM and in this
// order, and never AMD's. It is for machines that are not made by AMD: those
// of a test.
func NewVerifierWithTestRoots(askAndARK []byte, opts *VerifierOptions) (*Verifier, error) {
	v := NewVerifier(opts)
	root := trust.AMDRootCertsProduct("Milan")
	if err := root.FromKDSCertBytes(askAndARK); err != nil {
		return nil, fmt.Errorf("snp: test roots: %w", err)
	}
	v.roots = map[string][]*trust.AMDRootCerts{"Milan": {root}}
	return v, nil
}

// Result is what a verification found.
type Result struct {
	// Report is nil when the bytes are not a report.
	Report *Report
	// Checks is the ordered list, up to the first that failed.
	Checks []skr.Check
}

// Verify checks signature and chain, that the certificate is the one of the
// report's TCB and chip, and that REPORT_DATA is the SHA-256 of the evidence's
// runtime data followed by 32 zero bytes. The error of a refusal is a
// *skr.DeniedError; the result then holds the checks all the same.
func (v *Verifier) Verify(ev *skr.Evidence) (*Result, error) {
	return v.verify(ev.Report, ev.Certificates, &ev.RuntimeData)
}

// VerifyReport is Verify without the binding to runtime data, for a relying
// party that compares REPORT_DATA by another rule. A report that nothing is
// compared with may belong to anybody.
func (v *Verifier) VerifyReport(report, certificates []byte) (*Result, error) {
	return v.verify(report, certificates, nil)
}

func (v *Verifier) verify(report, certificates []byte, runtimeData *[]byte) (*Result, error) {
	res := &Result{}
	add := func(id, want, got, remedy string, err error) bool {
		c := skr.Check{ID: id, Want: want, Got: got}
		if err != nil {
			c.Remedy, c.Err = remedy, err
			c.Got += ": " + err.Error()
		}
		res.Checks = append(res.Checks, c)
		return err == nil
	}
	denied := func() (*Result, error) {
		return res, check.Denied("snp: verify report", "this program", res.Checks, nil)
	}

	var err error
	res.Report, err = ParseReport(report)
	if !add("report.format", fmt.Sprintf("%d bytes", ReportSize), fmt.Sprintf("%d bytes", len(report)), "pass the raw report, not an encoding of it", err) {
		return denied()
	}
	proto, err := toProto(report)
	if !add("report.fields", "a well-formed report", "the report", "ask the machine for a fresh report", err) {
		return denied()
	}
	vcek, _ := pem.Decode(certificates)
	if vcek == nil || vcek.Type != "CERTIFICATE" {
		add("certificates.format", "PEM of VCEK, ASK and ARK", fmt.Sprintf("%d bytes", len(certificates)), "pass the chain that the host gave", errors.New("no certificate"))
		return denied()
	}
	att := &sevsnp.Attestation{Report: proto, CertificateChain: &sevsnp.CertificateChain{VcekCert: vcek.Bytes}}
	err = verify.SnpAttestation(att, &verify.Options{DisableCertFetching: true, TrustedRoots: v.roots, Now: v.now()})
	if !add("report.signature", "a signature that chains to a trusted root", "the report", "do not trust this machine", err) {
		return denied()
	}
	err = validate.SnpAttestation(att, &validate.Options{
		// What is acceptable is for Validate; here the firmware and chip of
		// the report must be those of its certificate.
		GuestPolicy:               abi.SnpPolicy{SMT: true, MigrateMA: true, Debug: true, SingleSocket: proto.Policy&(1<<20) != 0},
		PermitProvisionalFirmware: true,
		MinimumTCB:                kds.TCBParts{},
	})
	if !add("report.certificate", "the certificate of the report's TCB and chip", "the certificate", "fetch the certificate of the machine's present TCB", err) {
		return denied()
	}
	if runtimeData == nil {
		return res, nil
	}
	digest := sha256.Sum256(*runtimeData)
	want := append(digest[:], make([]byte, 32)...)
	err = nil
	if !bytes.Equal(want, res.Report.ReportData[:]) {
		err = check.ErrMismatch
	}
	add("report.data", hex.EncodeToString(want), hex.EncodeToString(res.Report.ReportData[:]), "the evidence is about other data; attest again", err)
	return denied()
}

// toProto reads a report with the library that verifies it. Bytes of another
// party go in, so a panic inside is an error here.
func toProto(report []byte) (_ *sevsnp.Report, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("snp: malformed report: %v", r)
		}
	}()
	return abi.ReportToProto(report)
}
