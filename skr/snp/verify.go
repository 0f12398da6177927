package snp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-sev-guest/abi"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

const (
	verifyOp = "skr/snp: verify report"
	by       = "this program"
)

var errRefused = errors.New("refused")

// VerifierOptions are the options of a verifier. The zero value is ready.
type VerifierOptions struct {
	// Now is the time at which AMD's certificates must be valid; nil means
	// time.Now.
	Now func() time.Time
}

// Verifier says whether evidence is authentic. It may be used by several
// goroutines.
type Verifier struct {
	roots   map[string]*root // by product line
	issuers []*didX509
	test    bool
	now     func() time.Time
}

// Result is what a verification found.
type Result struct {
	// Report is nil if it could not be parsed. Of a refused report no field can
	// be believed.
	Report *Report
	// Product is the product line under whose root the VCEK was issued; empty if
	// the chain was refused.
	Product string
	// UVM is the endorsement of the utility VM; nil if the evidence has none, or
	// a refused one.
	UVM *UVMEndorsement
	// Checks are in order; the last may be a failed one that ended it.
	Checks []skr.Check
}

// NewVerifier makes a verifier that trusts AMD's roots for Milan, Genoa and
// Turin and Microsoft's issuer of utility VM endorsements, and nothing else. It
// never uses the network.
func NewVerifier(opts *VerifierOptions) *Verifier {
	return &Verifier{roots: amdRoots(), issuers: []*didX509{microsoftUVM}, now: nowOf(opts)}
}

// NewVerifierWithTestRoots makes a verifier that trusts one test chain and one
// test issuer, and never AMD's or Microsoft's: those are refused as test roots,
// so that a verifier for tests cannot become one for production by what it is
// given.
func NewVerifierWithTestRoots(test TestRoots, opts *VerifierOptions) (*Verifier, error) {
	v := &Verifier{test: true, now: nowOf(opts)}
	var err error
	if v.roots, v.issuers, err = test.parse(); err != nil {
		return nil, fmt.Errorf("skr/snp: verifier with test roots: %w", err)
	}
	return v, nil
}

func nowOf(opts *VerifierOptions) func() time.Time {
	if opts == nil || opts.Now == nil {
		return time.Now
	}
	return opts.Now
}

// Verify checks the report as [Verifier.VerifyReport] does, that it is bound to
// exactly the evidence's runtime data (all 64 bytes of REPORT_DATA count), and
// the endorsement of the utility VM if there is one. The result holds the
// checks in either case; the error is a *skr.DeniedError.
func (v *Verifier) Verify(ev *skr.Evidence) (*Result, error) {
	if ev == nil {
		return &Result{}, errors.New(verifyOp + ": no evidence")
	}
	result := v.verify(ev.Report, ev.Certificates)
	if result.Report != nil {
		want := ReportDataFor(ev.RuntimeData)
		result.add(check.Equal("report.runtime-data", hex.EncodeToString(want[:]), hex.EncodeToString(result.Report.ReportData[:]),
			"do not trust what came with this report: the guest bound other data"))
		if len(ev.UVMEndorsements) > 0 {
			v.verifyUVM(result, ev.UVMEndorsements)
		}
	}
	return result, check.Denied(verifyOp, by, result.Checks, nil)
}

// ReportDataFor is the REPORT_DATA that binds runtime data: its SHA-256 and 32
// zero bytes.
func ReportDataFor(runtimeData []byte) (data [64]byte) {
	sum := sha256.Sum256(runtimeData)
	copy(data[:], sum[:])
	return data
}

// VerifyUVM checks the endorsement of a utility VM as [Verifier.Verify] does and
// adds the checks to the result of [Verifier.VerifyReport]. Whether it is for the
// report's measurement is for [Validate].
func (v *Verifier) VerifyUVM(result *Result, endorsement []byte) error {
	n := len(result.Checks)
	v.verifyUVM(result, endorsement)
	return check.Denied("skr/snp: verify endorsement", by, result.Checks[n:], nil)
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
	if err == nil {
		err = checkReserved(raw)
	}
	if !result.that("report.format", "an SEV-SNP report", err, "pass the raw report of 1184 bytes") {
		return result
	}
	result.Report = report
	if !result.add(check.Equal("report.signing-key", "VCEK", signingKeyName(report.SigningKey),
		"have the guest report under its processor's key: a cloud provider's (VLEK) is not verified here")) {
		return result
	}

	vcek, err := findVCEK(certificates)
	if !result.that("report.certificates", "a certificate "+vcekName, err, "pass VCEK, ASK and ARK as PEM text; confidential ACI gives them in host-amd-cert-base64") {
		return result
	}
	product, chainErr := v.verifyChain(vcek)
	if chainErr == nil {
		result.Product = product
	}
	result.that("report.chain", v.rootName(), chainErr, "do not trust this report: no trusted processor vouches for its key")
	named := report.Product
	switch {
	case report.Version < cpuidVersion:
		named = product // an older report does not say
	case named == "":
		named = "an unknown family or model"
	}
	result.add(check.Equal("report.product", product, named, "do not trust this report: the certificate is for another kind of processor"))
	result.that("report.signature", "a signature by the VCEK", verifySignature(report.Raw, vcek), "do not trust this report: it was changed after it was signed")

	facts, err := readVCEK(vcek)
	if !result.that("report.vcek-extensions", "a TCB and a chip id", err, "pass the VCEK as AMD issued it") {
		return result
	}
	result.add(check.Equal("report.tcb", fmt.Sprintf("%016x", facts.tcb), fmt.Sprintf("%016x", report.ReportedTCB),
		"fetch the VCEK of the reported TCB: the platform was updated after these certificates were stored"))
	chip := skr.Check{ID: "report.chip-id", Want: hex.EncodeToString(facts.chipID), Got: hex.EncodeToString(report.ChipID[:])}
	if !facts.ofChip(report.ChipID) {
		chip.Remedy, chip.Err = "do not trust this report: the certificate is another processor's", check.ErrMismatch
	}
	result.add(chip)
	return result
}

