package datasink_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/datasink/datasinktest"
	"github.com/cleanroom-go/sdk/datasink/sealed"
)

func newDEK(t testing.TB) *datasink.DEK {
	t.Helper()
	dek, err := datasink.NewDEK()
	if err != nil {
		t.Fatal(err)
	}
	return dek
}

func sealedOptions(t testing.TB) *datasink.Options {
	return &datasink.Options{Mode: datasink.Sealed, DEK: newDEK(t), Contract: "contract", Datasink: "output"}
}

func cseOptions(t testing.TB, chunk int) *datasink.Options {
	return &datasink.Options{Mode: datasink.CSE, DEK: newDEK(t), ChunkSize: chunk}
}

// TestEncryptedSinks runs the suite of sinks in the modes in which this package
// encrypts. Chunks of CSE are shorter and longer than the suite's blocks of
// 1,024 bytes, and do not divide them.
func TestEncryptedSinks(t *testing.T) {
	directory := func(t *testing.T) datasink.Backend { return datasink.Dir(t.TempDir()) }
	memory := func(*testing.T) datasink.Backend { return datasink.Memory() }
	for name, test := range map[string]struct {
		mode func() *datasink.Options
		in   func(*testing.T) datasink.Backend
	}{
		"sealed":                {func() *datasink.Options { return sealedOptions(t) }, memory},
		"sealed in a directory": {func() *datasink.Options { return sealedOptions(t) }, directory},
		"cse 64":                {func() *datasink.Options { return cseOptions(t, 64) }, memory},
		"cse 1000":              {func() *datasink.Options { return cseOptions(t, 1000) }, memory},
		"cse 1024":              {func() *datasink.Options { return cseOptions(t, 1024) }, memory},
		"cse 5000":              {func() *datasink.Options { return cseOptions(t, 5000) }, memory},
	} {
		t.Run(name, func(t *testing.T) {
			datasinktest.Run(t, func(t *testing.T, opts *datasink.Options) *datasink.Sink {
				m := test.mode()
				opts.Mode, opts.DEK, opts.ChunkSize, opts.Contract, opts.Datasink = m.Mode, m.DEK, m.ChunkSize, m.Contract, m.Datasink
				return newSink(t, test.in(t), opts)
			})
		})
	}
}

func content(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(p)
	return p
}

