package verifyreport_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-sev-guest/verify/testdata"

	"github.com/cleanroom-go/sdk/examples/internal/verifyreport"
	"github.com/cleanroom-go/sdk/internal/emulator/amdcerts"
	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

const policy = "package policy\n"

// capture is what somebody brought home from a container group.
type capture struct {
	machine *snpmachine.Machine
	ev      *skr.Evidence
	dir     string
}

func newCapture(t *testing.T) *capture {
	t.Helper()
	m, err := snpmachine.New()
	if err != nil {
		t.Fatal(err)
	}
	c := &capture{machine: m, dir: t.TempDir()}
	if c.ev, err = m.Launch([]byte(policy)).Attest(t.Context(), []byte(`{"keys":[]}`)); err != nil {
		t.Fatal(err)
	}
	doc, err := json.Marshal(amdcerts.HostDocument(m, m.TCB()))
	if err != nil {
		t.Fatal(err)
	}
	c.file(t, "host-amd-cert-base64", text(doc))
	c.file(t, "reference-info-base64", text(c.ev.UVMEndorsements))
	c.file(t, "security-policy-base64", text([]byte(policy)))
	c.file(t, "runtime.json", c.ev.RuntimeData)
	c.file(t, "report.bin", c.ev.Report)
	return c
}

func text(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b) + "\n") }

func (c *capture) file(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// test trusts the machine, as no flag can.
func (c *capture) test(t *testing.T) *verifyreport.Options {
	return &verifyreport.Options{NewVerifier: func(opts *snp.VerifierOptions) *snp.Verifier {
		v, err := snp.NewVerifierWithTestRoots(snp.TestRoots{ARKAndASK: c.machine.ChainPEM(), UVMIssuer: c.machine.UVMIssuer()}, opts)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}}
}

// run gives exit code, output and errors.
func run(opts *verifyreport.Options, args ...string) (int, string, string) {
	var out, problems bytes.Buffer
	code := verifyreport.Main(args, &out, &problems, opts)
	return code, out.String(), problems.String()
}

func TestCapture(t *testing.T) {
	c := newCapture(t)
	trust := c.test(t)
	all := []string{"-context", c.dir, "-report", filepath.Join(c.dir, "report.bin"), "-runtime-data", filepath.Join(c.dir, "runtime.json"), "-minimum-svn", "101"}
	code, out, problems := run(trust, all...)
	if code != 0 || problems != "" || !strings.Contains(out, "accepted: all 26 checks passed") || strings.Contains(out, "note:") {
		t.Fatalf("%d %s\n%s", code, problems, out)
	}
	with := func(more ...string) []string { return append(append([]string{}, all...), more...) }
	for name, args := range map[string][]string{
		"minimum TCB":  with("-minimum-tcb", "Milan=db18000000000004"),
		"host data":    with("-host-data", hex.EncodeToString(make([]byte, 32)), "-host-data", hex.EncodeToString(c.ev.Report[192:224])),
		"hex":          with("-report", c.file(t, "report.hex", []byte(hex.EncodeToString(c.ev.Report)+"\n"))),
		"base64":       with("-report", c.file(t, "report.b64", text(c.ev.Report))),
		"PEM":          with("-certificates", c.file(t, "chain.pem", c.ev.Certificates)),
		"DER":          with("-certificates", c.file(t, "vcek.der", c.machine.VCEK(c.machine.TCB()).Raw)),
		"COSE":         with("-endorsements", c.file(t, "uvm.cose", c.ev.UVMEndorsements)),
		"other policy": with("-policy", filepath.Join(c.dir, "security-policy-base64")),
		"table":        {"-report", c.file(t, "extended.bin", append(bytes.Clone(c.ev.Report), table(c.machine.VCEK(c.machine.TCB()).Raw)...))},
	} {
		if code, out, problems := run(trust, args...); code != 0 {
			t.Errorf("%s: %d %s\n%s", name, code, problems, out)
		}
	}
	// Without the runtime data the output says what was not compared.
	if code, out, _ := run(trust, "-report", filepath.Join(c.dir, "report.bin"), "-certificates", filepath.Join(c.dir, "chain.pem")); code != 0 || strings.Count(out, "note:") != 2 {
		t.Errorf("%d\n%s", code, out)
	}
	changed := bytes.Clone(c.ev.Report)
	changed[700] ^= 1
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"changed report":     {with("-report", c.file(t, "changed.bin", changed)), "report.signature"},
		"cut report":         {with("-report", c.file(t, "cut.bin", c.ev.Report[:1000])), "report.format"},
		"other data":         {with("-runtime-data", c.file(t, "other.json", []byte("{}"))), "report.runtime-data"},
		"other host data":    {with("-host-data", hex.EncodeToString(make([]byte, 32))), "report.host-data"},
		"other policy":       {with("-policy", c.file(t, "policy", text([]byte("package x")))), "report.host-data"},
		"higher TCB":         {with("-minimum-tcb", "Milan=dc00000000000000"), "report.minimum-tcb"},
		"other product":      {with("-minimum-tcb", "Genoa=0"), "report.minimum-tcb"},
		"higher SVN":         {with("-minimum-svn", "102"), "uvm.svn"},
		"changed endorsed":   {with("-endorsements", c.file(t, "bad.cose", bytes.Replace(c.ev.UVMEndorsements, []byte(`"101"`), []byte(`"102"`), 1))), "uvm.signature"},
		"before its time":    {with("-time", "2020-01-01T00:00:00Z"), "report.chain"},
		"no certificates":    {[]string{"-report", filepath.Join(c.dir, "report.bin")}, "report.certificates"},
		"no endorsement":     {[]string{"-report", filepath.Join(c.dir, "extended.bin"), "-minimum-svn", "1"}, "uvm.present"},
		"report data's tail": {[]string{"-report", filepath.Join(c.dir, "extended.bin"), "-report-data", hex.EncodeToString(append(bytes.Clone(c.ev.Report[80:143]), 1))}, "report.runtime-data"},
	} {
		code, out, problems := run(trust, tc.args...)
		if code != 3 || problems != "" || !strings.Contains(out, "FAILED  "+tc.want+":") || !strings.Contains(out, "refused: ") {
			t.Errorf("%s: %d %s\n%s", name, code, problems, out)
		}
	}
	// Nothing of the emulator passes in production, whatever the flags.
	code, out, _ = run(nil, all...)
	for _, want := range []string{"FAILED  report.chain: wanted a chain to AMD's root", "FAILED  uvm.issuer: wanted " + snp.MicrosoftUVMIssuer, "FAILED  report.verified"} {
		if code != 3 || !strings.Contains(out, want) {
			t.Errorf("production: %d, no %q in\n%s", code, want, out)
		}
	}
	if _, help, _ := run(nil, "-h"); strings.Contains(help, "root") || strings.Contains(help, "trust") {
		t.Errorf("a flag chooses trust:\n%s", help)
	}
}

