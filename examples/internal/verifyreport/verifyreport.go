// Package verifyreport judges a report that was captured somewhere, with what
// was captured beside it, and prints every check.
package verifyreport

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/terminal"
	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

// ErrRefused is the result of a report that failed a check; the output says
// which.
var ErrRefused = errors.New("verifyreport: refused")

// maxFile bounds a file; a policy is the largest of them.
const maxFile = 4 << 20

// Options are for tests alone: no flag can choose another trust than AMD's and
// Microsoft's.
type Options struct {
	// NewVerifier makes the verifier; nil means snp.NewVerifier.
	NewVerifier func(*snp.VerifierOptions) *snp.Verifier
}

// arguments are the flags.
type arguments struct {
	context, report, certificates, endorsements, policy, runtimeData string

	reportData []byte
	at         time.Time
	validate   snp.ValidateOptions
	minSVN     *uint64
	json       bool
}

func parse(args []string, out io.Writer) (*arguments, error) {
	a := &arguments{}
	flags := flag.NewFlagSet("verifyreport", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is told once, by the error
	flags.StringVar(&a.report, "report", "", "`file` of the report, raw, hex or base64, perhaps with a table of certificates; required")
	flags.StringVar(&a.context, "context", "", "`directory` of a container group's security context")
	flags.StringVar(&a.certificates, "certificates", "", "`file` of certificates: PEM, DER, THIM's JSON or its base64")
	flags.StringVar(&a.endorsements, "endorsements", "", "`file` of the utility VM's endorsement: COSE_Sign1 or its base64")
	flags.StringVar(&a.policy, "policy", "", "`file` of the policy in base64, whose SHA-256 must be the host data; these three are else those of -context")
	flags.StringVar(&a.runtimeData, "runtime-data", "", "`file` whose SHA-256 must be the report data, byte for byte")
	flags.Func("report-data", "the 64 bytes of report data in `hex`, in place of -runtime-data", func(s string) (err error) {
		a.reportData, err = fixed(s, 64)
		return err
	})
	flags.Func("host-data", "acceptable host data, 32 bytes in `hex`; may be repeated", func(s string) error {
		b, err := fixed(s, 32)
		a.validate.HostData = append(a.validate.HostData, b)
		return err
	})
	flags.Func("minimum-svn", "lowest `number` of the utility VM's version; needs its endorsement", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 64)
		a.minSVN = &n
		return err
	})
	flags.Func("minimum-tcb", "lowest TCB of a product line, `Line=hex`; may be repeated; other lines are refused", func(s string) error {
		line, text, _ := strings.Cut(s, "=")
		n, err := strconv.ParseUint(text, 16, 64)
		if a.validate.MinTCB == nil {
			a.validate.MinTCB = map[string]uint64{}
		}
		a.validate.MinTCB[line] = n
		return err
	})
	flags.Func("time", "`time` of validity, as 2026-01-31T12:00:00Z (default now)", func(s string) (err error) {
		a.at, err = time.Parse(time.RFC3339, s)
		return err
	})
	flags.BoolVar(&a.validate.AllowDebug, "allow-debug", false, "accept a guest whose memory the host can read")
	flags.BoolVar(&a.validate.AllowMigration, "allow-migration", false, "accept a guest that a migration agent may move")
	flags.BoolVar(&a.json, "json", false, "print the result as one JSON document")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(out, "usage: verifyreport -report file [flags]\n\nJudges a captured SEV-SNP report offline.")
		terminal.Flags(out, flags)
		fmt.Fprintln(out, "exit codes: 0 accepted, 1 a file could not be read, 2 usage, 3 refused")
		return nil, err
	} else if err != nil {
		return nil, usage(err.Error())
	}
	switch {
	case flags.NArg() > 0:
		return nil, usage(fmt.Sprintf("%q is no flag", flags.Arg(0)))
	case a.report == "":
		return nil, usage("-report is missing")
	case a.runtimeData != "" && a.reportData != nil:
		return nil, usage("-runtime-data and -report-data exclude each other")
	}
	return a, nil
}

func usage(text string) error {
	return &party.UsageError{Err: fmt.Errorf("verifyreport: %s; verifyreport -h lists the flags", text)}
}

func fixed(s string, n int) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err == nil && len(b) != n {
		err = fmt.Errorf("%d bytes, want %d", len(b), n)
	}
	return b, err
}

// evidence is what the files hold. What is nil was not given.
type evidence struct {
	report, certificates, endorsements, policy, runtimeData []byte
}

