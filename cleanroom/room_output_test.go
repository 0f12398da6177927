package cleanroom_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
)

// swap wraps another data key in the place of the agreed one, as whoever may
// set secrets of the vault can: for the KEK it is as good as any.
func (a *agreed) swap(sink string) {
	a.Helper()
	text, err := a.spec.Encode()
	a.must(err)
	unpinned, err := cleanroom.ParseSpecification(text)
	a.must(err)
	point, err := unpinned.Sink(sink)
	a.must(err)
	point.Protection.Configuration = cleanroom.EncodeConfiguration(map[string]string{"EncryptionMode": "CPK", "KeyType": "KEK"})
	own, err := cleanroom.OpenDEKStore(filepath.Join(a.TempDir(), "own"))
	a.must(err)
	dek, err := own.Create(point.Datastore())
	a.must(err)
	dek.Close()
	_, err = a.keys.WrapDEKs(a.Context(), unpinned, []string{sink}, own, a.policy)
	a.must(err)
}

// TestOutputSwappedKey: the room writes under the key that the contract pins,
// or not at all.
func TestOutputSwappedKey(t *testing.T) {
	a := agree(t)
	a.swap(roomSink)
	in := a.launch(a.template.Policy())
	room, err := in.enter(t.Context())
	a.must(err)
	_, err = room.Output(t.Context(), roomSink)
	c := wantCheck(t, err, "sink.dek-digest")
	for _, say := range []string{roomSink, "wrapped-" + roomSink + "-dek-kek"} {
		if !strings.Contains(c.Remedy, say) {
			t.Errorf("the remedy does not name %s: %s", say, c.Remedy)
		}
	}
	if n := in.count(".blob.core.windows.net"); n > 0 {
		t.Errorf("%d requests to storage", n)
	}
	// The room goes on: the other sink is whole.
	_, err = room.Output(t.Context(), cleanroom.ApplicationTelemetry)
	a.must(err, room.Close())
}

// TestOutputUnpinned is what the pin is for: without one the room cannot tell.
func TestOutputUnpinned(t *testing.T) {
	a := agree(t)
	a.swap(cleanroom.ApplicationTelemetry)
	room, err := a.launch(a.template.Policy()).enter(t.Context())
	a.must(err)
	_, err = room.Output(t.Context(), cleanroom.ApplicationTelemetry)
	a.must(err, room.Close())
}

// TestWrapPinnedKey: a key that no room would take is not stored.
func TestWrapPinnedKey(t *testing.T) {
	a := agree(t)
	own, err := cleanroom.OpenDEKStore(filepath.Join(a.TempDir(), "own"))
	a.must(err)
	dek, err := own.Create(a.point(roomSink).Datastore())
	a.must(err)
	dek.Close()
	if _, err := a.keys.WrapDEKs(t.Context(), a.spec, []string{roomSink}, own, a.policy); err == nil || !strings.Contains(err.Error(), "document pins") {
		t.Errorf("another key was wrapped: %v", err)
	}
}
