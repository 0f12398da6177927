package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

func random(n int, seed uint64) []byte {
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	p := make([]byte, n)
	rng.Read(p)
	return p
}

var (
	testKey     = random(KeySize, 1)
	testContext = []byte("place")
)

func seal(t testing.TB, plain, key, context []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, key, context)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// open reads a message in both ways. They agree, or a message is refused by
// both: the stream may have handed out a prefix before.
func open(t testing.TB, message, key, context []byte) ([]byte, error) {
	t.Helper()
	plain, err := openStream(message, key, context)
	at, errAt := openAt(message, key, context)
	if (err == nil) != (errAt == nil) || err == nil && !bytes.Equal(plain, at) {
		t.Fatalf("the stream gives %d bytes and %v, ReaderAt %d and %v", len(plain), err, len(at), errAt)
	}
	return plain, err
}

func openStream(message, key, context []byte) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(message), key, context)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func openAt(message, key, context []byte) ([]byte, error) {
	r, err := NewReaderAt(bytes.NewReader(message), int64(len(message)), key, context)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
}

var lengths = []int{0, 1, 15, 16, 17, ChunkSize - 1, ChunkSize, ChunkSize + 1, 2*ChunkSize - 1, 2 * ChunkSize, 3*ChunkSize + 7}

func TestRoundTrip(t *testing.T) {
	for _, n := range lengths {
		plain := random(n, 2)
		message := seal(t, plain, testKey, testContext)
		if size, err := Size(int64(n)); err != nil || size != int64(len(message)) {
			t.Errorf("%d bytes: Size is %d, %v, the message has %d", n, size, err, len(message))
		}
		if got, err := PlaintextSize(int64(len(message))); err != nil || got != int64(n) {
			t.Errorf("%d bytes: PlaintextSize is %d, %v", n, got, err)
		}
		if got, err := open(t, message, testKey, testContext); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %d, %v", n, len(got), err)
		}
		if again := seal(t, plain, testKey, testContext); bytes.Equal(again, message) {
			t.Errorf("%d bytes: two messages have the same salt", n)
		}
	}
}

// TestEveryBit flips each bit of a message, the header's too.
func TestEveryBit(t *testing.T) {
	message := seal(t, random(40, 3), testKey, testContext)
	for bit := range len(message) * 8 {
		message[bit/8] ^= 1 << (bit % 8)
		_, err := open(t, message, testKey, testContext)
		if want := errOf(bit/8 < HeaderSize); !errors.Is(err, want) {
			t.Fatalf("bit %d: %v, want %v", bit, err, want)
		}
		message[bit/8] ^= 1 << (bit % 8)
	}
}

func errOf(header bool) error {
	if header {
		return ErrKey
	}
	return ErrDamaged
}

// TestRandomBits flips bits of a long message.
func TestRandomBits(t *testing.T) {
	message := seal(t, random(9*ChunkSize+77, 4), testKey, testContext)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		bit := rng.IntN(len(message) * 8)
		message[bit/8] ^= 1 << (bit % 8)
		if _, err := open(t, message, testKey, testContext); !errors.Is(err, errOf(bit/8 < HeaderSize)) {
			t.Fatalf("bit %d: %v", bit, err)
		}
		message[bit/8] ^= 1 << (bit % 8)
	}
}

// TestEveryLength truncates a message to each length, and extends it.
func TestEveryLength(t *testing.T) {
	message := seal(t, random(ChunkSize+40, 7), testKey, testContext)
	for n := range len(message) {
		if n > 2*HeaderSize && n < len(message)-200 && n%97 != 0 {
			continue
		}
		if _, err := open(t, message[:n], testKey, testContext); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d of %d bytes: %v", n, len(message), err)
		}
	}
	for n := range 40 {
		if _, err := open(t, append(message[:len(message):len(message)], make([]byte, n+1)...), testKey, testContext); err == nil {
			t.Fatalf("%d bytes more: no error", n+1)
		}
	}
}

