package cse

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

// vectorFile is testdata/cse.json: messages of the two existing writers, the
// same tampered with, and what a mount left damaged.
type vectorFile struct {
	Key      string     `json:"key_hex"`
	Vectors  []good     `json:"vectors"`
	Tampered []tampered `json:"tampered"`
	Damaged  []damaged  `json:"damaged"`
}

type good struct {
	Name        string   `json:"name"`
	BlockSize   int      `json:"block_size"`
	PlainLen    int      `json:"plain_len"`
	PlainSeed   string   `json:"plain_seed"`
	PlainSHA256 string   `json:"plain_sha256"`
	Cipher      *[]byte  `json:"cipher_b64"`
	CipherLen   int64    `json:"cipher_len"`
	SHA256      string   `json:"cipher_sha256"`
	Nonces      []string `json:"nonces"`
	Pad         *int     `json:"pad_len"`
}

type tampered struct {
	Name      string  `json:"name"`
	BlockSize int     `json:"block_size"`
	Cipher    []byte  `json:"cipher_b64"`
	Plain     *[]byte `json:"upstream_plain_b64"`
}

type damaged struct {
	Name      string `json:"name"`
	BlockSize int    `json:"block_size"`
	Cipher    []byte `json:"cipher_b64"`
	Intended  []byte `json:"intended_b64"`
}

func readVectors(t testing.TB) (*vectorFile, []byte) {
	t.Helper()
	text, err := os.ReadFile("testdata/cse.json")
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(f.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &f, key
}

// plaintext is the first n bytes of SHA-256(seed:0), SHA-256(seed:1), ...
func plaintext(seed string, n int) []byte {
	var p []byte
	for i := 0; len(p) < n; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s:%d", seed, i))
		p = append(p, sum[:]...)
	}
	return p[:n]
}

// encrypt writes with given nonces.
func encrypt(t testing.TB, plain, key []byte, blockSize int, nonces []string) []byte {
	t.Helper()
	c, err := NewCipher(key, blockSize)
	if err != nil {
		t.Fatal(err)
	}
	if nonces != nil {
		c.random = func(p []byte) error {
			if len(nonces) == 0 {
				return errors.New("more chunks than nonces")
			}
			_, err := hex.Decode(p, []byte(nonces[0]))
			nonces = nonces[1:]
			return err
		}
	}
	var b bytes.Buffer
	w := newWriter(&b, c)
	if _, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(plain))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decryptStream(message, key []byte, blockSize int) ([]byte, Report, error) {
	r, err := NewReader(iotest.HalfReader(bytes.NewReader(message)), key, blockSize)
	if err != nil {
		return nil, Report{}, err
	}
	plain, err := io.ReadAll(r)
	return plain, r.Report(), err
}

func decryptAt(message, key []byte, blockSize int) ([]byte, Report, error) {
	r, err := NewReaderAt(bytes.NewReader(message), int64(len(message)), key, blockSize)
	if err != nil {
		return nil, Report{}, err
	}
	plain, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	return plain, r.Report(), err
}

// decrypt reads in both ways, which agree.
func decrypt(t testing.TB, message, key []byte, blockSize int) ([]byte, Report, error) {
	t.Helper()
	plain, report, err := decryptStream(message, key, blockSize)
	at, reportAt, errAt := decryptAt(message, key, blockSize)
	if (err == nil) != (errAt == nil) || err == nil && (!bytes.Equal(plain, at) || report != reportAt) {
		t.Fatalf("the stream gives %d bytes, %+v and %v, ReaderAt %d, %+v and %v", len(plain), report, err, len(at), reportAt, errAt)
	}
	r, err2 := NewReader(bytes.NewReader(message), key, blockSize)
	if err2 != nil {
		t.Fatal(err2)
	}
	var b bytes.Buffer
	if _, err2 = r.WriteTo(&b); (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(b.Bytes(), plain) {
		t.Fatalf("WriteTo gives %d bytes and %v, Read %d and %v", b.Len(), err2, len(plain), err)
	}
	return plain, report, err
}

// TestVectors reads each message in both ways and in ranges, and encrypts it
// again to the same bytes. A message that is not in the file is rebuilt from
// its nonces and compared by its digest.
func TestVectors(t *testing.T) {
	f, key := readVectors(t)
	for _, v := range f.Vectors {
		plain := plaintext(v.PlainSeed, v.PlainLen)
		if sum := sha256.Sum256(plain); hex.EncodeToString(sum[:]) != v.PlainSHA256 {
			t.Fatalf("%s: the plaintext is another", v.Name)
		}
		again := encrypt(t, plain, key, v.BlockSize, append([]string{}, v.Nonces...))
		message := again
		if v.Cipher != nil {
			message = *v.Cipher
		}
		if sum := sha256.Sum256(message); hex.EncodeToString(sum[:]) != v.SHA256 || int64(len(message)) != v.CipherLen {
			t.Errorf("%s: %d bytes, another message", v.Name, len(message))
		}
		// A mount writes nothing at all for an empty file.
		if !bytes.Equal(again, message) && len(message) > 0 {
			t.Errorf("%s: encrypted again it is another message", v.Name)
		}
		got, report, err := decrypt(t, message, key, v.BlockSize)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v", v.Name, len(got), err)
		}
		if want := int64(len(plain)); report.Size != want || report.Suspicious() != "" {
			t.Errorf("%s: %+v", v.Name, report)
		}
		ranges(t, &v, message, plain, key)
	}
	if len(f.Vectors) != 36 {
		t.Errorf("ran %d vectors, want 36", len(f.Vectors))
	}
}

