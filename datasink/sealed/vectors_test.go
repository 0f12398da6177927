package sealed

import (
	"bytes"
	"compress/zlib"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"testing/iotest"
)

// vector is one of Project Wycheproof's.
type vector struct {
	ID      int      `json:"tcId"`
	Comment string   `json:"comment"`
	Key     hexBytes `json:"key"`
	Context hexBytes `json:"ctx"`
	Message hexBytes `json:"ct"` // zlib
	Length  *int     `json:"msgLength"`
	Digest  hexBytes `json:"msgSha512"`
	Result  string   `json:"result"`
	Flags   []string `json:"flags"`
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

func (v *vector) has(flag string) bool { return slices.Contains(v.Flags, flag) }

// length is that of the plaintext which a reader hands out, at most.
func (v *vector) length() int {
	if v.Length == nil {
		return 0
	}
	return *v.Length
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/c2sp_chunked_encryption_aes_256_gcm_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []struct {
			Tests []vector `json:"tests"`
		} `json:"testGroups"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []vector
	for _, g := range file.TestGroups {
		for _, v := range g.Tests {
			z, err := zlib.NewReader(bytes.NewReader(v.Message))
			if err != nil {
				t.Fatal(err)
			}
			if v.Message, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
			all = append(all, v)
		}
	}
	return all
}

// TestVectors runs each vector in four modes: as a stream, through ReaderAt,
// sealed again to the same bytes, and in ranges within and without what is
// valid.
func TestVectors(t *testing.T) {
	counts := map[string]int{}
	for _, v := range readVectors(t) {
		counts["all"]++
		counts[v.Result]++
		plain := streamVector(t, &v)
		readerAtVector(t, &v, plain)
		if v.Result == "valid" {
			counts["sealed again"]++
			sealAgain(t, &v, plain)
		}
		counts["ranges"] += rangesOfVector(t, &v, plain)
	}
	want := map[string]int{"all": 35, "valid": 10, "invalid": 25, "sealed again": 10, "ranges": counts["ranges"]}
	for name, n := range want {
		if counts[name] != n {
			t.Errorf("%s: ran %d vectors, want %d", name, counts[name], n)
		}
	}
	if counts["ranges"] < 100 {
		t.Errorf("only %d ranges were read", counts["ranges"])
	}
}

// kind checks that a failure is of the kind that the vector's flags say.
func kind(t *testing.T, v *vector, err error) {
	t.Helper()
	switch {
	case v.has("InvalidKeySize"):
		if err == nil || errors.Is(err, ErrKey) {
			t.Errorf("vector %d (%s): %v", v.ID, v.Comment, err)
		}
	case v.has("HeaderFailure") && !v.has("Truncation"):
		if !errors.Is(err, ErrKey) {
			t.Errorf("vector %d (%s): %v, want ErrKey", v.ID, v.Comment, err)
		}
	default:
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("vector %d (%s): %v, want damage or truncation", v.ID, v.Comment, err)
		}
	}
}

func streamVector(t *testing.T, v *vector) []byte {
	t.Helper()
	r, err := NewReader(iotest.HalfReader(bytes.NewReader(v.Message)), v.Key, v.Context)
	if (err != nil) != v.has("HeaderFailure") {
		t.Fatalf("vector %d (%s): header: %v", v.ID, v.Comment, err)
	}
	if err != nil {
		kind(t, v, err)
		return nil
	}
	plain, err := io.ReadAll(r)
	if (err == nil) != (v.Result == "valid") {
		t.Fatalf("vector %d (%s): %v", v.ID, v.Comment, err)
	}
	if err != nil {
		kind(t, v, err)
		if _, again := r.Read(make([]byte, 1)); again != err {
			t.Errorf("vector %d (%s): then %v: the error is not sticky", v.ID, v.Comment, again)
		}
	}
	if len(plain) != v.length() {
		t.Errorf("vector %d (%s): %d bytes, want %d", v.ID, v.Comment, len(plain), v.length())
	}
	if v.Length != nil {
		if sum := sha512.Sum512(plain); !bytes.Equal(sum[:], v.Digest) {
			t.Errorf("vector %d (%s): another plaintext", v.ID, v.Comment)
		}
	}
	copied, err2 := NewReader(bytes.NewReader(v.Message), v.Key, v.Context)
	if err2 != nil {
		t.Fatal(err2)
	}
	var b bytes.Buffer
	if _, err2 = copied.WriteTo(&b); (err2 == nil) != (err == nil) || !bytes.Equal(b.Bytes(), plain) {
		t.Errorf("vector %d (%s): WriteTo gives %d bytes and %v", v.ID, v.Comment, b.Len(), err2)
	}
	return plain
}

// readerAtVector opens the message by its end. That may succeed for an invalid
// message whose last chunk is right; then reading the rest fails.
func readerAtVector(t *testing.T, v *vector, plain []byte) {
	t.Helper()
	r, err := NewReaderAt(bytes.NewReader(v.Message), int64(len(v.Message)), v.Key, v.Context)
	if opens := v.Result == "valid" || v.has("ValidFinalChunk"); (err == nil) != opens {
		t.Fatalf("vector %d (%s): open: %v", v.ID, v.Comment, err)
	}
	if err != nil {
		kind(t, v, err)
		return
	}
	got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if (err == nil) != (v.Result == "valid") {
		t.Fatalf("vector %d (%s): read: %v", v.ID, v.Comment, err)
	}
	if v.Result == "valid" && !bytes.Equal(got, plain) || !bytes.Equal(got[:min(len(got), len(plain))], plain[:min(len(got), len(plain))]) {
		t.Errorf("vector %d (%s): ReaderAt gives another plaintext", v.ID, v.Comment)
	}
}

func sealAgain(t *testing.T, v *vector, plain []byte) {
	t.Helper()
	sealer, err := newSealer(v.Key, v.Context, [saltSize]byte(v.Message))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := newWriter(&b, sealer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(plain))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), v.Message) {
		t.Errorf("vector %d (%s): sealed again it is another message", v.ID, v.Comment)
	}
	if n, err := Size(int64(len(plain))); err != nil || n != int64(len(v.Message)) {
		t.Errorf("vector %d: Size is %d, %v", v.ID, n, err)
	}
}

// rangesOfVector reads pieces around the borders of chunks: those within the
// valid prefix give its bytes, those that touch an invalid chunk fail.
func rangesOfVector(t *testing.T, v *vector, plain []byte) int {
	t.Helper()
	r, err := NewReaderAt(bytes.NewReader(v.Message), int64(len(v.Message)), v.Key, v.Context)
	if err != nil {
		return 0
	}
	n := 0
	for _, off := range []int64{0, 1, ChunkSize - 1, ChunkSize, ChunkSize + 1, 2*ChunkSize - 1, 256 * ChunkSize, r.Size() - 1, r.Size(), r.Size() + 1} {
		for _, length := range []int64{1, 2, ChunkSize, ChunkSize + 2} {
			if off < 0 {
				continue
			}
			n++
			p := make([]byte, length)
			got, err := r.ReadAt(p, off)
			end := min(off+length, r.Size())
			valid := v.Result == "valid" || end <= int64(len(plain))
			switch {
			case off >= r.Size():
				if got != 0 || err != io.EOF {
					t.Errorf("vector %d: %d bytes at %d: %d, %v", v.ID, length, off, got, err)
				}
			case valid:
				if !bytes.Equal(p[:got], plain[off:end]) || (err == io.EOF) != (off+length > r.Size()) || err != nil && err != io.EOF {
					t.Errorf("vector %d: %d bytes at %d: %d, %v", v.ID, length, off, got, err)
				}
			case end <= int64(len(v.Message)) && off/ChunkSize == Chunk(r.Size()):
				// The last chunk of such a message is right.
			default:
				if err == nil {
					t.Errorf("vector %d: %d bytes at %d: no error", v.ID, length, off)
				}
			}
		}
	}
	return n
}
