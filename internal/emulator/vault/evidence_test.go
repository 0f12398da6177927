package vault

import (
	"context"
	"errors"
	"testing"

	"github.com/cleanroom-go/sdk/skr"
)

// evidenceOf changes what a guest gives.
type evidenceOf struct {
	skr.Attester
	edit func(*skr.Evidence)
}

func (e evidenceOf) Attest(ctx context.Context, runtimeData []byte) (*skr.Evidence, error) {
	ev, err := e.Attester.Attest(ctx, runtimeData)
	if err == nil {
		e.edit(ev)
	}
	return ev, err
}

// The part of the negative matrix that needs genuine reports: one change to
// what the machine signed, or to the machine.
func TestEvidenceMatrix(t *testing.T) {
	w := newWorld(t)
	w.importKEK(t, "kek")
	second, err := w.machine.Launch([]byte("package policy")).Attest(context.Background(), []byte("{}"))
	must(t, err)
	bit := func(i int) func(*skr.Evidence) { return func(e *skr.Evidence) { e.Report[i] ^= 1 } }
	debuggable := w.machine.LaunchDebuggable([]byte("package policy"))
	cases := map[string]struct {
		attester skr.Attester
		want     string // the one failed check
	}{
		"policy bit":            {evidenceOf{w.guest, bit(10)}, "attest.evidence"},
		"measurement bit":       {evidenceOf{w.guest, bit(144)}, "attest.evidence"},
		"host data bit":         {evidenceOf{w.guest, bit(192)}, "attest.evidence"},
		"signature bit":         {evidenceOf{w.guest, bit(672)}, "attest.evidence"},
		"certificate bit":       {evidenceOf{w.guest, func(e *skr.Evidence) { e.Certificates[200] ^= 1 }}, "attest.evidence"},
		"no VCEK":               {evidenceOf{w.guest, func(e *skr.Evidence) { e.Certificates = w.machine.ChainPEM() }}, "attest.evidence"},
		"report of another":     {evidenceOf{w.guest, func(e *skr.Evidence) { e.Report = second.Report }}, "evidence.report-data"},
		"no endorsement":        {evidenceOf{w.guest, func(e *skr.Evidence) { e.UVMEndorsements = nil }}, "policy.x-ms-compliance-status"},
		"endorsement bit":       {evidenceOf{w.guest, func(e *skr.Evidence) { e.UVMEndorsements[len(e.UVMEndorsements)-1] ^= 1 }}, "policy.x-ms-compliance-status"},
		"debuggable guest":      {debuggable, "token.debuggable"},
		"guest of another room": {w.machine.Launch([]byte("package other")), "policy.x-ms-sevsnpvm-hostdata"},
	}
	w.vaults.Grant(vaultHost, room, KeysRead)
	release := func(a skr.Attester) error {
		r, err := skr.NewReleaser(a, &skr.ReleaserOptions{ClientOptions: w.options(), Roots: w.signing.Pool()})
		must(t, err)
		defer r.Close()
		key, err := r.Release(context.Background(), skr.KeyRef{Name: "kek", VaultURL: "https://" + vaultHost, AttestationURL: "https://" + maaHost}, w.roomCredential)
		if err == nil {
			err = key.Close()
		}
		return err
	}
	for name, c := range cases {
		err := release(c.attester)
		var denied *skr.DeniedError
		if !errors.As(err, &denied) {
			t.Errorf("%s: not denied: %v", name, err)
			continue
		}
		failed := ""
		for _, check := range denied.Checks {
			if !check.OK() {
				failed += check.ID
			}
		}
		if failed != c.want {
			t.Errorf("%s: failed %s, want %s alone: %v", name, failed, c.want, err)
		}
	}
	if len(cases) != 11 {
		t.Errorf("%d cases, want 11", len(cases))
	}
	must(t, release(w.guest))
}
