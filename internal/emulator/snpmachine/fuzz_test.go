package snpmachine

import (
	"bytes"
	"context"
	"testing"
)

// Nothing but what the machine signed is ever accepted.
func FuzzVerify(f *testing.F) {
	m, err := New()
	if err != nil {
		f.Fatal(err)
	}
	ev, err := m.Launch([]byte("policy")).Attest(context.Background(), []byte("{}"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ev.Report, ev.Certificates, ev.UVMEndorsements)
	f.Add(ev.Report, m.ChainPEM(), []byte{0xd2, 0x84})
	f.Add([]byte{}, []byte("-----BEGIN CERTIFICATE-----"), []byte{})
	f.Fuzz(func(t *testing.T, report, certificates, uvm []byte) {
		// A worker process has keys of its own: the seed's report is foreign
		// to it and must be refused there. Only our own may pass.
		if m.Verify(report, certificates, uvm) == nil && !bytes.Equal(report[:signedSize], ev.Report[:signedSize]) {
			t.Error("a report was accepted that the machine did not sign")
		}
		_ = m.endorser.verify(uvm, ev.Report[offMeasure:offMeasure+measurementSize], m.now())
	})
}
