package datasink_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

func TestManifest(t *testing.T) {
	b := datasink.Memory()
	opts := sealedOptions(t)
	s := newSink(t, b, opts)
	for i := range 10 {
		put(t, s, fmt.Sprintf("b/%d", i), content(i*7000))
	}
	first, err := s.WriteManifest(t.Context())
	if err != nil || first.Generation != 1 || len(first.Blobs) != 10 || first.Blobs[3].Name != "b/3" || first.Blobs[3].Size != 21_000 {
		t.Fatalf("%+v, %v", first, err)
	}
	hash := first.Hash()
	for _, want := range []*[32]byte{nil, &hash} {
		result, err := newSink(t, b, opts).CheckManifest(t.Context(), want)
		if err != nil || result.Newest != (want != nil) || len(result.Missing)+len(result.Changed)+len(result.Added) != 0 {
			t.Errorf("unchanged: %+v, %v", result, err)
		}
		if unchecked := strings.Contains(result.String(), "unchecked"); unchecked != (want == nil) {
			t.Errorf("the text is %q", result)
		}
	}
	for item := range s.List(t.Context()) {
		if strings.Contains(item.Name, "manifest") {
			t.Errorf("the listing has %s", item.Name)
		}
	}
	if _, err := s.Create(t.Context(), ".cleanroom-manifest", nil); !errors.Is(err, datasink.ErrName) {
		t.Errorf("a blob with the name of the manifest: %v", err)
	}
	result, err := s.Verify(t.Context(), nil)
	if err != nil || len(result.Files) != 10 {
		t.Errorf("verify: %+v, %v", result, err)
	}

	// The storage keeps an old state and brings it back.
	copyStored(t, b, "b/3", b, "kept")
	keep := newSink(t, b, nil)
	put(t, s, "b/3", content(5))
	put(t, s, "b/10", content(6))
	if err := keep.Remove(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	second, err := s.WriteManifest(t.Context())
	if err != nil || second.Generation != 2 || len(second.Blobs) != 11 {
		t.Fatalf("%+v, %v", second, err)
	}
	if second.Hash() == hash {
		t.Error("two manifests have one hash")
	}
}

// TestManifestFinds what the storage did: each attack on a fresh sink.
func TestManifestFinds(t *testing.T) {
	attacks := map[string]struct {
		do       func(t *testing.T, b datasink.Backend, s *datasink.Sink, old *storage)
		unhashed bool // found without a hash too
		missing  []string
		changed  []string
	}{
		"removal": {do: func(t *testing.T, _ datasink.Backend, s *datasink.Sink, _ *storage) {
			if err := s.Remove(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}, unhashed: true, missing: []string{"a"}},
		"roll-back of a blob": {do: func(t *testing.T, _ datasink.Backend, _ *datasink.Sink, old *storage) {
			old.restore(t, "a")
		}, unhashed: true, changed: []string{"a"}},
		"roll-back of all": {do: func(t *testing.T, _ datasink.Backend, _ *datasink.Sink, old *storage) {
			old.restore(t, "a", "b", "$manifest")
		}},
		"removal of the manifest": {do: func(t *testing.T, b datasink.Backend, _ *datasink.Sink, _ *storage) {
			if err := b.Remove(t.Context(), ".cleanroom-manifest", ""); err != nil {
				t.Fatal(err)
			}
		}, unhashed: true},
		"another blob as manifest": {do: func(t *testing.T, _ datasink.Backend, _ *datasink.Sink, old *storage) {
			old.put(t, ".cleanroom-manifest", old.get(t, "b"))
		}, unhashed: true},
		"exchange": {do: func(t *testing.T, _ datasink.Backend, _ *datasink.Sink, old *storage) {
			old.put(t, "a", old.get(t, "b"))
		}, unhashed: true, changed: []string{"a"}},
	}
	for name, attack := range attacks {
		b := datasink.Memory()
		s := newSink(t, b, sealedOptions(t))
		put(t, s, "a", content(100))
		put(t, s, "b", content(20_000))
		if _, err := s.WriteManifest(t.Context()); err != nil {
			t.Fatal(err)
		}
		old := keepStorage(t, b)
		put(t, s, "a", content(200))
		m, err := s.WriteManifest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hash := m.Hash()
		attack.do(t, b, s, old)
		result, err := s.CheckManifest(t.Context(), &hash)
		if !errors.Is(err, datasink.ErrDamaged) && !errors.Is(err, datasink.ErrKey) {
			t.Errorf("%s, with the hash: %v", name, err)
		}
		if result != nil && result.Newest && (!slices.Equal(result.Missing, attack.missing) || !slices.Equal(result.Changed, attack.changed)) {
			t.Errorf("%s: %+v", name, result)
		}
		result, err = s.CheckManifest(t.Context(), nil)
		if (err != nil) != attack.unhashed {
			t.Errorf("%s, without a hash: %v", name, err)
		}
		if err == nil && (result.Newest || !strings.Contains(result.String(), "unchecked")) {
			t.Errorf("%s, without a hash: %q", name, result)
		}
	}
}

func TestManifestRefuses(t *testing.T) {
	plain := newSink(t, datasink.Memory(), nil)
	if _, err := plain.WriteManifest(t.Context()); err == nil {
		t.Error("a sink in mode SSE has a manifest")
	}
	if _, err := plain.CheckManifest(t.Context(), nil); err == nil {
		t.Error("a sink in mode SSE has a manifest")
	}
	s := newSink(t, datasink.Memory(), sealedOptions(t))
	if _, err := s.CheckManifest(t.Context(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no manifest: %v", err)
	}
	if _, err := s.CheckManifest(t.Context(), &[32]byte{}); !errors.Is(err, datasink.ErrDamaged) {
		t.Errorf("no manifest where one is expected: %v", err)
	}
}

// storage is what somebody who rules a backend keeps of it.
type storage struct {
	b    datasink.Backend
	kept map[string][]byte
}

func keepStorage(t *testing.T, b datasink.Backend) *storage {
	t.Helper()
	old := &storage{b, map[string][]byte{}}
	page, err := b.List(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		old.kept[item.Name] = old.get(t, item.Name)
	}
	return old
}

func (o *storage) get(t *testing.T, name string) []byte {
	t.Helper()
	item, err := o.b.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, item.Size)
	if err := o.b.ReadRange(t.Context(), name, item.ETag, p, 0); err != nil {
		t.Fatal(err)
	}
	return p
}

func (o *storage) put(t *testing.T, name string, data []byte) {
	t.Helper()
	opts := datasink.UploadOptions{}
	if item, err := o.b.Stat(t.Context(), name); err == nil {
		opts.IfMatch = item.ETag
	}
	u, err := o.b.Begin(t.Context(), name, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Put(t.Context(), data); err != nil {
		t.Fatal(err)
	}
}

func (o *storage) restore(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if name == "$manifest" {
			name = ".cleanroom-manifest"
		}
		data, ok := o.kept[name]
		if !ok {
			t.Fatalf("nothing of %s was kept", name)
		}
		o.put(t, name, data)
	}
}