// TestChunks moves whole chunks about.
func TestChunks(t *testing.T) {
	const chunks = 4
	plain := random(chunks*ChunkSize+5, 8)
	message := seal(t, plain, testKey, testContext)
	other := seal(t, plain, testKey, testContext)
	elsewhere := seal(t, plain, testKey, []byte("other place"))
	otherKey := seal(t, plain, random(KeySize, 9), testContext)
	chunk := func(m []byte, i int) []byte { return m[Offset(int64(i)):min(Offset(int64(i+1)), int64(len(m)))] }
	build := func(parts ...[]byte) []byte {
		return append(message[:HeaderSize:HeaderSize], bytes.Join(parts, nil)...)
	}
	ran := 0
	refuse := func(what string, m []byte) {
		t.Helper()
		ran++
		if _, err := open(t, m, testKey, testContext); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	all := make([][]byte, chunks+1)
	for i := range all {
		all[i] = chunk(message, i)
	}
	if _, err := open(t, build(all...), testKey, testContext); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		for j := range all {
			parts := append([][]byte(nil), all...)
			if i != j {
				parts[i], parts[j] = parts[j], parts[i]
				refuse(fmt.Sprintf("swap %d and %d", i, j), build(parts...))
				parts = append([][]byte(nil), all...)
				parts[i] = parts[j]
				refuse(fmt.Sprintf("%d in the place of %d", j, i), build(parts...))
			}
			inserted := append(append(append([][]byte(nil), all[:i]...), all[j]), all[i:]...)
			refuse(fmt.Sprintf("%d twice, before %d", j, i), build(inserted...))
		}
		refuse(fmt.Sprintf("without %d", i), build(append(append([][]byte(nil), all[:i]...), all[i+1:]...)...))
		refuse(fmt.Sprintf("only %d", i), build(all[i]))
		for what, m := range map[string][]byte{"message": other, "context": elsewhere, "key": otherKey} {
			parts := append([][]byte(nil), all...)
			parts[i] = chunk(m, i)
			refuse(fmt.Sprintf("chunk %d of another %s", i, what), build(parts...))
		}
	}
	for what, m := range map[string][]byte{"context": elsewhere, "key": otherKey} {
		ran++
		if _, err := open(t, m, testKey, testContext); !errors.Is(err, ErrKey) {
			t.Errorf("a message of another %s: %v", what, err)
		}
	}
	if want := 92; ran != want {
		t.Errorf("%d attacks ran, want %d", ran, want)
	}
}

func TestKeys(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := NewSealer(make([]byte, n), nil); err == nil {
			t.Errorf("a key of %d bytes seals", n)
		}
		if _, err := NewReader(bytes.NewReader(make([]byte, 100)), make([]byte, n), nil); err == nil || errors.Is(err, ErrKey) {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
	}
}

func TestLayout(t *testing.T) {
	for _, n := range []int64{0, 1, ChunkSize - 1, ChunkSize, 1 << 40, MaxPlaintext} {
		size, err := Size(n)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := PlaintextSize(size); err != nil || got != n {
			t.Errorf("%d bytes: PlaintextSize(%d) is %d, %v", n, size, got, err)
		}
	}
	for _, n := range []int64{-1, MaxPlaintext + 1} {
		if _, err := Size(n); err == nil {
			t.Errorf("Size(%d): no error", n)
		}
	}
	for _, n := range []int64{-1, 0, HeaderSize, MinSize - 1, Offset(1), Offset(1) + Overhead - 1, Offset(maxChunks), 1<<63 - 1} {
		if got, err := PlaintextSize(n); err == nil {
			t.Errorf("PlaintextSize(%d) is %d", n, got)
		}
	}
}

