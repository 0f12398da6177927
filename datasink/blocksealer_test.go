package datasink

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/cleanroom-go/sdk/datasink/sealed"
)

// TestBlocksAreTheMessage: what is made of blocks by themselves, in place or
// while they are read, again and from any offset, is the message that they make
// together.
func TestBlocksAreTheMessage(t *testing.T) {
	const chunk = sealed.ChunkSize
	random := rand.New(rand.NewPCG(1, 2))
	key, place := make([]byte, sealed.KeySize), []byte("place")
	cases := 0
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3*chunk - 1, 3 * chunk, 3*chunk + 1, 6 * chunk, 7*chunk + 5} {
		sealer, err := sealed.NewSealer(key, place)
		if err != nil {
			t.Fatal(err)
		}
		plain := make([]byte, size)
		for i := range plain {
			plain[i] = byte(random.Uint32())
		}
		blocks := &blockSealer{sealer, 3}
		var whole, late []byte
		for index, rest, last := 0, plain, false; !last; index++ {
			n := min(3*chunk, len(rest))
			last = n < 3*chunk
			piece := rest[:n]
			rest = rest[n:]
			stored := blocks.size(n, index, last)

			buf := make([]byte, n, stored)
			copy(buf, piece)
			out, err := blocks.inPlace(buf, index, last)
			if err != nil || len(out) != stored || &out[0] != &buf[:1][0] {
				t.Fatalf("%d bytes: block %d in place: %d bytes, %v", size, index, len(out), err)
			}
			whole = append(whole, out...)

			body := blocks.body(piece, index, last, make([]byte, sealed.SealedChunkSize))
			if err := iotest.TestReader(body, out); err != nil {
				t.Errorf("%d bytes: block %d: %v", size, index, err)
			}
			if _, err := body.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			again, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			late = append(late, again...)
			if _, err := body.Seek(-1, io.SeekStart); err == nil {
				t.Error("a seek to before the start")
			}
			cases++
		}
		if !bytes.Equal(whole, late) {
			t.Errorf("%d bytes: blocks sealed late differ from those in place", size)
		}
		want, err := sealed.Size(int64(size))
		if err != nil || int64(len(whole)) != want {
			t.Errorf("%d bytes are stored as %d, want %d (%v)", size, len(whole), want, err)
		}
		r, err := sealed.NewReader(bytes.NewReader(whole), key, place)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes come back as %d, %v", size, len(got), err)
		}
	}
	if cases != 16 {
		t.Errorf("%d blocks", cases)
	}
}

// TestPlaintextLeavesBuffers: buffers that go back for others hold nothing of
// what was sealed late, nor of a write that was given up.
func TestPlaintextLeavesBuffers(t *testing.T) {
	secret := []byte("a record nobody else may see")
	for name, end := range map[string]func(w *Writer) error{
		"commit": (*Writer).Commit,
		"close":  (*Writer).Close,
	} {
		for _, late := range []bool{false, true} {
			for _, size := range []int{1000, 100_000} {
				dek, err := NewDEK()
				if err != nil {
					t.Fatal(err)
				}
				s, err := newSink(lateBackend{Memory(), late}, &Options{Mode: Sealed, DEK: dek, Contract: "c", Datasink: "d", BlockSize: 40_000, Streams: 2})
				if err != nil {
					t.Fatal(err)
				}
				var buffers [][]byte
				s.buffers.New = func() any {
					buf := make([]byte, s.blockSize)
					buffers = append(buffers, buf)
					return &buf
				}
				w, err := s.Create(t.Context(), "a", nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(bytes.Repeat(secret, size/len(secret))); err != nil {
					t.Fatal(err)
				}
				if err := end(w); err != nil {
					t.Fatal(err)
				}
				if len(buffers) == 0 {
					t.Errorf("%s: no buffer was used", name)
				}
				for _, buf := range buffers {
					if bytes.Contains(buf, secret) {
						t.Errorf("%s, late %v, %d bytes: a buffer goes to others with plaintext in it", name, late, size)
					}
				}
			}
		}
	}
}

// lateBackend is memory that takes blocks while they are sealed.
type lateBackend struct {
	Backend
	takes bool
}

func (b lateBackend) Begin(ctx context.Context, name string, opts UploadOptions) (Upload, error) {
	u, err := b.Backend.Begin(ctx, name, opts)
	return lateUpload{u, b.takes}, err
}

type lateUpload struct {
	Upload
	takes bool
}

func (u lateUpload) late() bool { return u.takes }

func (u lateUpload) stageBody(ctx context.Context, index int, body io.ReadSeeker) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return u.Stage(ctx, Block{Index: index, Data: data})
}
