package snp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/cleanroom-go/sdk/internal/testpki"
	"github.com/cleanroom-go/sdk/skr"
)

// chip is a processor with a certificate chain of its own.
type chip struct {
	ark, ask, vcek  *x509.Certificate
	arkKey, askKey  *rsa.PrivateKey
	key             *ecdsa.PrivateKey
	tcb             [8]byte
	id              [64]byte
	chain, trustPEM []byte
}

func amdName(cn string) pkix.Name {
	return pkix.Name{Country: []string{"US"}, Province: []string{"CA"}, Locality: []string{"Santa Clara"},
		Organization: []string{"Advanced Micro Devices"}, OrganizationalUnit: []string{"Engineering"}, CommonName: cn}
}

func caTemplate(cn string) *x509.Certificate {
	return &x509.Certificate{Subject: amdName(cn), SignatureAlgorithm: x509.SHA384WithRSAPSS, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		CRLDistributionPoints: []string{"https://kdsintf.amd.com/vcek/v1/Milan/crl"}}
}

func newChip() (*chip, error) {
	c := &chip{tcb: [8]byte{3, 0, 0, 0, 0, 0, 8, 0xdb}} // a microcode level above 0x7f needs a whole DER integer
	for i := range c.id {
		c.id[i] = byte(i + 1)
	}
	var err error
	if c.arkKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	if c.askKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	if c.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		return nil, err
	}
	ark := caTemplate("ARK-Milan")
	if c.ark, err = testpki.Sign(ark, c.arkKey.Public(), ark, c.arkKey); err != nil {
		return nil, err
	}
	if c.ask, err = testpki.Sign(caTemplate("SEV-Milan"), c.askKey.Public(), c.ark, c.arkKey); err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{Subject: amdName("SEV-VCEK"), SignatureAlgorithm: x509.SHA384WithRSAPSS, ExtraExtensions: c.extensions()}
	if c.vcek, err = testpki.Sign(leaf, c.key.Public(), c.ask, c.askKey); err != nil {
		return nil, err
	}
	c.chain = testpki.PEM(c.vcek, c.ask, c.ark)
	c.trustPEM = testpki.PEM(c.ark, c.ask)
	return c, nil
}

func (c *chip) extensions() []pkix.Extension {
	oid := func(arcs ...int) asn1.ObjectIdentifier {
		return append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1}, arcs...)
	}
	der := func(v any, params string) []byte {
		b, err := asn1.MarshalWithParams(v, params)
		if err != nil {
			panic(err)
		}
		return b
	}
	exts := []pkix.Extension{{Id: oid(1), Value: der(0, "")}, {Id: oid(2), Value: der("Milan-B0", "ia5")}, {Id: oid(4), Value: c.id[:]}}
	for i, arc := range []int{1, 2, 4, 5, 6, 7, 3, 8} {
		exts = append(exts, pkix.Extension{Id: oid(3, arc), Value: der(int(c.tcb[i]), "")})
	}
	return exts
}