func ranges(t *testing.T, v *good, message, plain, key []byte) {
	t.Helper()
	r, err := NewReaderAt(bytes.NewReader(message), int64(len(message)), key, v.BlockSize)
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int{0, 1, v.BlockSize - 1, v.BlockSize, v.BlockSize + 1, len(plain) - 1, len(plain), len(plain) + 1} {
		for _, n := range []int{1, 2, v.BlockSize, v.BlockSize + 2} {
			if off < 0 {
				continue
			}
			p := make([]byte, n)
			got, err := r.ReadAt(p, int64(off))
			want := plain[min(off, len(plain)):min(off+n, len(plain))]
			if !bytes.Equal(p[:got], want) || (err == io.EOF) != (off+n > len(plain)) || err != nil && err != io.EOF {
				t.Errorf("%s: %d bytes at %d: %d, %v", v.Name, n, off, got, err)
			}
		}
	}
}

// TestTampered: what the format shows is refused; the rest gives what the
// existing readers give, and a report where there is something to suspect.
func TestTampered(t *testing.T) {
	f, key := readVectors(t)
	refused := map[string]error{
		"pad-field-enlarged":  ErrPadding, // the existing readers drop the bytes
		"pad-field-too-large": ErrPadding,
		"pad-field-negative":  ErrPadding,
		"missing-trailer":     io.ErrUnexpectedEOF,
		"short-trailer":       io.ErrUnexpectedEOF,
		"tag-flipped":         ErrDamaged,
		"nonce-flipped":       ErrDamaged,
	}
	suspicious := map[string]bool{"pad-field-shrunk": true}
	accepted := 0
	for _, v := range f.Tampered {
		plain, report, err := decrypt(t, v.Cipher, key, v.BlockSize)
		if want := refused[v.Name]; want != nil {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", v.Name, err, want)
			}
			delete(refused, v.Name)
			continue
		}
		accepted++
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if (report.Suspicious() != "") != suspicious[v.Name] {
			t.Errorf("%s: report %q", v.Name, report.Suspicious())
		}
		want := *v.Plain
		if v.Name == "pad-field-shrunk" {
			want = append(want[:len(want):len(want)], make([]byte, len(plain)-len(want))...)
		}
		if !bytes.Equal(plain, want) {
			t.Errorf("%s: %d bytes, want the %d of the existing readers", v.Name, len(plain), len(want))
		}
	}
	if len(f.Tampered) != 15 || accepted != 8 || len(refused) != 0 {
		t.Errorf("ran %d vectors of which %d were accepted, want 15 and 8; not seen: %v", len(f.Tampered), accepted, refused)
	}
}

// TestDamaged: what a mount left damaged is never returned as good.
func TestDamaged(t *testing.T) {
	f, key := readVectors(t)
	want := map[string]error{
		"flush-then-append": ErrMount,
		"restage-longer":    ErrPadding,
		"overwrite-shorter": ErrMount,
		"hole":              ErrMount,
	}
	for _, v := range f.Damaged {
		plain, report, err := decrypt(t, v.Cipher, key, v.BlockSize)
		if v.Name == "reopen-append-block" {
			// Every chunk is right and only the length is not: a suspicion.
			if err != nil || report.Zeros != 57 || report.Suspicious() == "" || !bytes.HasPrefix(plain, v.Intended) {
				t.Errorf("%s: %+v, %v", v.Name, report, err)
			}
			continue
		}
		if want[v.Name] == nil || !errors.Is(err, want[v.Name]) {
			t.Errorf("%s: %v, want %v", v.Name, err, want[v.Name])
		}
	}
	if len(f.Damaged) != 5 {
		t.Errorf("ran %d vectors, want 5", len(f.Damaged))
	}
}