func (a *arguments) read() (*evidence, error) {
	e := &evidence{}
	if a.context != "" {
		c, err := snp.ReadSecurityContext(&snp.SecurityContextOptions{Dir: a.context, Getenv: func(string) string { return "" }})
		if err != nil {
			return nil, err
		}
		e.certificates, e.endorsements = c.HostCertificates, c.UVMEndorsements
		if a.validate.HostData == nil {
			e.policy = c.Policy
		}
	}
	for _, f := range []struct {
		name   string
		to     *[]byte
		decode func([]byte) []byte
	}{
		{a.report, &e.report, func(b []byte) []byte { return textual(b, isReport) }},
		{a.certificates, &e.certificates, nil},
		{a.endorsements, &e.endorsements, func(b []byte) []byte { return textual(b, isCOSE) }},
		{a.policy, &e.policy, func(b []byte) []byte { return textual(b, func([]byte) bool { return false }) }},
		{a.runtimeData, &e.runtimeData, nil},
	} {
		if f.name == "" {
			continue
		}
		b, err := readFile(f.name)
		if err != nil {
			return nil, fmt.Errorf("verifyreport: %w", err)
		}
		if f.decode != nil {
			b = f.decode(b)
		}
		*f.to = b
	}
	// The device returns the certificate table behind the report.
	if len(e.report) > snp.ReportSize {
		if e.certificates == nil {
			e.certificates = e.report[snp.ReportSize:]
		}
		e.report = e.report[:snp.ReportSize]
	}
	if e.certificates != nil {
		chain, err := snp.ParseChain(e.certificates)
		if err != nil {
			return nil, fmt.Errorf("verifyreport: %w", err)
		}
		e.certificates = chain.PEM()
	}
	return e, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes", name, maxFile)
	}
	return b, err
}

// A report begins with its version, an endorsement with COSE_Sign1's tag; no
// text does.
func isReport(b []byte) bool { return len(b) > 4 && b[1] == 0 && b[2] == 0 && b[3] == 0 }
func isCOSE(b []byte) bool   { return bytes.HasPrefix(b, []byte{0xd2}) }

// textual decodes hex or base64 unless the bytes are what is looked for.
func textual(b []byte, already func([]byte) bool) []byte {
	if already(b) {
		return b
	}
	text := strings.Join(strings.Fields(string(b)), "")
	if d, err := hex.DecodeString(text); err == nil {
		return d
	}
	if d, err := base64.StdEncoding.DecodeString(text); err == nil {
		return d
	}
	return b
}

// Main runs the program and gives its exit code: 0 accepted, 1 a file could not
// be read, 2 wrong use, 3 refused.
func Main(args []string, out, problems io.Writer, opts *Options) int {
	err := Run(args, out, opts)
	switch {
	case errors.Is(err, ErrRefused):
		return 3
	case err != nil && !errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(problems, err)
	}
	return party.ExitCode(err)
}

// Run is the program. It returns [ErrRefused] when the report was read and
// refused.
func Run(args []string, out io.Writer, opts *Options) error {
	a, err := parse(args, out)
	if err != nil {
		return err
	}
	e, err := a.read()
	if err != nil {
		return err
	}
	options := &snp.VerifierOptions{}
	if !a.at.IsZero() {
		options.Now = func() time.Time { return a.at }
	}
	newVerifier := snp.NewVerifier
	if opts != nil && opts.NewVerifier != nil {
		newVerifier = opts.NewVerifier
	}
	p := &printer{out: out, json: a.json}
	result := a.verify(p, newVerifier(options), e)
	a.validation(p, result, e)
	return p.verdict()
}

// verify prints the checks of authenticity.
func (a *arguments) verify(p *printer, v *snp.Verifier, e *evidence) *snp.Result {
	// Refusals are in the checks; each is printed.
	result, _ := v.VerifyReport(e.report, e.certificates)
	if r := result.Report; r != nil {
		p.report(r)
		if e.certificates == nil {
			p.line("note: no certificates were given; AMD hands out this report's at %s", snp.AMDURL(r, ""))
		}
		want := a.reportData
		if a.runtimeData != "" {
			data := snp.ReportDataFor(e.runtimeData)
			want = data[:]
		}
		if want != nil {
			result.Checks = append(result.Checks, equal("report.runtime-data", want, r.ReportData[:], "do not trust what came with this report: the guest bound other data"))
		} else {
			p.line("note: neither -runtime-data nor -report-data was given: what the guest bound was not compared")
		}
		if e.endorsements != nil {
			_ = v.VerifyUVM(result, e.endorsements)
		}
	}
	p.line("is it authentic?")
	p.checks(result.Checks)
	return result
}

// validation prints the checks of acceptability.
func (a *arguments) validation(p *printer, result *snp.Result, e *evidence) {
	opts := a.validate
	if e.policy != nil {
		digest := sha256.Sum256(e.policy)
		opts.HostData = append(opts.HostData, digest[:])
	}
	if opts.HostData == nil {
		p.line("note: neither -policy nor -host-data was given: any security policy is accepted")
	}
	if e.endorsements != nil || a.minSVN != nil {
		opts.UVM = &snp.UVMPolicy{}
		if a.minSVN != nil {
			opts.UVM.MinSVN = *a.minSVN
		}
	}
	checks, _ := snp.Validate(result, &opts)
	p.line("is it acceptable?")
	p.checks(checks)
}

func equal(id string, want, got []byte, remedy string) skr.Check {
	c := skr.Check{ID: id, Want: hex.EncodeToString(want), Got: hex.EncodeToString(got)}
	if !bytes.Equal(want, got) {
		c.Remedy, c.Err = remedy, errors.New("values differ")
	}
	return c
}
