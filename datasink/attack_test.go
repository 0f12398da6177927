package datasink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/datasink/sealed"
)

// TestSplice is the storage's operator, who has many sealed blobs and builds of
// their stored bytes what he likes: from another blob, another sink, another
// contract, another key, and from an older version of the same blob. Nothing
// that was not written so opens as a whole, for a stream, for a reader at
// random and on disk, of short blobs and of long ones.
func TestSplice(t *testing.T) {
	for _, n := range []int{5*sealed.ChunkSize + 100, 5 << 20} {
		b, right := datasink.Memory(), sealedOptions(t)
		victim := newSink(t, b, right)
		data := content(n)
		put(t, victim, "victim", data)
		store := &storage{b, nil}
		genuine := store.get(t, "victim")

		place := func(key *datasink.DEK, contract, sink string) *datasink.Options {
			return &datasink.Options{Mode: datasink.Sealed, DEK: key, Contract: contract, Datasink: sink}
		}
		foreign := map[string][]byte{}
		for what, f := range map[string]struct {
			opts *datasink.Options
			name string
		}{
			"another blob":     {right, "other"},
			"another sink":     {place(right.DEK, "contract", "input"), "victim"},
			"another contract": {place(right.DEK, "contract-2", "output"), "victim"},
			"another key":      {place(newDEK(t), "contract", "output"), "victim"},
			"an older version": {right, "victim"},
		} {
			there := datasink.Memory()
			put(t, newSink(t, there, f.opts), f.name, data) // even the plaintext is the same
			foreign[what] = (&storage{there, nil}).get(t, f.name)
		}

		chunk := func(stored []byte, i int64) []byte {
			return stored[sealed.Offset(i):min(sealed.Offset(i+1), int64(len(stored)))]
		}
		last := sealed.Chunk(int64(n))
		attacks := map[string][]byte{}
		for what, other := range foreign {
			if what != "an older version" { // which is authentic, as a whole
				attacks["all of "+what] = other
			}
			attacks["the header of "+what] = append(bytes.Clone(other[:sealed.HeaderSize]), genuine[sealed.HeaderSize:]...)
			attacks["the salt of "+what] = append(bytes.Clone(other[:24]), genuine[24:]...)
			attacks["the commitment of "+what] = append(append(bytes.Clone(genuine[:24]), other[24:sealed.HeaderSize]...), genuine[sealed.HeaderSize:]...)
			for _, i := range []int64{0, 1, last - 1, last} {
				bad := bytes.Clone(genuine)
				copy(bad[sealed.Offset(i):], chunk(other, i))
				attacks[fmt.Sprintf("chunk %d of %s", i, what)] = bad
			}
			attacks["the second half of "+what] = append(bytes.Clone(genuine[:sealed.Offset(2)]), other[sealed.Offset(2):]...)
		}
		for _, i := range []int64{0, 1, last - 2} {
			head, one, two, rest := genuine[:sealed.Offset(i)], chunk(genuine, i), chunk(genuine, i+1), genuine[sealed.Offset(i+2):]
			attacks[fmt.Sprintf("chunk %d swapped", i)] = bytes.Join([][]byte{head, two, one, rest}, nil)
			attacks[fmt.Sprintf("chunk %d dropped", i)] = bytes.Join([][]byte{head, two, rest}, nil)
			attacks[fmt.Sprintf("chunk %d twice", i)] = bytes.Join([][]byte{head, one, one, two, rest}, nil)
		}
		for i := range last + 1 {
			if i > 3 && i < last-2 {
				continue
			}
			attacks[fmt.Sprintf("truncated before chunk %d", i)] = genuine[:sealed.Offset(i)]
			if i < last { // which may have no more
				attacks[fmt.Sprintf("truncated after the tag's length in chunk %d", i)] = genuine[:sealed.Offset(i)+sealed.Overhead]
			}
		}
		attacks["the last chunk twice"] = append(bytes.Clone(genuine), chunk(genuine, last)...)
		attacks["one byte more"] = append(bytes.Clone(genuine), 0)
		attacks["nothing"] = nil

		for what, bad := range attacks {
			if bytes.Equal(bad, genuine) {
				t.Fatalf("%s is the genuine blob", what)
			}
			store.put(t, "victim", bad)
			if err := readAll(t, victim, "victim"); !errors.Is(err, datasink.ErrDamaged) && !errors.Is(err, datasink.ErrKey) {
				t.Errorf("%d bytes, %s: %v", n, what, err)
			}
			// Whoever reads at random gets true bytes or an error.
			r, err := victim.Open(t.Context(), "victim")
			if err != nil {
				continue
			}
			for _, off := range []int{0, sealed.ChunkSize + 5, 2*sealed.ChunkSize - 3, n - 5} {
				p := make([]byte, 8)
				if got, err := r.ReadAt(p, int64(off)); !bytes.Equal(p[:got], data[off:off+got]) || err == nil && got < len(p) {
					t.Errorf("%d bytes, %s: at %d %d wrong bytes, %v", n, what, off, got, err)
				}
			}
			r.Close()
		}
		if len(attacks) < 60 {
			t.Errorf("only %d attacks", len(attacks))
		}
		store.put(t, "victim", foreign["an older version"])
		if err := readAll(t, victim, "victim"); err != nil {
			t.Errorf("an older version, whole: %v", err) // for the manifest to find
		}
	}
}