// report is a signed report; edit changes it before it is signed.
func (c *chip) report(t testing.TB, runtimeData []byte, edit func([]byte)) []byte {
	t.Helper()
	r := make([]byte, ReportSize)
	le := binary.LittleEndian
	le.PutUint32(r[offVersion:], 2)
	le.PutUint32(r[offGuestSVN:], 5)
	le.PutUint64(r[offPolicy:], 1<<17|policySMT|0x1f)
	le.PutUint32(r[52:], 1) // ECDSA P-384 with SHA-384
	for _, off := range []int{offCurrentTCB, offReportedTCB, offCommittedTCB, offLaunchTCB} {
		copy(r[off:], c.tcb[:])
	}
	sum := sha256.Sum256(runtimeData)
	copy(r[offReportData:], sum[:])
	copy(r[offHostData:], bytes.Repeat([]byte{0xab}, 32))
	copy(r[offMeasurement:], bytes.Repeat([]byte{0xcd}, 48))
	copy(r[offChipID:], c.id[:])
	if edit != nil {
		edit(r)
	}
	digest := sha512.Sum384(abi.SignedComponent(r))
	rr, ss, err := ecdsa.Sign(rand.Reader, c.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := abi.SetSignature(rr, ss, r); err != nil {
		t.Fatal(err)
	}
	return r
}

var loadChips = sync.OnceValues(func() (chips [2]*chip, err error) {
	for i := range chips {
		if chips[i], err = newChip(); err != nil {
			return chips, err
		}
	}
	return chips, nil
})

func twoChips(t testing.TB) (*chip, *chip) {
	t.Helper()
	chips, err := loadChips()
	if err != nil {
		t.Fatal(err)
	}
	return chips[0], chips[1]
}

func (c *chip) verifier(t testing.TB, opts *VerifierOptions) *Verifier {
	t.Helper()
	v, err := NewVerifierWithTestRoots(c.trustPEM, opts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func failedIDs(err error) string {
	var denied *skr.DeniedError
	if !errors.As(err, &denied) {
		return ""
	}
	var ids []string
	for _, c := range denied.Checks {
		if !c.OK() {
			ids = append(ids, c.ID)
		}
	}
	return strings.Join(ids, " ")
}

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
	if r.ReportedTCB != 0x7308000000000003 || v.Report.TCB != "7308000000000003" || r.Version != 2 || r.GuestSVN != 2 || r.Debug || r.Migration {
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

func TestVerify(t *testing.T) {
	c, _ := twoChips(t)
	v := c.verifier(t, nil)
	for _, version := range []uint32{2, 3} {
		raw := c.report(t, []byte("data"), func(b []byte) {
			binary.LittleEndian.PutUint32(b, version)
			if version >= 3 {
				copy(b[0x188:], []byte{0x19, 0x01, 0x01})
			}
		})
		result, err := v.Verify(&skr.Evidence{Report: raw, Certificates: c.chain, RuntimeData: []byte("data")})
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if len(result.Checks) != 8 || result.Report.Version != version {
			t.Errorf("version %d: %d checks, want 8: %v", version, len(result.Checks), result.Checks)
		}
	}
}

func TestVerifyRefusals(t *testing.T) {
	c, other := twoChips(t)
	good := c.report(t, []byte("data"), nil)
	changed := func(edit func([]byte)) []byte {
		b := bytes.Clone(good)
		edit(b)
		return b
	}
	flip := func(off int) []byte { return changed(func(b []byte) { b[off] ^= 1 }) }
	signed := func(edit func([]byte)) []byte { return c.report(t, []byte("data"), edit) }
	vcek := testpki.PEM(c.vcek)
	cases := map[string]struct {
		report, chain, runtime []byte
		want                   string
	}{
		"short":              {good[1:], c.chain, []byte("data"), "report.format"},
		"version":            {signed(func(b []byte) { b[0] = 1 }), c.chain, []byte("data"), "report.format"},
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
		"other TCB":          {signed(func(b []byte) { b[offReportedTCB+7]-- }), c.chain, []byte("data"), "report.tcb"},
		"other chip":         {signed(func(b []byte) { b[offChipID]++ }), c.chain, []byte("data"), "report.chip-id"},
		"masked chip":        {signed(func(b []byte) { clear(b[offChipID : offChipID+64]) }), c.chain, []byte("data"), "report.chip-id"},
		"other runtime":      {good, c.chain, []byte("data\n"), "report.runtime-data"},
		"no runtime":         {good, c.chain, nil, "report.runtime-data"},
		"report data's tail": {signed(func(b []byte) { b[offReportData+63] = 1 }), c.chain, []byte("data"), "report.runtime-data"},
		"signature algo":     {signed(func(b []byte) { b[52] = 2 }), c.chain, []byte("data"), ""},
	}
	v := c.verifier(t, nil)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			result, err := v.Verify(&skr.Evidence{Report: tc.report, Certificates: tc.chain, RuntimeData: tc.runtime})
			if err == nil {
				t.Fatal("accepted")
			}
			if got := failedIDs(err); tc.want != "" && got != tc.want {
				t.Errorf("failed checks %q, want %q: %v", got, tc.want, err)
			}
			if len(result.Checks) == 0 {
				t.Error("no checks beside the error")
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

// Trust never crosses over.
func TestRootsStayApart(t *testing.T) {
	c, other := twoChips(t)
	good := c.report(t, []byte("data"), nil)
	if _, err := NewVerifier(nil).VerifyReport(good, c.chain); failedIDs(err) != "report.chain" {
		t.Errorf("AMD's roots and a test report: %v", err)
	}
	if _, err := other.verifier(t, nil).VerifyReport(good, c.chain); failedIDs(err) != "report.chain" {
		t.Errorf("another test root: %v", err)
	}
	for product, pem := range map[string][]byte{"Milan": trust.AskArkMilanVcekBytes, "Genoa": trust.AskArkGenoaVcekBytes, "Turin": trust.AskArkTurinVcekBytes} {
		if _, err := NewVerifierWithTestRoots(pem, nil); err == nil || !strings.Contains(err.Error(), "AMD") {
			t.Errorf("AMD's root of %s as a test root: %v", product, err)
		}
	}
	for name, pem := range map[string][]byte{
		"empty": nil, "ARK only": testpki.PEM(c.ark), "ASK of another": testpki.PEM(c.ark, other.ask),
		"three": append(bytes.Clone(c.trustPEM), testpki.PEM(c.vcek)...), "text": []byte("x"),
	} {
		if _, err := NewVerifierWithTestRoots(pem, nil); err == nil {
			t.Errorf("%s was accepted as roots", name)
		}
	}
	if _, err := NewVerifierWithTestRoots(testpki.PEM(c.ask, c.ark), nil); err != nil {
		t.Errorf("the other order: %v", err)
	}
}

func TestValidate(t *testing.T) {
	c, _ := twoChips(t)
	good := bytes.Repeat([]byte{0xab}, 32)
	cases := map[string]struct {
		edit func([]byte)
		opts *ValidateOptions
		want string
	}{
		"defaults":          {nil, nil, ""},
		"host data":         {nil, &ValidateOptions{HostData: [][]byte{make([]byte, 32), good}}, ""},
		"measurement":       {nil, &ValidateOptions{Measurements: [][]byte{bytes.Repeat([]byte{0xcd}, 48)}}, ""},
		"other host data":   {nil, &ValidateOptions{HostData: [][]byte{make([]byte, 32)}}, "report.host-data"},
		"empty host data":   {nil, &ValidateOptions{HostData: [][]byte{}}, "report.host-data"},
		"other measurement": {nil, &ValidateOptions{Measurements: [][]byte{{1}}}, "report.measurement"},
		"debug":             {func(b []byte) { b[offPolicy+2] |= 8 }, nil, "report.debug"},
		"debug allowed":     {func(b []byte) { b[offPolicy+2] |= 8 }, &ValidateOptions{AllowDebug: true}, ""},
		"vmpl":              {func(b []byte) { b[offVMPL] = 2 }, &ValidateOptions{MaxVMPL: 1}, "report.vmpl"},
		"vmpl allowed":      {func(b []byte) { b[offVMPL] = 2 }, &ValidateOptions{MaxVMPL: 2}, ""},
		"guest svn":         {nil, &ValidateOptions{MinGuestSVN: 6}, "report.guest-svn"},
	}
	for name, tc := range cases {
		r, err := ParseReport(c.report(t, nil, tc.edit))
		if err != nil {
			t.Fatal(err)
		}
		checks, err := Validate(r, tc.opts)
		if got := failedIDs(err); got != tc.want || (err == nil) != (tc.want == "") || len(checks) != 5 {
			t.Errorf("%s: failed %q, want %q, %d checks", name, got, tc.want, len(checks))
		}
	}
}

func FuzzParseReport(f *testing.F) {
	c, _ := twoChips(f)
	f.Add(c.report(f, []byte("data"), nil))
	f.Add(c.report(f, nil, func(b []byte) { b[0] = 3 }))
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
	})
}

func FuzzCertificates(f *testing.F) {
	c, _ := twoChips(f)
	f.Add(c.chain)
	f.Add(c.trustPEM)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	report := c.report(f, nil, nil)
	v := c.verifier(f, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := v.VerifyReport(report, b); err == nil && !bytes.Contains(b, []byte("CERTIFICATE")) {
			t.Fatal("accepted without a certificate")
		}
	})
}
