package datasinktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cleanroom-go/sdk/datasink"
)

func testRoundTrip(t *testing.T, s *suite) {
	for _, n := range sizes {
		data := random(n)
		for how, write := range map[string]func(w *datasink.Writer) error{
			"Write":    func(w *datasink.Writer) error { _, err := w.Write(data); return err },
			"pieces":   func(w *datasink.Writer) error { return writePieces(w, data, 313) },
			"ReadFrom": func(w *datasink.Writer) error { _, err := w.ReadFrom(bytes.NewReader(data)); return err },
			"drip": func(w *datasink.Writer) error {
				_, err := w.ReadFrom(iotest.HalfReader(bytes.NewReader(data)))
				return err
			},
		} {
			name := fmt.Sprintf("%s/%d", how, n)
			w, err := s.sink.Create(t.Context(), name, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := write(w); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := w.Commit(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			s.want(t, name, data)
			item, err := s.sink.Stat(t.Context(), name)
			if err != nil || item.Name != name || !s.sized(item, int64(n)) || item.ETag == "" || item.Modified.IsZero() {
				t.Fatalf("%s: stat gives %+v, %v", name, item, err)
			}
		}
	}
}

func writePieces(w io.Writer, data []byte, size int) error {
	for piece := range slices.Chunk(data, size) {
		if n, err := w.Write(piece); err != nil || n != len(piece) {
			return fmt.Errorf("wrote %d of %d: %w", n, len(piece), err)
		}
	}
	return nil
}

func testReaderContract(t *testing.T, s *suite) {
	// Blocks of 64 bytes, since iotest reads at every offset.
	s.sink = s.open(t, &datasink.Options{BlockSize: 64})
	for _, n := range []int{0, 1, 64, 65, 300} {
		data := random(n)
		s.put(t, "a", data)
		r, err := s.sink.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, data); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		if n > 3 {
			if _, err := r.Seek(-3, io.SeekEnd); err != nil {
				t.Error(err)
			}
			var tail bytes.Buffer
			if _, err := r.WriteTo(&tail); err != nil || !bytes.Equal(tail.Bytes(), data[n-3:]) {
				t.Errorf("%d bytes: the tail is %x, %v", n, tail.Bytes(), err)
			}
		}
		broken := errors.New("full")
		r.Seek(0, io.SeekStart)
		if _, err := r.WriteTo(failing{broken}); n > 0 && !errors.Is(err, broken) {
			t.Errorf("%d bytes: WriteTo gives %v, want the target's error", n, err)
		}
		r.Close()
		if _, err := r.ReadAt(make([]byte, 1), 0); n > 0 && !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%d bytes: read after close gives %v, want fs.ErrClosed", n, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func testChangedWhileReading(t *testing.T, s *suite) {
	// Longer than what a mode reads whole when it opens a blob: such a reader
	// has the old blob and goes on giving it.
	s.sink = s.open(t, &datasink.Options{BlockSize: 64 * block})
	data := random(5 << 20)
	for what, change := range map[string]func(){
		"replaced": func() { s.put(t, "a", data) },
		"removed": func() {
			if err := s.sink.Remove(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		s.put(t, "a", data)
		r, err := s.sink.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.ReadAt(make([]byte, block), 0); err != nil {
			t.Fatal(err)
		}
		change()
		if _, err := r.ReadAt(make([]byte, block), 1<<20); !errors.Is(err, datasink.ErrChanged) {
			t.Errorf("%s: ReadAt gives %v, want ErrChanged", what, err)
		}
		if n, err := r.WriteTo(io.Discard); !errors.Is(err, datasink.ErrChanged) {
			t.Errorf("%s: WriteTo gives %d, %v, want ErrChanged", what, n, err)
		}
	}
}

func testAbsent(t *testing.T, s *suite) {
	s.put(t, "there/is", nil)
	for _, name := range []string{"no", "there", "there/is/not"} {
		if _, err := s.sink.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open %q: got %v, want fs.ErrNotExist", name, err)
		}
		if err := s.sink.Remove(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("remove %q: got %v, want fs.ErrNotExist", name, err)
		}
	}
	if created, err := s.sink.CreateContainer(t.Context()); created || err != nil {
		t.Errorf("a container that exists: created %v, error %v", created, err)
	}
}

func testList(t *testing.T, s *suite) {
	want := []string{"a", "b-c", "b/c", "b/d/e", "b0", "z z", "ä", "%2F#?+&", `q"'<>`}
	if strings.HasPrefix(s.sink.String(), "directory") {
		want = want[:8] // not every system has files of the last name
	}
	for i := range 240 {
		want = append(want, fmt.Sprintf("many/%03d", i))
	}
	for i, name := range want {
		s.put(t, name, random(i%5))
	}
	sizes := map[string]int64{}
	for i, name := range want {
		sizes[name] = int64(i % 5)
	}
	slices.Sort(want)
	var got []string
	for item, err := range s.sink.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if !s.sized(item, sizes[item.Name]) || item.Directory {
			t.Errorf("listed %+v, want size %d", item, sizes[item.Name])
		}
		opened, err := s.sink.Stat(t.Context(), item.Name)
		if err != nil || opened.ETag != item.ETag {
			t.Fatalf("%q: listed with ETag %s, stat gives %s, %v", item.Name, item.ETag, opened.ETag, err)
		}
		got = append(got, item.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q\nwant   %q", got, want)
	}
	for range s.sink.List(t.Context()) {
		break // leaving early is all right
	}
}

// badNames are refused everywhere.
var badNames = []string{"", ".", "..", "/a", "a/", "a//b", "a/../b", "../a", "a/.", "./a", `a\b`, "a\x00b", "a\nb", "\xff", "/", strings.Repeat("a", 1025)}

func testNames(t *testing.T, s *suite) {
	for _, name := range badNames {
		if _, err := s.sink.Create(t.Context(), name, nil); !errors.Is(err, datasink.ErrName) {
			t.Errorf("create %.20q: got %v, want ErrName", name, err)
		}
		if _, err := s.sink.Open(t.Context(), name); !errors.Is(err, datasink.ErrName) {
			t.Errorf("open %.20q: got %v, want ErrName", name, err)
		}
		if err := s.sink.Remove(t.Context(), name); !errors.Is(err, datasink.ErrName) {
			t.Errorf("remove %.20q: got %v, want ErrName", name, err)
		}
	}
}
