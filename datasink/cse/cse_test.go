package cse

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

var testKey = bytes.Repeat([]byte{7}, KeySize)

const block = 64

// TestEveryBit flips each bit of a message. In the trailer a flip may give a
// shorter or a longer message, never other bytes.
func TestEveryBit(t *testing.T) {
	plain := plaintext("bits", 2*block+40)
	message := encrypt(t, plain, testKey, block, nil)
	for bit := range len(message) * 8 {
		message[bit/8] ^= 1 << (bit % 8)
		got, report, err := decrypt(t, message, testKey, block)
		inTrailer := bit/8 >= len(message)-TrailerSize
		switch {
		case !inTrailer && !errors.Is(err, ErrDamaged):
			t.Fatalf("bit %d: %v", bit, err)
		case inTrailer && err != nil && !errors.Is(err, ErrPadding):
			t.Fatalf("bit %d of the trailer: %v", bit, err)
		case inTrailer && err == nil:
			extra := bytes.TrimPrefix(got, plain)
			if !bytes.HasPrefix(got, plain) || !isZero(extra) || report.Size != int64(len(got)) {
				t.Fatalf("bit %d of the trailer gives %d bytes", bit, len(got))
			}
		}
		message[bit/8] ^= 1 << (bit % 8)
	}
}

func TestEveryLength(t *testing.T) {
	message := encrypt(t, plaintext("lengths", 3*block-1), testKey, block, nil)
	for n := 1; n < len(message); n++ {
		_, _, err := decrypt(t, message[:n], testKey, block)
		// A cut that leaves a whole number of chunks and 8 bytes is refused by
		// the trailer that these 8 bytes are taken for.
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrPadding) {
			t.Fatalf("%d of %d bytes: %v", n, len(message), err)
		}
	}
	for n := 1; n < 2*(block+Overhead); n++ {
		if _, _, err := decrypt(t, append(message[:len(message):len(message)], make([]byte, n)...), testKey, block); err == nil {
			t.Fatalf("%d bytes more: no error", n)
		}
	}
}

func TestOtherKeyAndBlockSize(t *testing.T) {
	message := encrypt(t, plaintext("key", 100), testKey, block, nil)
	if _, _, err := decrypt(t, message, bytes.Repeat([]byte{8}, KeySize), block); !errors.Is(err, ErrDamaged) {
		t.Errorf("another key: %v", err)
	}
	// A stream does not know its length before its end.
	if _, _, err := decryptStream(message, testKey, block/2); !errors.Is(err, ErrDamaged) {
		t.Errorf("another block size: %v", err)
	}
	if _, _, err := decryptAt(message, testKey, block/2); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("another block size: %v", err)
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := NewCipher(make([]byte, n), block); err == nil {
			t.Errorf("a key of %d bytes: no error", n)
		}
	}
	for _, n := range []int{-1, 0, MaxBlockSize + 1} {
		if _, err := NewCipher(testKey, n); err == nil {
			t.Errorf("a block of %d bytes: no error", n)
		}
	}
}

func TestLayout(t *testing.T) {
	for _, b := range []int{1, 64, BlockSizeG1, BlockSize} {
		for _, n := range []int64{0, 1, int64(b) - 1, int64(b), int64(b) + 1, 10 * int64(b), 1 << 44} {
			size, err := Size(n, b)
			if err != nil {
				t.Fatal(err)
			}
			chunks, err := Chunks(size, b)
			if want := (n + int64(b) - 1) / int64(b); err != nil || chunks != want {
				t.Errorf("%d bytes in blocks of %d: %d chunks, %v, want %d", n, b, chunks, err, want)
			}
			if b > 64 && n > 0 && n < 1<<40 && GuessBlockSize(size) != b {
				t.Errorf("%d bytes: the block size looks like %d, want %d", n, GuessBlockSize(size), b)
			}
		}
	}
	for _, n := range []int64{-1, 1<<63 - 1} {
		if _, err := Size(n, 1); err == nil {
			t.Errorf("Size(%d): no error", n)
		}
	}
	for _, n := range []int64{-1, 1, 7, 9, block + Overhead, block + Overhead + TrailerSize + 1} {
		if _, err := Chunks(n, block); err == nil {
			t.Errorf("Chunks(%d): no error", n)
		}
	}
	if b := GuessBlockSize(8); b != 0 {
		t.Errorf("an empty message looks like blocks of %d", b)
	}
}

type failing struct{ n int }

var errFailing = errors.New("the disk is full")

func (f *failing) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errFailing
	}
	return len(p), nil
}

func TestWriterErrors(t *testing.T) {
	w, err := NewWriter(&failing{block + Overhead}, testKey, block)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 2*block)); err != errFailing {
		t.Errorf("second chunk: %v", err)
	}
	if n, err := w.Write([]byte("x")); n != 0 || err != errFailing {
		t.Errorf("after it: %d, %v", n, err)
	}
	if err := w.Close(); err != errFailing {
		t.Errorf("close: %v", err)
	}
	w, err = NewWriter(io.Discard, testKey, block)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if _, err := w.Write([]byte("x")); err != errClosed {
		t.Errorf("write after close: %v", err)
	}
}

// TestConcurrentReads reads random ranges from several goroutines.
func TestConcurrentReads(t *testing.T) {
	plain := plaintext("concurrent", 20*block+5)
	message := encrypt(t, plain, testKey, block, nil)
	r, err := NewReaderAt(bytes.NewReader(message), int64(len(message)), testKey, block)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			for range 200 {
				off := rng.IntN(len(plain))
				p := make([]byte, rng.IntN(3*block))
				n, err := r.ReadAt(p, int64(off))
				if err != nil && err != io.EOF || !bytes.Equal(p[:n], plain[off:min(off+len(p), len(plain))]) {
					t.Errorf("%d bytes at %d: %d, %v", len(p), off, n, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestAllocations(t *testing.T) {
	c, err := NewCipher(testKey, 4<<10)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, c.ChunkSize())
	n := testing.AllocsPerRun(100, func() {
		if err := c.Seal(chunk); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Open(0, chunk); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for sealing and opening a chunk", n)
	}
}

func FuzzReaders(f *testing.F) {
	file, key := readVectors(f)
	for _, v := range file.Vectors {
		if v.BlockSize == block && v.Cipher != nil {
			f.Add(*v.Cipher)
		}
	}
	for _, v := range file.Tampered {
		f.Add(v.Cipher)
	}
	for _, v := range file.Damaged {
		f.Add(v.Cipher)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		plain, report, err := decrypt(t, message, key, block)
		if err == nil && report.Size != int64(len(plain)) {
			t.Fatalf("%d bytes, and a report of %d", len(plain), report.Size)
		}
	})
}

// BenchmarkChunks prints the speed of sealing a block that is not in the
// processor's cache, in place, as a ratio to raw AES-256-GCM of the same.
func BenchmarkChunks(b *testing.B) {
	c, err := NewCipher(testKey, BlockSize)
	if err != nil {
		b.Fatal(err)
	}
	chunk := make([]byte, c.ChunkSize())
	nonce := make([]byte, NonceSize)
	var ours, theirs time.Duration
	for b.Loop() {
		start := time.Now()
		block := c.Block(chunk)
		c.aead().Seal(block[:0], nonce, block, nil)
		middle := time.Now()
		if err := c.Seal(chunk); err != nil {
			b.Fatal(err)
		}
		theirs += middle.Sub(start)
		ours += time.Since(middle)
	}
	b.SetBytes(BlockSize * 2)
	b.ReportMetric(float64(theirs)/float64(ours), "of-raw")
}