// TestMarkedAsDirectory: whoever rules the storage marks a blob that has bytes
// as a directory, which would make it vanish from a download that looks
// complete. No marker has bytes.
func TestMarkedAsDirectory(t *testing.T) {
	for name, opts := range map[string]*datasink.Options{"plain": {}, "sealed": sealedOptions(t), "cse": cseOptions(t, 1000)} {
		b := datasink.Memory()
		s := newSink(t, b, opts)
		put(t, s, "other", content(10))
		put(t, s, "result", content(3000))
		if opts.Mode == datasink.Sealed {
			if _, err := s.WriteManifest(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		data := (&storage{b, nil}).get(t, "result")
		if err := b.Remove(t.Context(), "result", ""); err != nil {
			t.Fatal(err)
		}
		plant(t, b, "result", data, map[string]string{"Hdi_isfolder": "TRUE"})
		dir := t.TempDir()
		if _, err := s.Download(t.Context(), dir, nil); !errors.Is(err, datasink.ErrDamaged) {
			t.Errorf("%s: download says %v", name, err)
		}
		if found := contents(t, dir); len(found) != 0 {
			t.Errorf("%s: download left %q", name, found)
		}
		if _, err := s.Verify(t.Context(), nil); !errors.Is(err, datasink.ErrDamaged) {
			t.Errorf("%s: verify says %v", name, err)
		}
		if _, err := s.FS(t.Context()).Open("other"); !errors.Is(err, datasink.ErrDamaged) {
			t.Errorf("%s: the file system says %v", name, err)
		}
		if r, err := s.Open(t.Context(), "result"); err == nil {
			t.Errorf("%s: it opens, with %d bytes", name, r.Size())
		}
		if opts.Mode != datasink.Sealed {
			continue
		}
		if result, err := s.CheckManifest(t.Context(), nil); !errors.Is(err, datasink.ErrDamaged) {
			t.Errorf("the manifest says %v, %v", result, err)
		}
		if _, err := s.WriteManifest(t.Context()); err == nil {
			t.Error("a manifest was written without the blob")
		}
	}
}

// TestListingLies: what a listing says of a length is believed nowhere.
func TestListingLies(t *testing.T) {
	for name, opts := range map[string]*datasink.Options{"sealed": sealedOptions(t), "cse": cseOptions(t, 1000)} {
		b := &lying{Backend: datasink.Memory()}
		s := newSink(t, b, opts)
		data := content(40_000)
		put(t, s, "a", data)
		for _, size := range []int64{0, 1, 71, 72, 100, 39_000, 4 << 20, 5 << 20, 1 << 50, 1<<63 - 1, -1} {
			b.size = &size
			dir := t.TempDir()
			result, err := s.Download(t.Context(), dir, nil)
			if err != nil {
				continue
			}
			got, err := io.ReadAll(must(s.FS(t.Context()).Open("a")))
			if err != nil || !bytes.Equal(got, data) || len(result.Files) != 1 || result.Files[0].Size != int64(len(data)) {
				t.Errorf("%s: listed with %d bytes: %d bytes, %+v, %v", name, size, len(got), result, err)
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// lying lists every blob with another length.
type lying struct {
	datasink.Backend
	size *int64
}

func (l *lying) List(ctx context.Context, prefix, marker string) (datasink.Page, error) {
	page, err := l.Backend.List(ctx, prefix, marker)
	for i := range page.Items {
		page.Items[i].Size = *l.size
	}
	return page, err
}