// table is the certificate table of an extended report with one entry.
func table(der []byte) []byte {
	head := make([]byte, 48)
	copy(head, "0123456789abcdef")
	binary.LittleEndian.PutUint32(head[16:], uint32(len(head)))
	binary.LittleEndian.PutUint32(head[20:], uint32(len(der)))
	return append(head, der...)
}

// A report of real hardware, from the test data of go-sev-guest. Its guest was
// launched for debugging, of which the flags decide.
func TestGenuineReport(t *testing.T) {
	c := &capture{dir: t.TempDir()}
	args := []string{"-time", "2024-01-01T00:00:00Z", "-report", c.file(t, "r", testdata.AttestationBytes), "-certificates", c.file(t, "c", testdata.VcekBytes)}
	if code, out, problems := run(nil, append(args, "-allow-debug")...); code != 0 {
		t.Errorf("%d %s\n%s", code, problems, out)
	}
	if code, out, _ := run(nil, args...); code != 3 || !strings.Contains(out, "FAILED  report.debug") || !strings.Contains(out, "refused: 1 of 17") {
		t.Errorf("%d\n%s", code, out)
	}
}

// TestJSON: one document, and nothing else.
func TestJSON(t *testing.T) {
	c := newCapture(t)
	args := []string{"-json", "-context", c.dir, "-report", filepath.Join(c.dir, "report.bin")}
	for _, refused := range []bool{false, true} {
		if refused {
			args = append(args, "-host-data", strings.Repeat("00", 32))
		}
		code, out, problems := run(c.test(t), args...)
		var result struct {
			Accepted bool
			Report   struct{ HostData string }
			Checks   []struct {
				ID     string
				Passed bool
			}
		}
		if err := json.Unmarshal([]byte(out), &result); err != nil || problems != "" || strings.Count(out, "\n") != 1 {
			t.Fatalf("%v, %q\n%s", err, problems, out)
		}
		if result.Accepted == refused || (code == 3) != refused || len(result.Report.HostData) != 64 || len(result.Checks) < 20 {
			t.Errorf("exit code %d: %+v", code, result)
		}
	}
}

func TestWrongUse(t *testing.T) {
	c := newCapture(t)
	report := filepath.Join(c.dir, "report.bin")
	for name, tc := range map[string]struct {
		args []string
		code int
	}{
		"nothing":         {nil, 2},
		"unknown flag":    {[]string{"-report", report, "-insecure"}, 2},
		"argument":        {[]string{"-report", report, "x"}, 2},
		"both data":       {[]string{"-report", report, "-runtime-data", report, "-report-data", strings.Repeat("00", 64)}, 2},
		"short data":      {[]string{"-report", report, "-report-data", "00"}, 2},
		"host data":       {[]string{"-report", report, "-host-data", "zz"}, 2},
		"svn":             {[]string{"-report", report, "-minimum-svn", "-1"}, 2},
		"tcb":             {[]string{"-report", report, "-minimum-tcb", "Milan"}, 2},
		"time":            {[]string{"-report", report, "-time", "yesterday"}, 2},
		"no file":         {[]string{"-report", filepath.Join(c.dir, "none")}, 1},
		"no certificates": {[]string{"-report", report, "-certificates", report}, 1},
		"huge":            {[]string{"-report", c.file(t, "huge", make([]byte, 5<<20))}, 1},
		"bad context":     {[]string{"-report", report, "-context", filepath.Dir(c.file(t, "reference-info-base64", []byte("!")))}, 1},
		"help":            {[]string{"-h"}, 0},
	} {
		if code, out, problems := run(nil, tc.args...); code != tc.code || (code == 0) != (problems == "") || strings.Count(problems, "\n") > 1 {
			t.Errorf("%s: %d, %q\n%s", name, code, problems, out)
		}
	}
	if err := verifyreport.Run([]string{"-report", report}, broken{}, nil); err == nil || errors.Is(err, verifyreport.ErrRefused) {
		t.Errorf("an output that fails: %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no room") }
