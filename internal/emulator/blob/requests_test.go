package blob_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/datasink/sealed"
)

// wire counts what goes over it: requests by method and purpose, bytes of
// answers to ranges, and how many requests were under way at once.
type wire struct {
	mu       sync.Mutex
	requests map[string]int
	read     int64 // bytes of ranges
	now, max int
}

func (w *wire) trip(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests[r.Method+" "+r.URL.Query().Get("comp")]++
	w.now++
	w.max = max(w.max, w.now)
	w.mu.Unlock()
	answer, err := next.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now--
	if err == nil && answer.StatusCode == http.StatusPartialContent {
		w.read += answer.ContentLength
	}
	return answer, err
}

// taken returns what was counted since the last time.
func (w *wire) taken() (requests map[string]int, total int, read int64, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	requests, read, most = w.requests, w.read, w.max
	for _, n := range requests {
		total += n
	}
	w.requests, w.read, w.max = map[string]int{}, 0, 0
	return requests, total, read, most
}

// watched is a sink whose requests are counted.
func (f *fixture) watched(t *testing.T, opts *datasink.Options) (*datasink.Sink, *wire) {
	t.Helper()
	w := &wire{requests: map[string]int{}}
	opts.ClientOptions = f.through(w.trip, -1)
	if opts.Mode != datasink.SSE {
		opts.DEK = newDEK(t)
	}
	opts.Contract, opts.Datasink = "contract", "output"
	return f.sink(t, opts), w
}

// TestRandomReads counts the requests of reads of 16 KiB at any place, which
// touch two chunks: three when nothing is known of the blob, two where it is
// read whole, none or one after that, and of a long blob no byte that is not
// of the chunks which are touched.
func TestRandomReads(t *testing.T) {
	f := newFixture(t)
	s, w := f.watched(t, &datasink.Options{Mode: datasink.Sealed})
	short, long := random(3<<20), random(6<<20+77)
	for name, data := range map[string][]byte{"short": short, "long": long} {
		if err := write(t, s, name, data); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(8, 9))
	p := make([]byte, sealed.ChunkSize)
	for range 10 {
		for name, data := range map[string][]byte{"short": short, "long": long} {
			w.taken()
			r, err := s.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			_, opening, _, _ := w.taken()
			for i := range 5 {
				// Within one chunk and the next, neither of them the last.
				off := rng.Int64N(int64(len(data)-3*sealed.ChunkSize)/sealed.ChunkSize)*sealed.ChunkSize + 1 + rng.Int64N(sealed.ChunkSize-1)
				if _, err := r.ReadAt(p, off); err != nil || !bytes.Equal(p, data[off:off+int64(len(p))]) {
					t.Fatalf("%s at %d: %v", name, off, err)
				}
				_, n, read, _ := w.taken()
				switch {
				case name == "short" && (opening > 2 || n != 0):
					t.Fatalf("a short blob took %d requests to open and %d to read", opening, n)
				case name == "long" && (opening > 2 || n > 2 || i == 0 && opening+n > 3):
					t.Fatalf("a long blob took %d requests to open and %d to read", opening, n)
				case name == "long" && n == 1 && read != 2*sealed.SealedChunkSize:
					t.Fatalf("%d bytes were fetched, want those of two chunks", read)
				case name == "long" && n == 2 && read != sealed.SealedChunkSize:
					t.Fatalf("%d bytes were fetched in two requests", read)
				}
				// What was touched stays.
				if _, err := r.ReadAt(p[:100], off); err != nil {
					t.Fatal(err)
				}
				if _, n, _, _ := w.taken(); n != 0 {
					t.Fatalf("%s: %d requests for bytes that had been fetched", name, n)
				}
			}
			r.Close()
		}
	}
}

// TestManySmallFiles counts the requests for 1,000 files of 10 KiB and others:
// one listing for 5,000 names, at most two requests for each file in each
// direction, none for files that are there already but the look whether they
// are, and no more under way than there are streams.
func TestManySmallFiles(t *testing.T) {
	const streams = 4
	f := newFixture(t)
	for _, mode := range []datasink.Mode{datasink.Sealed, datasink.CSE, datasink.CPK, datasink.SSE} {
		files, fetched := 200, 200
		if mode == datasink.Sealed {
			files, fetched = 5001, 1000 // two listings
		}
		s, w := f.watched(t, &datasink.Options{Mode: mode, Streams: streams, ChunkSize: 16 << 10, BlockSize: 64 << 10})
		data := random(10 << 10)
		up := t.TempDir()
		for i := range files {
			n := len(data)
			if i >= 1000 {
				n = i % 3
			}
			if err := os.WriteFile(filepath.Join(up, fmt.Sprintf("%05d", i)), data[:n], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.taken()
		if _, err := s.Upload(t.Context(), up, nil); err != nil {
			t.Fatal(err)
		}
		requests, n, _, most := w.taken()
		if n > 2*files || requests["PUT "] != files {
			t.Errorf("%s: the upload took %v", mode, requests)
		}
		if most > streams || most < 2 {
			t.Errorf("%s: %d requests of the upload were under way, want %d", mode, most, streams)
		}
		result, err := s.Upload(t.Context(), up, nil)
		if err != nil || len(result.Unchanged) != files {
			t.Fatalf("%s: %d files are unchanged, %v", mode, len(result.Unchanged), err)
		}
		if requests, n, _, _ := w.taken(); n != files || requests["HEAD "] != files {
			t.Errorf("%s: looking again took %v", mode, requests)
		}
		downloaded, err := s.Download(t.Context(), t.TempDir(), &datasink.DownloadOptions{Prefix: "00"})
		if err != nil || len(downloaded.Files) != fetched {
			t.Fatalf("%d files, %v", len(downloaded.Files), err)
		}
		requests, n, _, most = w.taken()
		if requests["GET list"] != 1 || n-1 > 2*fetched {
			t.Errorf("%s: the download took %v", mode, requests)
		}
		if most > streams || most < 2 {
			t.Errorf("%s: %d requests of the download were under way, want %d", mode, most, streams)
		}
		if _, err := s.Verify(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		requests, n, _, _ = w.taken()
		if want := (files + 4999) / 5000; requests["GET list"] != want || n-want > 2*files {
			t.Errorf("%s: verifying took %v", mode, requests)
		}
	}
}

func random(n int) []byte {
	p := make([]byte, n)
	io.ReadFull(rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}), p)
	return p
}
