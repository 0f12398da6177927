package snp

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-sev-guest/verify/testdata"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/cleanroom-go/sdk/internal/testpki"
	"github.com/cleanroom-go/sdk/skr"
)

func TestParseVector(t *testing.T) {
	b, err := os.ReadFile("../testdata/keywrap.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Report struct {
			Hex string `json:"hex"`
			TCB string `json:"tcbm_string"`
		} `json:"snp_report_fake"`
		Runtime struct {
			ReportData string `json:"report_data_hex_64_bytes"`
		} `json:"runtime_data"`
		HostData struct {
			Hex string `json:"sha256_hex_lowercase"`
		} `json:"host_data"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(v.Report.Hex)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseReport(raw)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(r.ReportData[:]) != v.Runtime.ReportData || hex.EncodeToString(r.HostData[:]) != v.HostData.Hex {
		t.Error("report data or host data differ")
	}
	if r.ReportedTCB != 0x7308000000000003 || v.Report.TCB != "7308000000000003" || r.Version != 2 || r.GuestSVN != 2 || r.Debug || r.Migration || r.Product != "" {
		t.Errorf("fields: %+v", r)
	}
	raw[0] = 9
	if r.Raw[0] != 2 {
		t.Error("the report shares the caller's bytes")
	}
	if _, err := ParseReport(raw); err == nil {
		t.Error("version 9 was accepted")
	}
	for _, n := range []int{0, ReportSize - 1, ReportSize + 1} {
		if _, err := ParseReport(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were accepted", n)
		}
	}
}

func TestProducts(t *testing.T) {
	for _, c := range []struct {
		family, model byte
		want          string
	}{
		{0x19, 0x01, Milan}, {0x19, 0x0f, Milan}, {0x19, 0x11, Genoa}, {0x19, 0x1f, Genoa}, {0x19, 0xa0, Genoa}, {0x19, 0xaf, Genoa},
		{0x1a, 0x02, Turin}, {0x1a, 0x1f, Turin}, {0x19, 0x20, ""}, {0x19, 0x61, ""}, {0x1a, 0x20, ""}, {0x17, 0x31, ""}, {0, 0, ""},
	} {
		if got := productOf(c.family, c.model); got != c.want {
			t.Errorf("%x %x: %q, want %q", c.family, c.model, got, c.want)
		}
	}
}

// Every product line, in both kinds of report.
func TestVerify(t *testing.T) {
	k := authorityKeys()
	milan, _ := twoChips(t)
	for _, c := range []*chip{milan, newChip(Genoa, 0x19, 0x11, k[0], k[1]), newChip(Turin, 0x1a, 0x02, k[0], k[1])} {
		v := c.verifier(t, nil)
		for version, edit := range map[uint32]func([]byte){2: nil, 3: c.version3} {
			raw := c.report(t, []byte("data"), edit)
			result, err := v.Verify(&skr.Evidence{Report: raw, Certificates: c.chain, RuntimeData: []byte("data"), UVMEndorsements: testBuilder().older(nil)})
			if err != nil {
				t.Fatalf("%s, version %d: %v", c.product, version, err)
			}
			if len(result.Checks) != 14 || result.Report.Version != version || result.Product != c.product || result.UVM == nil {
				t.Errorf("%s, version %d: %d checks, want 14: %v", c.product, version, len(result.Checks), result.Checks)
			}
		}
	}
}

// A report of real hardware, from the test data of go-sev-guest.
func TestGenuineReport(t *testing.T) {
	vcek := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testdata.VcekBytes})
	at := func(year int) *VerifierOptions {
		return &VerifierOptions{Now: func() time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }}
	}
	report := testdata.AttestationBytes[:ReportSize]
	result, err := NewVerifier(at(2024)).VerifyReport(report, vcek)
	if err != nil || result.Product != Milan || len(result.Checks) != 9 {
		t.Fatalf("%v, product %q, %d checks", err, result.Product, len(result.Checks))
	}
	if chain, err := ParseChain(append(vcek, trust.AskArkMilanVcekBytes...)); err != nil || chain.Fits(result.Report) != nil {
		t.Errorf("AMD's chain: %v", err)
	}
	if _, err := NewVerifier(at(2040)).VerifyReport(report, vcek); failedIDs(err) != "report.chain" {
		t.Errorf("after its validity: %v", err)
	}
	for off := 0; off < 672; off += 37 { // a bit of each field
		changed := bytes.Clone(report)
		changed[off] ^= 1
		if _, err := NewVerifier(at(2024)).VerifyReport(changed, vcek); err == nil {
			t.Errorf("a changed bit at %d was accepted", off)
		}
	}
}

func TestVerifyRefusals(t *testing.T) {
	c, other := twoChips(t)
	good := c.report(t, []byte("data"), nil)
	flip := func(off int) []byte {
		b := bytes.Clone(good)
		b[off] ^= 1
		return b
	}
	signed := func(edit func([]byte)) []byte { return c.report(t, []byte("data"), edit) }
	vcek := testpki.PEM(c.vcek)
	lacking := c.issue(c.extensions(c.tcb)[:5])
	cases := map[string]struct {
		report, chain, runtime []byte
		want                   string
	}{
		"short":              {good[1:], c.chain, []byte("data"), "report.format"},
		"version":            {signed(func(b []byte) { b[0] = 1 }), c.chain, []byte("data"), "report.format"},
		"reserved field":     {signed(func(b []byte) { b[offReportedTCB+12] = 1 }), c.chain, []byte("data"), "report.format"},
		"reserved policy":    {signed(func(b []byte) { b[offPolicy+7] = 1 }), c.chain, []byte("data"), "report.format"},
		"VLEK":               {signed(func(b []byte) { b[offSigner] = 1 << 2 }), c.chain, []byte("data"), "report.signing-key report.runtime-data"},
		"no key":             {signed(func(b []byte) { b[offSigner] = 7 << 2 }), c.chain, []byte("data"), "report.signing-key report.runtime-data"},
		"no chain":           {good, nil, []byte("data"), "report.certificates"},
		"authorities only":   {good, c.trustPEM, []byte("data"), "report.certificates"},
		"key in the chain":   {good, bytes.ReplaceAll(vcek, []byte("CERTIFICATE"), []byte("PRIVATE KEY")), []byte("data"), "report.certificates"},
		"huge chain":         {good, bytes.Repeat(c.chain, 100), []byte("data"), "report.certificates"},
		"host data bit":      {flip(offHostData), c.chain, []byte("data"), "report.signature"},
		"policy debug bit":   {flip(offPolicy + 2), c.chain, []byte("data"), "report.signature"},
		"signature bit":      {flip(700), c.chain, []byte("data"), "report.signature"},
		"report data bit":    {flip(offReportData), c.chain, []byte("data"), "report.signature report.runtime-data"},
		"chain of another":   {good, other.chain, []byte("data"), "report.chain report.signature"},
		"report of another":  {other.report(t, []byte("data"), nil), c.chain, []byte("data"), "report.signature"},
		"other product":      {signed(func(b []byte) { c.version3(b); b[offModel] = 0x11 }), c.chain, []byte("data"), "report.product"},
		"unknown product":    {signed(func(b []byte) { c.version3(b); b[offFamily] = 0x17 }), c.chain, []byte("data"), "report.product"},
		"no extensions":      {good, testpki.PEM(lacking), []byte("data"), "report.vcek-extensions"},
		"other TCB":          {signed(func(b []byte) { b[offReportedTCB+7]-- }), c.chain, []byte("data"), "report.tcb"},
		"other chip":         {signed(func(b []byte) { b[offChipID]++ }), c.chain, []byte("data"), "report.chip-id"},
		"masked chip":        {signed(func(b []byte) { clear(b[offChipID : offChipID+64]) }), c.chain, []byte("data"), "report.chip-id"},
		"other runtime":      {good, c.chain, []byte("data\n"), "report.runtime-data"},
		"no runtime":         {good, c.chain, nil, "report.runtime-data"},
		"report data's tail": {signed(func(b []byte) { b[offReportData+63] = 1 }), c.chain, []byte("data"), "report.runtime-data"},
		"signature algo":     {signed(func(b []byte) { b[52] = 2 }), c.chain, []byte("data"), "report.signature"},
	}
	// The list ends where nothing more can be read, but the runtime data is
	// compared with whatever was read.
	v := c.verifier(t, nil)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			result, err := v.Verify(&skr.Evidence{Report: tc.report, Certificates: tc.chain, RuntimeData: tc.runtime})
			if err == nil {
				t.Fatal("accepted")
			}
			want := strings.TrimSuffix(tc.want, " report.runtime-data")
			if got := failedIDs(err); got != tc.want && got != want {
				t.Errorf("failed checks %q, want %q: %v", got, tc.want, err)
			}
			if len(result.Checks) == 0 {
				t.Error("no checks beside the error")
			}
			if _, err := Validate(result, nil); failedIDs(err) != "report.verified" {
				t.Errorf("a refused report was validated: %v", err)
			}
		})
	}
	if _, err := v.Verify(nil); err == nil {
		t.Error("no evidence was accepted")
	}
	if _, err := v.VerifyReport(good, vcek); err != nil {
		t.Errorf("the leaf alone, its issuers being known: %v", err)
	}
	late := c.verifier(t, &VerifierOptions{Now: func() time.Time { return time.Now().AddDate(1, 0, 0) }})
	if _, err := late.VerifyReport(good, c.chain); failedIDs(err) != "report.chain" {
		t.Errorf("expired chain: %v", err)
	}
}

// What a VCEK may hold that is no TCB and no chip.
func TestVCEKExtensions(t *testing.T) {
	c, _ := twoChips(t)
	change := func(at int, value ...byte) []pkix.Extension {
		e := c.extensions(c.tcb)
		e[at].Value = value
		return e
	}
	for name, exts := range map[string][]pkix.Extension{
		"none":             nil,
		"no chip":          append(c.extensions(c.tcb)[:2], c.extensions(c.tcb)[3:]...),
		"short chip":       change(2, 1, 2, 3),
		"level 256":        change(3, 2, 2, 1, 0),
		"negative level":   change(3, 2, 1, 0x80),
		"no integer":       change(3, 4, 1, 0),
		"surplus bytes":    change(3, 2, 1, 0, 0),
		"not minimal":      change(3, 2, 2, 0, 1),
		"empty":            change(3),
		"wrapped too long": change(2, append([]byte{4, 65}, make([]byte, 65)...)...),
	} {
		if f, err := readVCEK(c.issue(exts)); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	wrapped := change(2, append([]byte{4, 64}, c.id[:]...)...)
	if f, err := readVCEK(c.issue(wrapped)); err != nil || !f.ofChip(c.id) || f.tcb != 0xdb08000000000003 {
		t.Errorf("a chip id in an OCTET STRING: %v", err)
	}
	if _, err := readVCEK(c.ask); err == nil {
		t.Error("the ASK is no VCEK")
	}
}

// Trust never crosses over, neither AMD's nor Microsoft's.
func TestRootsStayApart(t *testing.T) {
	c, other := twoChips(t)
	b := testBuilder()
	good := c.report(t, []byte("data"), nil)
	ev := &skr.Evidence{Report: good, Certificates: c.chain, RuntimeData: []byte("data"), UVMEndorsements: b.older(nil)}
	if _, err := NewVerifier(nil).Verify(ev); failedIDs(err) != "report.chain uvm.issuer" {
		t.Errorf("production trust and a test report: %v", err)
	}
	// An endorsement that claims to be Microsoft's is not, under either trust.
	ev.UVMEndorsements = b.older(func(h header, _ *string) { h["iss"] = MicrosoftUVMIssuer })
	if _, err := NewVerifier(nil).Verify(ev); failedIDs(err) != "report.chain uvm.chain" {
		t.Errorf("a forged issuer: %v", err)
	}
	if _, err := c.verifier(t, nil).Verify(ev); failedIDs(err) != "uvm.issuer" {
		t.Errorf("Microsoft's issuer under test trust: %v", err)
	}
	if _, err := other.verifier(t, nil).VerifyReport(good, c.chain); failedIDs(err) != "report.chain" {
		t.Errorf("another test root: %v", err)
	}
	for product, pem := range map[string][]byte{Milan: trust.AskArkMilanVcekBytes, Genoa: trust.AskArkGenoaVcekBytes, Turin: trust.AskArkTurinVcekBytes} {
		if _, err := NewVerifierWithTestRoots(TestRoots{ARKAndASK: pem}, nil); err == nil || !strings.Contains(err.Error(), "AMD") {
			t.Errorf("AMD's root of %s as a test root: %v", product, err)
		}
	}
	if len(amdRoots()) != 3 {
		t.Errorf("%d product lines are embedded, want 3", len(amdRoots()))
	}
	for name, issuer := range map[string]string{
		"Microsoft's": MicrosoftUVMIssuer, "Microsoft's with other usage": strings.TrimSuffix(MicrosoftUVMIssuer, "2") + "5", "no DID": "me",
	} {
		if _, err := NewVerifierWithTestRoots(TestRoots{ARKAndASK: c.trustPEM, UVMIssuer: issuer}, nil); err == nil {
			t.Errorf("issuer %s was accepted as a test's", name)
		}
	}
	for name, pem := range map[string][]byte{
		"empty": nil, "ARK only": testpki.PEM(c.ark), "ASK of another": testpki.PEM(c.ark, other.ask),
		"three": append(bytes.Clone(c.trustPEM), testpki.PEM(c.vcek)...), "text": []byte("x"),
	} {
		if _, err := NewVerifierWithTestRoots(TestRoots{ARKAndASK: pem}, nil); err == nil {
			t.Errorf("%s was accepted as roots", name)
		}
	}
	if _, err := NewVerifierWithTestRoots(TestRoots{ARKAndASK: testpki.PEM(c.ask, c.ark)}, nil); err != nil {
		t.Errorf("the other order: %v", err)
	}
}

// AMD signs a VCEK in one way. Another signature, good in itself, is not its.
func TestVCEKSignatureAlgorithm(t *testing.T) {
	c, _ := twoChips(t)
	report := c.report(t, []byte("data"), nil)
	for algorithm, want := range map[x509.SignatureAlgorithm]string{
		x509.SHA384WithRSAPSS: "", x509.SHA256WithRSAPSS: "report.chain", x509.SHA512WithRSAPSS: "report.chain", x509.SHA384WithRSA: "report.chain", x509.SHA256WithRSA: "report.chain",
	} {
		leaf := &x509.Certificate{Subject: amdName(vcekName), SignatureAlgorithm: algorithm, ExtraExtensions: c.extensions(c.tcb)}
		vcek, err := testpki.Sign(leaf, c.key.Public(), c.ask, c.askKey)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.verifier(t, nil).VerifyReport(report, testpki.PEM(vcek, c.ask, c.ark))
		if got := failedIDs(err); got != want || (err != nil) != (want != "") {
			t.Errorf("%v: failed checks %q, want %q: %v", algorithm, got, want, err)
		}
	}
}
