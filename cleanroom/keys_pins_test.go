package cleanroom_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/skr"
)

func failedChecks(err error) []string {
	var denied *cleanroom.DeniedError
	if !errors.As(err, &denied) {
		return nil
	}
	var ids []string
	for _, c := range denied.Checks {
		if !c.OK() {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// What is pinned is compared at the desk, before anything is deployed, and in
// the room; a long value is wrapped, stored and opened as a short one.
func testPins(u *vaultUser) {
	ctx, keys := u.Context(), u.keys(cleanroom.KeysOptions{})
	guest, other := u.env.Launch([]byte("package policy # pins\n")), u.env.Launch([]byte("package policy # others\n"))
	kek, pub, err := keys.ImportKEK(ctx, u.kek("pins"), u.policyFor(guest), nil)
	u.must(err)
	secret := u.secret("pinned", "pins")
	secret.KEK = kek
	long := bytes.Repeat([]byte("long "), 3692)[:18456]
	pinned, err := keys.WrapSecret(ctx, secret, pub, long)
	u.must(err)
	newest := pinned
	newest.Version = ""
	for _, ref := range []skr.SecretRef{pinned, newest} {
		if got, err := u.unwrapIn(guest, ref); err != nil || !bytes.Equal(got, long) {
			u.Errorf("%s: %d bytes, %v", ref, len(got), err)
		}
	}
	checks, err := keys.CheckPins(ctx, u.policyFor(guest), pinned, newest)
	u.must(err)
	if len(checks) != 4 {
		u.Errorf("checks %v", checks)
	}
	// The attacker: the public half, which anybody may read, and write access.
	theirs, err := keys.WrapSecret(ctx, secret, pub, []byte("known to the attacker"))
	u.must(err)
	if got, err := u.unwrapIn(guest, newest); !slices.Equal(failedChecks(err), []string{"secret.digest"}) || got != nil {
		u.Errorf("substituted: %q, %v", got, err)
	}
	if got, err := u.unwrapIn(guest, pinned); err != nil || !bytes.Equal(got, long) {
		u.Errorf("the pinned version: %d bytes, %v", len(got), err)
	}
	open, noKEK := newest, newest
	open.Digest, noKEK.KEK.Version = [32]byte{}, ""
	for name, c := range map[string]struct {
		ref    skr.SecretRef
		policy *skr.ReleasePolicy
		want   string
	}{
		"substituted":    {newest, u.policyFor(guest), "secret.digest"},
		"no digest":      {open, u.policyFor(guest), "secret.pinned-digest"},
		"no version":     {noKEK, u.policyFor(guest), "secret.pinned-kek"},
		"another policy": {theirs, u.policyFor(other), "kek.release-policy"},
	} {
		checks, err := keys.CheckPins(ctx, c.policy, c.ref)
		if got := failedChecks(err); !slices.Equal(got, []string{c.want}) || len(checks) == 0 {
			u.Errorf("%s: failed %v: %v", name, got, err)
		}
	}
	gone := pinned
	gone.Version = strings.Repeat("0", 32)
	if _, err := keys.CheckPins(ctx, u.policyFor(guest), gone); err == nil || !strings.Contains(err.Error(), "404") {
		u.Errorf("not there: %v", err)
	}
	if _, err := keys.CheckPins(ctx, nil, pinned); err == nil {
		u.Error("without a policy")
	}
}

// TestRoomRequiresPins: a program may insist that nothing unpinned is used.
func TestRoomRequiresPins(t *testing.T) {
	a := agree(t)
	ctx := t.Context()
	kek, pub, err := a.keys.ImportKEK(ctx, skr.KeyRef{Name: "kek", VaultURL: a.party.VaultURL, AttestationURL: attestationURL}, a.policy, nil)
	a.must(err)
	wrap := func(value string) skr.SecretRef {
		ref, err := a.keys.WrapSecret(ctx, skr.SecretRef{ClientID: a.party.IdentityID, TenantID: a.party.TenantID, Name: "password", VaultURL: a.party.VaultURL, KEK: kek}, pub, []byte(value))
		a.must(err)
		ref.Version = "" // as the reference tools write it: the newest
		return ref
	}
	document := func(name string, ref skr.SecretRef) string {
		text, err := (&dbsecret.Document{Endpoint: "db.example.org", Name: "d", User: "u", Password: ref}).Encode()
		a.must(err)
		id, err := a.ledger.Contract(roomContract).PutSecret(ctx, name, text)
		a.must(err)
		return id
	}
	pinned := wrap("the publisher's")
	unpinned := pinned
	unpinned.Digest = [32]byte{}
	ids := map[string]string{"secret.digest": document("pinned", pinned), "secret.pinned-digest": document("unpinned", unpinned)}
	wrap("the attacker's")

	in := a.launch(a.template.Policy())
	in.opts.RequirePins = true
	room, err := in.enter(ctx)
	a.must(err)
	for want, id := range ids {
		db, err := room.OpenDB(ctx, id)
		if err == nil {
			err = db.PingContext(ctx)
			a.must(db.Close())
		}
		if got := failedChecks(err); !slices.Equal(got, []string{want}) {
			t.Errorf("want %s, failed %v: %v", want, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "attacker's") {
			t.Errorf("the value is in the error: %v", err)
		}
	}
	if n := in.count("/keys/"); n > 0 {
		t.Errorf("%d releases for what must not be used", n)
	}
	_, err = room.Output(ctx, roomSink)
	a.must(err)
	_, err = room.Output(ctx, cleanroom.ApplicationTelemetry)
	wantCheck(t, err, "sink.dek-pinned")
	// The exported log lies in that sink: leaving says that it could not be.
	if err := room.Close(); !slices.Equal(failedChecks(err), []string{"sink.dek-pinned"}) {
		t.Errorf("close: %v", err)
	}
}