// verifyChain verifies a VCEK to the root of the product line that its issuer
// names; the ASK and ARK that came with it are not used.
func (v *Verifier) verifyChain(vcek *x509.Certificate) (product string, err error) {
	product = strings.TrimPrefix(vcek.Issuer.CommonName, askPrefix)
	r, ok := v.roots[product]
	if !ok {
		return shorten(product), fmt.Errorf("issued by %q, of which no root is trusted", shorten(vcek.Issuer.CommonName))
	}
	if vcek.SignatureAlgorithm != x509.SHA384WithRSAPSS {
		return product, fmt.Errorf("signed with %v, want %v", vcek.SignatureAlgorithm, x509.SHA384WithRSAPSS)
	}
	_, err = vcek.Verify(x509.VerifyOptions{
		Roots: r.roots, Intermediates: r.intermediates, CurrentTime: v.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return product, err
}

// verifySignature checks ECDSA P-384 with SHA-384, the only algorithm of the
// firmware ABI, over everything before the signature.
func verifySignature(raw []byte, vcek *x509.Certificate) error {
	key, ok := vcek.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P384() {
		return errors.New("the VCEK has no key on P-384")
	}
	der, err := abi.ReportToSignatureDER(raw)
	if err != nil {
		return err
	}
	return vcek.CheckSignature(x509.ECDSAWithSHA384, abi.SignedComponent(raw), der)
}

// checkReserved sees that reserved fields and bits have their values: a report
// that uses them says more than is understood here. The library may panic on
// what another party sent.
func checkReserved(raw []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed report: %v", p)
		}
	}()
	_, err = abi.ReportToProto(raw)
	return err
}

// verifyUVM appends the checks of an endorsement; what it says is judged by
// [Validate].
func (v *Verifier) verifyUVM(result *Result, endorsement []byte) {
	e, err := parseEndorsement(endorsement)
	if !result.that("uvm.format", "a COSE_Sign1 endorsement", err, "pass the bytes of reference-info-base64, decoded") {
		return
	}
	var issuer *didX509
	wanted := make([]string, len(v.issuers))
	for i, known := range v.issuers {
		wanted[i] = known.text
		if e.Issuer == known.text {
			issuer = known
		}
	}
	if !result.add(condition("uvm.issuer", orNone(strings.Join(wanted, " or ")), shorten(e.Issuer), issuer != nil,
		"do not trust this utility VM: somebody else endorsed it")) {
		return
	}
	leaf, err := issuer.resolve(e.chain)
	if !result.that("uvm.chain", "a chain to the issuer's authority", err, "do not trust this utility VM: the issuer did not sign its endorsement") {
		return
	}
	if result.that("uvm.signature", "a signature by the issuer", e.verifySignature(leaf.PublicKey), "do not trust this utility VM: its endorsement was changed") {
		result.UVM = &e.UVMEndorsement
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func signingKeyName(k uint8) string {
	switch k {
	case 0:
		return "VCEK"
	case 1:
		return "VLEK"
	case 7:
		return "none"
	}
	return fmt.Sprintf("reserved %d", k)
}

func (v *Verifier) rootName() string {
	if !v.test {
		return "a chain to AMD's root"
	}
	return "a chain to the test root, which is not AMD's"
}

func (r *Result) add(c skr.Check) bool {
	r.Checks = append(r.Checks, c)
	return c.OK()
}

func (r *Result) that(id, want string, err error, remedy string) bool {
	c := skr.Check{ID: id, Want: want, Got: want}
	if err != nil {
		c.Got, c.Remedy, c.Err = shorten(err.Error()), remedy, err
	}
	return r.add(c)
}