func put(t testing.TB, s *datasink.Sink, name string, data []byte) {
	t.Helper()
	err := s.WriteFile(t.Context(), name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLargeSealed writes and reads blobs of many blocks in several ways. They
// are longer than what is read whole when it is opened.
func TestLargeSealed(t *testing.T) {
	opts := sealedOptions(t)
	opts.BlockSize, opts.Streams = 100_000, 3 // which chunks do not divide
	s := newSink(t, datasink.Memory(), opts)
	for _, n := range []int{4 << 20, 4<<20 + 1, 6<<20 - 1, 6 << 20, 5<<20 + 777} {
		data := content(n)
		for how, write := range map[string]func(w *datasink.Writer) error{
			"at once":  func(w *datasink.Writer) error { _, err := w.Write(data); return err },
			"pieces":   func(w *datasink.Writer) error { return pieces(w, data, 10_007) },
			"ReadFrom": func(w *datasink.Writer) error { _, err := w.ReadFrom(bytes.NewReader(data)); return err },
			"mixed": func(w *datasink.Writer) error {
				if _, err := w.Write(data[:1234]); err != nil {
					return err
				}
				_, err := w.ReadFrom(iotest.HalfReader(bytes.NewReader(data[1234:])))
				return err
			},
		} {
			w, err := s.Create(t.Context(), "a", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(write(w), w.Commit()); err != nil {
				t.Fatalf("%s, %d bytes: %v", how, n, err)
			}
			check(t, s, "a", data)
		}
	}
}

func pieces(w io.Writer, data []byte, size int) error {
	for len(data) > 0 {
		n := min(size, len(data))
		if _, err := w.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// check reads a blob by WriteTo, Read, random ReadAts, and Download.
func check(t *testing.T, s *datasink.Sink, name string, data []byte) {
	t.Helper()
	r, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := r.WriteTo(&b); err != nil || !bytes.Equal(b.Bytes(), data) || r.Size() != int64(len(data)) {
		t.Fatalf("WriteTo gives %d bytes of %d, %v", b.Len(), r.Size(), err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(struct{ io.Reader }{r}); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("Read gives %d bytes, %v", len(got), err)
	}
	rng := rand.New(rand.NewPCG(1, uint64(len(data))))
	for range 50 {
		off, n := rng.IntN(len(data)), rng.IntN(300_000)
		p := make([]byte, n)
		got, err := r.ReadAt(p, int64(off))
		if want := data[off:min(off+n, len(data))]; !bytes.Equal(p[:got], want) || err != nil && err != io.EOF {
			t.Fatalf("%d bytes at %d: %d, %v", n, off, got, err)
		}
	}
	item, err := s.Stat(t.Context(), name)
	stored, _ := sealed.Size(int64(len(data)))
	exact := s.Mode() != datasink.CSE // which pads
	if err != nil || exact && item.Size != int64(len(data)) || s.Mode() == datasink.Sealed && item.Stored != stored {
		t.Fatalf("stat gives %+v, %v", item, err)
	}
}

// TestSealedToItsPlace: a blob opens under its own name, contract, datasink and
// key, and nowhere else; a blob of another mode does not open at all.
func TestSealedToItsPlace(t *testing.T) {
	b := datasink.Memory()
	right := sealedOptions(t)
	s := newSink(t, b, right)
	put(t, s, "a/b", []byte("result"))
	copyStored(t, b, "a/b", b, "a/c")
	if _, err := s.Open(t.Context(), "a/c"); !errors.Is(err, datasink.ErrKey) {
		t.Errorf("under another name: %v", err)
	}
	for what, o := range map[string]*datasink.Options{
		"contract": {Mode: datasink.Sealed, DEK: right.DEK, Contract: "other", Datasink: "output"},
		"datasink": {Mode: datasink.Sealed, DEK: right.DEK, Contract: "contract", Datasink: "other"},
		"key":      sealedOptions(t),
		// The border between two names is no place to move a letter over.
		"border": {Mode: datasink.Sealed, DEK: right.DEK, Contract: "contrac", Datasink: "toutput"},
	} {
		if _, err := newSink(t, b, o).Open(t.Context(), "a/b"); !errors.Is(err, datasink.ErrKey) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	if r, err := newSink(t, b, right).Open(t.Context(), "a/b"); err != nil || r.Size() != 6 {
		t.Errorf("at its place: %v", err)
	}
	plain := newSink(t, b, nil)
	put(t, plain, "plain", content(200))
	put(t, newSink(t, b, cseOptions(t, 64)), "cse", content(200))
	for _, name := range []string{"plain", "cse"} {
		if _, err := s.Open(t.Context(), name); !errors.Is(err, datasink.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// copyStored copies what a backend holds.
func copyStored(t *testing.T, from datasink.Backend, name string, to datasink.Backend, as string) {
	t.Helper()
	plainFrom, plainTo := newSink(t, from, nil), newSink(t, to, nil)
	r, err := plainFrom.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	put(t, plainTo, as, data)
}

// TestDEKHasOneMode for life.
func TestDEKHasOneMode(t *testing.T) {
	dek := newDEK(t)
	for range 2 {
		if _, err := datasink.NewWithBackend(datasink.Memory(), &datasink.Options{Mode: datasink.CSE, DEK: dek}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := datasink.NewWithBackend(datasink.Memory(), &datasink.Options{Mode: datasink.Sealed, DEK: dek, Contract: "c", Datasink: "d"}); err == nil {
		t.Error("a key of mode CSE seals")
	}
	if _, err := datasink.New("https://account.blob.core.windows.net/output", noToken{}, &datasink.Options{Mode: datasink.CPK, DEK: dek}); err == nil {
		t.Error("a key of mode CSE is sent to the service")
	}
	// It is the same key if it is read again, and after the first was closed.
	again, err := datasink.ParseDEK(dek.Clone())
	if err != nil {
		t.Fatal(err)
	}
	dek.Close()
	if _, err := datasink.New("https://account.blob.core.windows.net/output", noToken{}, &datasink.Options{Mode: datasink.CPK, DEK: again}); err == nil {
		t.Error("a key of mode CSE that was read again is sent to the service")
	}
	if _, err := datasink.NewWithBackend(datasink.Memory(), &datasink.Options{Mode: datasink.CSE, DEK: again}); err != nil {
		t.Errorf("a key that was read again, in its own mode: %v", err)
	}
}

// TestSealedOptions: the place must be named.
func TestSealedOptions(t *testing.T) {
	for _, o := range []datasink.Options{
		{Contract: "", Datasink: "d"}, {Contract: "c", Datasink: ""}, {Contract: "c\x00", Datasink: "d"}, {Contract: "c", Datasink: "\x00d"},
	} {
		o.Mode, o.DEK = datasink.Sealed, newDEK(t)
		if _, err := datasink.NewWithBackend(datasink.Memory(), &o); err == nil {
			t.Errorf("contract %q and datasink %q: no error", o.Contract, o.Datasink)
		}
	}
	o := sealedOptions(t)
	s := newSink(t, datasink.Memory(), o)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "a", nil); err == nil {
		t.Error("a closed sink seals")
	}
	if _, err := newSink(t, datasink.Memory(), nil).Create(t.Context(), "a", &datasink.CreateOptions{Metadata: map[string]string{"Cleanroom_format": "x"}}); err == nil {
		t.Error("the caller's metadata replaces the package's own")
	}
}

// TestDamage flips a bit of what is stored, and truncates it, in each mode that
// can find that.
func TestDamage(t *testing.T) {
	for name, o := range map[string]*datasink.Options{"sealed": sealedOptions(t), "cse": cseOptions(t, 1000)} {
		for _, n := range []int{10, 5 << 20} {
			b := datasink.Memory()
			s := newSink(t, b, o)
			put(t, s, "a", content(n))
			plain := newSink(t, b, nil)
			r, err := plain.Open(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			stored, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(3, 4))
			for range 12 {
				at := rng.IntN(len(stored) - 8) // not the trailer of CSE, which is in the clear
				bad := bytes.Clone(stored)
				bad[at] ^= 1 << rng.IntN(8)
				put(t, plain, "a", bad)
				if err := readAll(t, s, "a"); !errors.Is(err, datasink.ErrDamaged) && !errors.Is(err, datasink.ErrKey) {
					t.Errorf("%s, %d bytes, flip at %d: %v", name, n, at, err)
				}
				put(t, plain, "a", stored[:at])
				if err := readAll(t, s, "a"); at > 0 && !errors.Is(err, datasink.ErrDamaged) {
					t.Errorf("%s, %d bytes, cut at %d: %v", name, n, at, err)
				}
			}
		}
	}
}

// readAll reads a blob as a stream and as a file, of which nothing may stay if
// it fails.
func readAll(t *testing.T, s *datasink.Sink, name string) error {
	t.Helper()
	dir := t.TempDir()
	result, err := s.Download(t.Context(), dir, nil)
	if err != nil && result != nil {
		t.Errorf("a failed download has the result %+v", result)
	}
	r, openErr := s.Open(t.Context(), name)
	if openErr == nil {
		_, openErr = r.WriteTo(io.Discard)
	}
	if (err == nil) != (openErr == nil) {
		t.Errorf("reading says %v, downloading %v", openErr, err)
	}
	return err
}