// TestLimits: the last number of a chunk, and the lengths that Seal and Open
// do not take.
func TestLimits(t *testing.T) {
	s, err := NewSealer(testKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	header := s.Header()
	o, err := NewOpener(testKey, nil, header[:])
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.Seal(nil, maxChunks-1, []byte("end"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := o.Open(nil, maxChunks-1, last); err != nil || string(got) != "end" {
		t.Errorf("%q, %v", got, err)
	}
	full := make([]byte, ChunkSize)
	for _, bad := range []struct {
		i int64
		p []byte
	}{{maxChunks, nil}, {-1, nil}, {maxChunks - 1, full}, {0, append(full, 0)}} {
		if _, err := s.Seal(nil, bad.i, bad.p); err == nil {
			t.Errorf("Seal %d bytes as chunk %d: no error", len(bad.p), bad.i)
		}
	}
	for _, bad := range []struct {
		i int64
		n int
	}{{maxChunks, 16}, {-1, 16}, {0, 15}, {0, 0}, {0, SealedChunkSize + 1}} {
		if _, err := o.Open(nil, bad.i, make([]byte, bad.n)); err == nil {
			t.Errorf("Open %d bytes as chunk %d: no error", bad.n, bad.i)
		}
	}
}

// failing fails after n bytes.
type failing struct{ n int }

var errFailing = errors.New("the disk is full")

func (f *failing) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errFailing
	}
	return len(p), nil
}

func TestWriterErrors(t *testing.T) {
	if _, err := NewWriter(&failing{HeaderSize - 1}, testKey, nil); err != errFailing {
		t.Errorf("header: %v", err)
	}
	w, err := NewWriter(&failing{HeaderSize}, testKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, ChunkSize)); err != errFailing {
		t.Errorf("chunk: %v", err)
	}
	if n, err := w.Write([]byte("x")); n != 0 || err != errFailing {
		t.Errorf("after it: %d, %v", n, err)
	}
	if err := w.Close(); err != errFailing {
		t.Errorf("close: %v", err)
	}
	w, err = NewWriter(io.Discard, testKey, nil)
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

// TestAllocations: none for a chunk.
func TestAllocations(t *testing.T) {
	s, _ := NewSealer(testKey, nil)
	header := s.Header()
	o, _ := NewOpener(testKey, nil, header[:])
	buf := make([]byte, ChunkSize, SealedChunkSize)
	out := make([]byte, 0, SealedChunkSize)
	n := testing.AllocsPerRun(200, func() {
		sealed, err := s.Seal(out, 3, buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Open(sealed[:0], 3, sealed); err != nil {
			t.Fatal(err)
		}
	})
	if n >= 1 { // the pool may be emptied by a collection
		t.Errorf("%v allocations for sealing and opening a chunk", n)
	}
}

func FuzzReaders(f *testing.F) {
	for _, n := range []int{0, 1, ChunkSize, ChunkSize + 3} {
		f.Add(seal(f, random(n, 10), testKey, testContext))
	}
	for _, v := range readVectors(f) {
		if len(v.Message) < 3*SealedChunkSize {
			f.Add([]byte(v.Message))
		}
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		plain, err := open(t, message, testKey, testContext)
		if err != nil {
			return
		}
		sealer, err := newSealer(testKey, testContext, [saltSize]byte(message))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w, _ := newWriter(&b, sealer)
		w.Write(plain)
		w.Close()
		if !bytes.Equal(b.Bytes(), message) {
			t.Fatal("a message that opens is not what sealing gives")
		}
	})
}

// BenchmarkChunks prints the speed of sealing and opening as a ratio to raw
// AES-256-GCM on one reused buffer, in the same run.
func BenchmarkChunks(b *testing.B) {
	block, _ := aes.NewCipher(testKey)
	gcm, _ := cipher.NewGCM(block)
	s, _ := NewSealer(testKey, nil)
	header := s.Header()
	o, _ := NewOpener(testKey, nil, header[:])
	plain := random(ChunkSize, 11)
	sealed, _ := s.Seal(nil, 1, plain)
	nonce := make([]byte, nonceSize)
	raw := gcm.Seal(nil, nonce, plain, nil)
	out := make([]byte, 0, SealedChunkSize)
	runs := map[string]func(){
		"raw seal": func() { gcm.Seal(out, nonce, plain, nil) },
		"seal":     func() { s.Seal(out, 1, plain) },
		"raw open": func() { gcm.Open(out, nonce, raw, nil) },
		"open":     func() { o.Open(out, 1, sealed) },
	}
	for _, name := range []string{"seal", "open"} {
		b.Run(name, func(b *testing.B) {
			// Interleaved, so that both see the same machine.
			var ours, theirs time.Duration
			for range b.N {
				const batch = 50
				start := time.Now()
				for range batch {
					runs["raw "+name]()
				}
				middle := time.Now()
				for range batch {
					runs[name]()
				}
				theirs += middle.Sub(start)
				ours += time.Since(middle)
			}
			b.ReportMetric(float64(theirs)/float64(ours), "of-raw")
			b.ReportMetric(0, "ns/op")
		})
	}
	for _, procs := range []int{1, 2} {
		b.Run(fmt.Sprintf("seal/goroutines=%d", procs), func(b *testing.B) {
			b.SetBytes(ChunkSize * int64(procs))
			done := make(chan bool)
			for range procs {
				go func() {
					out := make([]byte, 0, SealedChunkSize)
					for i := range b.N {
						s.Seal(out, int64(i), plain)
					}
					done <- true
				}()
			}
			for range procs {
				<-done
			}
		})
	}
}
