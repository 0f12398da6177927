package snpmachine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-sev-guest/verify/testdata"
	"github.com/google/go-sev-guest/verify/trust"
	"github.com/veraison/go-cose"

	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

// machines are made once: their RSA keys are most of the test's time.
var machines = sync.OnceValues(func() ([2]*Machine, error) {
	a, err := New()
	if err != nil {
		return [2]*Machine{}, err
	}
	b, err := New()
	return [2]*Machine{a, b}, err
})

func twoMachines(t *testing.T) (*Machine, *Machine) {
	t.Helper()
	m, err := machines()
	if err != nil {
		t.Fatal(err)
	}
	return m[0], m[1]
}

func attest(t *testing.T, a skr.Attester, data string) *skr.Evidence {
	t.Helper()
	ev, err := a.Attest(context.Background(), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

func TestProductVerifierAcceptsReports(t *testing.T) {
	m, _ := twoMachines(t)
	policy := []byte("package policy\n")
	g := m.Launch(policy)
	ev := attest(t, g, `{"keys":[]}`)
	v, err := snp.NewVerifierWithTestRoots(snp.TestRoots{ARKAndASK: m.ChainPEM(), UVMIssuer: m.UVMIssuer()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := v.Verify(ev)
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(policy); res.Report.HostData != want || g.HostData() != want {
		t.Errorf("host data %x and %x, want %x", res.Report.HostData, g.HostData(), want)
	}
	if digest := sha256.Sum256(ev.RuntimeData); !bytes.Equal(res.Report.ReportData[:], append(digest[:], make([]byte, 32)...)) {
		t.Errorf("report data %x", res.Report.ReportData)
	}
	if res.Report.Debug || res.Report.VMPL != 0 {
		t.Errorf("debug %v, VMPL %d", res.Report.Debug, res.Report.VMPL)
	}
	if err := m.Verify(ev.Report, ev.Certificates, ev.UVMEndorsements); err != nil {
		t.Error(err)
	}
	res, err = v.Verify(attest(t, m.LaunchDebuggable(policy), "{}"))
	if err != nil {
		t.Fatal(err)
	}
	if !res.Report.Debug {
		t.Error("a debuggable guest's report does not admit it")
	}
}

// Trust never crosses over: neither AMD's roots to this machine's reports, nor
// another machine's root.
func TestForeignRootsRefuse(t *testing.T) {
	m, other := twoMachines(t)
	ev := attest(t, m.Launch(nil), "{}")
	if _, err := snp.NewVerifier(nil).Verify(ev); err == nil {
		t.Error("a verifier with AMD's roots accepted an emulated report")
	}
	v, err := snp.NewVerifierWithTestRoots(snp.TestRoots{ARKAndASK: other.ChainPEM()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(ev); err == nil {
		t.Error("a verifier with another machine's root accepted the report")
	}
	if err := other.Verify(ev.Report, ev.Certificates, nil); err == nil {
		t.Error("another machine accepted the report")
	}
	// With the accepting machine's own chain the signature must still fail.
	if err := other.Verify(ev.Report, attest(t, other.Launch(nil), "{}").Certificates, nil); err == nil {
		t.Error("another machine accepted the report under its own chain")
	}
}

// A report of real hardware verifies under AMD's roots and nowhere here.
func TestGenuineReportIsRefused(t *testing.T) {
	m, _ := twoMachines(t)
	vcek := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testdata.VcekBytes})
	ev := &skr.Evidence{Report: testdata.AttestationBytes[:reportSize], Certificates: append(vcek, trust.AskArkMilanVcekBytes...)}
	opts := &snp.VerifierOptions{Now: func() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }}
	if _, err := snp.NewVerifier(opts).VerifyReport(ev.Report, ev.Certificates); err != nil {
		t.Fatalf("the genuine report is not genuine: %v", err)
	}
	v, err := snp.NewVerifierWithTestRoots(snp.TestRoots{ARKAndASK: m.ChainPEM()}, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.VerifyReport(ev.Report, ev.Certificates); err == nil {
		t.Error("a verifier with this machine's root accepted a genuine report")
	}
	if err := m.Verify(ev.Report, ev.Certificates, nil); err == nil {
		t.Error("the machine accepted a genuine report")
	}
	if _, err := snp.NewVerifierWithTestRoots(snp.TestRoots{ARKAndASK: trust.AskArkMilanVcekBytes}, nil); err == nil {
		t.Error("AMD's roots were accepted as test roots")
	}
}

func TestVerifyRefusesEveryChangedField(t *testing.T) {
	m, _ := twoMachines(t)
	ev := attest(t, m.Launch(nil), "{}")
	for name, off := range map[string]int{
		"policy": offPolicy, "report data": offData + 63, "measurement": offMeasure, "host data": offHostData,
		"reported TCB": offReportTCB, "chip id": offChipID, "signature r": offSigR, "signature s": offSigS,
	} {
		report := bytes.Clone(ev.Report)
		report[off] ^= 1
		if err := m.Verify(report, ev.Certificates, nil); err == nil {
			t.Errorf("changed %s was accepted", name)
		}
	}
	for name, args := range map[string][2][]byte{
		"short report":     {ev.Report[:reportSize-1], ev.Certificates},
		"long report":      {append(bytes.Clone(ev.Report), 0), ev.Certificates},
		"no chain":         {ev.Report, nil},
		"chain without CA": {ev.Report, ev.Certificates[:bytes.Index(ev.Certificates, []byte("-----END"))]},
		"CA only":          {ev.Report, m.ChainPEM()},
	} {
		if err := m.Verify(args[0], args[1], nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestEndorsement(t *testing.T) {
	m, other := twoMachines(t)
	ev := attest(t, m.Launch(nil), "{}")
	foreign := attest(t, other.Launch(nil), "{}")
	if !bytes.HasPrefix(ev.UVMEndorsements, []byte{0xd2, 0x84}) {
		t.Errorf("endorsement starts with %x, want a tagged COSE_Sign1", ev.UVMEndorsements[:2])
	}
	elsewhere, err := m.endorser.endorse(make([]byte, measurementSize))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(ev.UVMEndorsements, []byte(`"101"`), []byte(`"102"`), 1)
	for name, uvm := range map[string][]byte{
		"another signer's":      foreign.UVMEndorsements,
		"another measurement's": elsewhere,
		"changed":               changed,
		"truncated":             ev.UVMEndorsements[:len(ev.UVMEndorsements)-1],
		"untagged":              ev.UVMEndorsements[1:],
	} {
		if err := m.Verify(ev.Report, ev.Certificates, uvm); err == nil {
			t.Errorf("%s endorsement was accepted", name)
		}
	}
	msg := cose.NewSign1Message()
	if err := msg.UnmarshalCBOR(ev.UVMEndorsements); err != nil {
		t.Fatal(err)
	}
	if alg, err := msg.Headers.Protected.Algorithm(); err != nil || alg != cose.AlgorithmPS384 {
		t.Errorf("algorithm %v, %v", alg, err)
	}
	if want := hex.EncodeToString(ev.Report[offMeasure : offMeasure+measurementSize]); !strings.Contains(string(msg.Payload), want) {
		t.Errorf("payload %s does not name measurement %s", msg.Payload, want)
	}
}

func TestAttestHonoursContext(t *testing.T) {
	m, _ := twoMachines(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Launch(nil).Attest(ctx, []byte("{}")); err == nil {
		t.Error("a cancelled context was ignored")
	}
}
