package datasink_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/datasink/sealed"
)

// discarding is a backend that counts what it is given and keeps nothing of it.
type discarding struct {
	datasink.Backend
	mu      sync.Mutex
	buffers map[*byte]bool
	blocks  int
	bytes   int64
	largest int
}

func newDiscarding() *discarding {
	return &discarding{Backend: datasink.Memory(), buffers: map[*byte]bool{}}
}

func (d *discarding) Begin(context.Context, string, datasink.UploadOptions) (datasink.Upload, error) {
	return discardUpload{d}, nil
}

type discardUpload struct{ d *discarding }

func (u discardUpload) Stage(_ context.Context, b datasink.Block) error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	u.d.buffers[&b.Data[0]] = true
	u.d.blocks++
	u.d.bytes += int64(len(b.Data))
	u.d.largest = max(u.d.largest, len(b.Data))
	return nil
}

func (u discardUpload) Put(ctx context.Context, data []byte) (datasink.Item, error) {
	return datasink.Item{Size: int64(len(data))}, nil
}
func (u discardUpload) Commit(context.Context, int) (datasink.Item, error) {
	return datasink.Item{}, nil
}
func (u discardUpload) Abort() error { return nil }

// inModes are sinks of each mode that a backend without network has.
func inModes(t *testing.T, chunk int) map[string]*datasink.Options {
	return map[string]*datasink.Options{"plain": {}, "sealed": sealedOptions(t), "cse": cseOptions(t, chunk)}
}

// TestBounded writes a short stream and one two hundred times as long: both go
// through the same few buffers, and the long one allocates not a single time
// for each block that it has more, let alone for each chunk. So a stream of
// 200 GiB takes the memory of one of 1 GiB.
func TestBounded(t *testing.T) {
	const block, chunk, streams = 64 << 10, 16 << 10, 3
	for mode, opts := range inModes(t, chunk) {
		opts.BlockSize, opts.Streams = block, streams
		for how, write := range map[string]func(w *datasink.Writer, n int64) error{
			"Write": func(w *datasink.Writer, n int64) error {
				p := make([]byte, 10_000) // which divides neither chunk nor block
				for ; n > 0; n -= int64(len(p)) {
					if _, err := w.Write(p); err != nil {
						return err
					}
				}
				return nil
			},
			"ReadFrom": func(w *datasink.Writer, n int64) error {
				_, err := w.ReadFrom(io.LimitReader(zeros{}, n))
				return err
			},
		} {
			measure := func(n int64) (mallocs uint64, d *discarding) {
				d = newDiscarding()
				s := newSink(t, d, opts)
				w, err := s.Create(t.Context(), "a", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				if err := errors.Join(write(w, n), w.Commit()); err != nil {
					t.Fatal(err)
				}
				runtime.ReadMemStats(&after)
				return after.Mallocs - before.Mallocs, d
			}
			measure(1 << 20) // fills pools
			few, _ := measure(1 << 20)
			many, d := measure(200 << 20)
			if len(d.buffers) > streams+1 {
				t.Errorf("%s, %s: %d buffers, want at most %d", mode, how, len(d.buffers), streams+1)
			}
			if d.blocks < 3200 || d.largest > block {
				t.Errorf("%s, %s: %d blocks, the largest of %d bytes", mode, how, d.blocks, d.largest)
			}
			// 3,184 blocks more, of 12,736 chunks more; a collection may empty
			// pools now and then, and the runtime allocates for itself.
			limit := int64(1000)
			if underRace {
				limit = 8000
			}
			if more := int64(many) - int64(few); more > limit {
				t.Errorf("%s, %s: %d allocations for a stream of 200 MiB, %d for one of 1 MiB", mode, how, many, few)
			}
		}
	}
}

// zeros is an endless stream.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestBoundedRead is the same for reading: the buffers of a WriteTo are as many
// as there are streams.
func TestBoundedRead(t *testing.T) {
	for mode, opts := range inModes(t, 16<<10) {
		opts.BlockSize, opts.Streams = 64<<10, 3
		b := &countingReads{Backend: datasink.Memory(), buffers: map[*byte]bool{}}
		s := newSink(t, b, opts)
		put(t, s, "a", make([]byte, 20<<20))
		r, err := s.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		clear(b.buffers)
		if n, err := r.WriteTo(io.Discard); n != 20<<20 || err != nil {
			t.Fatalf("%s: %d, %v", mode, n, err)
		}
		if len(b.buffers) > 3 || b.most > 3 {
			t.Errorf("%s: %d buffers, %d at once, want at most 3", mode, len(b.buffers), b.most)
		}
	}
}

type countingReads struct {
	datasink.Backend
	mu        sync.Mutex
	buffers   map[*byte]bool
	now, most int
}

func (c *countingReads) ReadRange(ctx context.Context, name, etag string, p []byte, off int64) error {
	c.mu.Lock()
	c.buffers[&p[0]] = true
	c.now++
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	defer func() { c.mu.Lock(); c.now--; c.mu.Unlock() }()
	return c.Backend.ReadRange(ctx, name, etag, p, off)
}

// TestManyBlocksInModes: with a known length a stream that would need more than
// 50,000 blocks gets larger ones, counted in stored bytes, with an unknown one
// it ends with an error that says what to do. Just 50,000 blocks are no error.
func TestManyBlocksInModes(t *testing.T) {
	const small = 64
	for mode, opts := range inModes(t, small) {
		opts.BlockSize, opts.Streams = small, 1
		// In mode CSE 28 bytes are stored besides for each of these tiny
		// chunks. In mode Sealed a block has whole chunks of 16 KiB, and the
		// last chunk of a blob is a shorter one.
		block := int64(small)
		if mode == "sealed" {
			block = sealed.ChunkSize
		}
		fits := map[string]int64{"plain": 50_000 * block, "sealed": 50_000*block - 1, "cse": 50_000 * block / (block + 28) * block}[mode]
		for _, test := range []struct {
			n, size int64
			err     bool
		}{{fits, 0, false}, {fits, fits, false}, {fits + 2*block, 0, true}, {fits + 2*block, fits + 2*block, false}} {
			d := newDiscarding()
			s := newSink(t, d, opts)
			w, err := s.Create(t.Context(), "a", &datasink.CreateOptions{Size: test.size})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			_, err = w.ReadFrom(io.LimitReader(zeros{}, test.n))
			if err == nil {
				err = w.Commit()
			}
			if test.err != (err != nil) || err != nil && !strings.Contains(err.Error(), "CreateOptions.Size") {
				t.Errorf("%s, %d bytes of which %d are known: %v", mode, test.n, test.size, err)
			}
			if err != nil && w.Commit() == nil {
				t.Errorf("%s: the commit went through", mode)
			}
			if d.blocks > 50_000 {
				t.Errorf("%s, %d bytes: %d blocks", mode, test.n, d.blocks)
			}
			if !test.err && test.size > fits && int64(d.largest) <= block+sealed.MinSize && d.blocks > 1 {
				t.Errorf("%s: the block size was not raised: %d blocks of %d", mode, d.blocks, d.largest)
			}
		}
	}
}
