package snp

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/testpki"
	"github.com/cleanroom-go/sdk/skr"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestValidate(t *testing.T) {
	c, _ := twoChips(t)
	good := bytes.Repeat([]byte{0xab}, 32)
	tcb := func(n uint64) map[string]uint64 { return map[string]uint64{Milan: n} }
	debug := func(b []byte) { b[offPolicy+2] |= 8 }
	migration := func(b []byte) { b[offPolicy+2] |= 4 }
	vmpl := func(b []byte) { b[offVMPL] = 2 }
	cases := map[string]struct {
		edit func([]byte)
		opts *ValidateOptions
		want string
	}{
		"defaults":          {nil, nil, ""},
		"host data":         {nil, &ValidateOptions{HostData: [][]byte{make([]byte, 32), good}}, ""},
		"measurement":       {nil, &ValidateOptions{Measurements: [][]byte{measurement[:]}}, ""},
		"other host data":   {nil, &ValidateOptions{HostData: [][]byte{make([]byte, 32)}}, "report.host-data"},
		"empty host data":   {nil, &ValidateOptions{HostData: [][]byte{}}, "report.host-data"},
		"other measurement": {nil, &ValidateOptions{Measurements: [][]byte{{1}}}, "report.measurement"},
		"debug":             {debug, nil, "report.debug"},
		"debug allowed":     {debug, &ValidateOptions{AllowDebug: true}, ""},
		"migration":         {migration, nil, "report.migration"},
		"migration allowed": {migration, &ValidateOptions{AllowMigration: true}, ""},
		"vmpl":              {vmpl, &ValidateOptions{MaxVMPL: 1}, "report.vmpl"},
		"vmpl allowed":      {vmpl, &ValidateOptions{MaxVMPL: 2}, ""},
		"guest svn":         {nil, &ValidateOptions{MinGuestSVN: 6}, "report.guest-svn"},
		"tcb":               {nil, &ValidateOptions{MinTCB: tcb(0xdb08000000000003)}, ""},
		"lower tcb":         {nil, &ValidateOptions{MinTCB: tcb(0xda07000000000002)}, ""},
		"higher microcode":  {nil, &ValidateOptions{MinTCB: tcb(0xdc00000000000000)}, "report.minimum-tcb"},
		// A greater number is not a greater TCB.
		"higher boot loader": {nil, &ValidateOptions{MinTCB: tcb(4)}, "report.minimum-tcb"},
		"product not listed": {nil, &ValidateOptions{MinTCB: map[string]uint64{Genoa: 0}}, "report.minimum-tcb"},
		"no product listed":  {nil, &ValidateOptions{MinTCB: map[string]uint64{}}, "report.minimum-tcb"},
		"uvm":                {nil, &ValidateOptions{UVM: &UVMPolicy{}}, ""},
		"uvm svn":            {nil, &ValidateOptions{UVM: &UVMPolicy{MinSVN: 101}}, ""},
		"uvm higher svn":     {nil, &ValidateOptions{UVM: &UVMPolicy{MinSVN: 102}}, "uvm.svn"},
		"uvm other feed":     {nil, &ValidateOptions{UVM: &UVMPolicy{Feed: "ConfAKS-AMD-UVM"}}, "uvm.feed"},
		"uvm of another":     {func(b []byte) { b[offMeasurement] = 0 }, &ValidateOptions{UVM: &UVMPolicy{}}, "uvm.measurement"},
	}
	v := c.verifier(t, nil)
	for name, tc := range cases {
		result, err := v.Verify(&skr.Evidence{Report: c.report(t, nil, tc.edit), Certificates: c.chain, UVMEndorsements: testBuilder().newer(nil)})
		if err != nil {
			t.Fatal(err)
		}
		checks, err := Validate(result, tc.opts)
		want := 8
		if tc.opts != nil && tc.opts.UVM != nil {
			want = 12
		}
		if got := failedIDs(err); got != tc.want || (err == nil) != (tc.want == "") || len(checks) != want {
			t.Errorf("%s: failed %q, want %q, %d checks", name, got, tc.want, len(checks))
		}
	}
	for name, result := range map[string]*Result{
		"nothing": nil, "no report": {Checks: []skr.Check{{ID: "x"}}}, "never verified": {Report: &Report{}},
	} {
		if checks, err := Validate(result, nil); failedIDs(err) != "report.verified" || len(checks) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// documented are the ids of the table in the package's documentation.
func documented(t *testing.T) []string {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range regexp.MustCompile(`(?m)^//\t((?:report|uvm)\.[a-z-]+) +(?:Verify|Validate) +\S`).FindAllStringSubmatch(string(doc), -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// Each documented check can fail, alone, and says so in the same words; and
// there is no other check.
func TestEveryCheckExplainsItself(t *testing.T) {
	c := fixedChip(t)
	other := fixedChip(t)
	other.id[0] = 0xff
	b := testBuilder()
	data := []byte("data")
	raw := func(edit func([]byte)) []byte { return c.report(t, data, edit) }
	good := &skr.Evidence{Report: raw(nil), Certificates: c.chain, RuntimeData: data, UVMEndorsements: b.older(nil)}
	changed := func(edit func(*skr.Evidence)) *skr.Evidence {
		ev := *good
		edit(&ev)
		return &ev
	}
	flip := func(report []byte, off int) []byte {
		report = bytes.Clone(report)
		report[off] ^= 1
		return report
	}
	_, stranger := twoChips(t)
	verifyCases := map[string]*skr.Evidence{
		"report.format":      changed(func(ev *skr.Evidence) { ev.Report = ev.Report[1:] }),
		"report.signing-key": changed(func(ev *skr.Evidence) { ev.Report = raw(func(b []byte) { b[offSigner] = 1 << 2 }) }),
		"report.certificates": changed(func(ev *skr.Evidence) {
			ev.Certificates = testpki.PEM(c.ask, c.ark)
		}),
		// The stranger's VCEK is for the same key, so that only its issuer differs.
		"report.chain":           changed(func(ev *skr.Evidence) { ev.Certificates = testpki.PEM(issuedBy(stranger, c)) }),
		"report.product":         changed(func(ev *skr.Evidence) { ev.Report = raw(func(b []byte) { c.version3(b); b[offModel] = 0x11 }) }),
		"report.signature":       changed(func(ev *skr.Evidence) { ev.Report = flip(ev.Report, offFamilyID) }),
		"report.vcek-extensions": changed(func(ev *skr.Evidence) { ev.Certificates = testpki.PEM(c.issue(c.extensions(c.tcb)[:5])) }),
		"report.tcb":             changed(func(ev *skr.Evidence) { ev.Report = raw(func(b []byte) { b[offReportedTCB+7]-- }) }),
		"report.chip-id":         changed(func(ev *skr.Evidence) { ev.Certificates = testpki.PEM(c.issue(other.extensions(c.tcb))) }),
		"report.runtime-data":    changed(func(ev *skr.Evidence) { ev.RuntimeData = []byte("other data") }),
		"uvm.format":             changed(func(ev *skr.Evidence) { ev.UVMEndorsements = []byte{0xd2, 0x84} }),
		"uvm.issuer": changed(func(ev *skr.Evidence) {
			ev.UVMEndorsements = b.older(func(h header, _ *string) { h["iss"] = "did:x509:other" })
		}),
		"uvm.chain": changed(func(ev *skr.Evidence) {
			ev.UVMEndorsements = b.older(func(h header, _ *string) { h[labelX5Chain] = []any{b.leaf.Raw} })
		}),
		"uvm.signature": changed(func(ev *skr.Evidence) {
			ev.UVMEndorsements = bytes.Replace(ev.UVMEndorsements, []byte(`"101"`), []byte(`"999"`), 1)
		}),
	}
	strict := func(edit func(*ValidateOptions)) *ValidateOptions {
		opts := &ValidateOptions{UVM: &UVMPolicy{MinSVN: 100}}
		edit(opts)
		return opts
	}
	validateCases := map[string]struct {
		ev   *skr.Evidence
		opts *ValidateOptions
	}{
		"report.verified":    {changed(func(ev *skr.Evidence) { ev.RuntimeData = nil }), nil},
		"report.host-data":   {good, strict(func(o *ValidateOptions) { o.HostData = [][]byte{make([]byte, 32)} })},
		"report.measurement": {good, strict(func(o *ValidateOptions) { o.Measurements = [][]byte{make([]byte, 48)} })},
		"report.debug":       {changed(func(ev *skr.Evidence) { ev.Report = raw(func(b []byte) { b[offPolicy+2] |= 8 }) }), nil},
		"report.migration":   {changed(func(ev *skr.Evidence) { ev.Report = raw(func(b []byte) { b[offPolicy+2] |= 4 }) }), nil},
		"report.vmpl":        {changed(func(ev *skr.Evidence) { ev.Report = raw(func(b []byte) { b[offVMPL] = 2 }) }), nil},
		"report.guest-svn":   {good, strict(func(o *ValidateOptions) { o.MinGuestSVN = 6 })},
		"report.minimum-tcb": {good, strict(func(o *ValidateOptions) { o.MinTCB = map[string]uint64{Milan: 0xdc08000000000003} })},
		"uvm.present":        {changed(func(ev *skr.Evidence) { ev.UVMEndorsements = nil }), strict(func(*ValidateOptions) {})},
		"uvm.feed":           {good, strict(func(o *ValidateOptions) { o.UVM.Feed = "another product" })},
		"uvm.svn":            {good, strict(func(o *ValidateOptions) { o.UVM.MinSVN = 102 })},
		"uvm.measurement":    {changed(func(ev *skr.Evidence) { ev.Report = raw(func(b []byte) { b[offMeasurement] = 0 }) }), strict(func(*ValidateOptions) {})},
	}
	v := c.verifier(t, nil)
	if _, err := v.Verify(good); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	explain := func(id string, err error) {
		if failedIDs(err) != id {
			t.Errorf("%s: failed %q: %v", id, failedIDs(err), err)
			return
		}
		texts[id] = strings.ReplaceAll(err.Error(), b.did(), "<the test issuer>")
	}
	for id, ev := range verifyCases {
		result, err := v.Verify(ev)
		if id == "report.format" || id == "report.signing-key" || id == "report.certificates" {
			result, err = v.VerifyReport(ev.Report, ev.Certificates)
		}
		if result == nil {
			t.Fatal("no result")
		}
		explain(id, err)
	}
	for id, tc := range validateCases {
		result, _ := v.Verify(tc.ev)
		_, err := Validate(result, tc.opts)
		explain(id, err)
	}
	ids := documented(t)
	if len(ids) != 26 || !slices.Equal(slices.Sorted(slices.Values(ids)), slices.Sorted(maps.Keys(texts))) {
		t.Errorf("documented: %d %v\nreached: %v", len(ids), ids, slices.Sorted(maps.Keys(texts)))
	}
	var out strings.Builder
	for _, id := range ids {
		out.WriteString(texts[id] + "\n\n")
	}
	const golden = "testdata/explanations.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != out.String() {
		t.Errorf("the explanations have changed; look at them, and run with -update:\n%s", out.String())
	}
}
