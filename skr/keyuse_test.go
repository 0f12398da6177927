package skr

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
)

// A decrypter opens OAEP and nothing else: the older padding would answer
// whoever asks often enough.
func TestDecrypterWantsOAEP(t *testing.T) {
	private := wrapKey(t, 2048)
	key := releasedAs(private)
	d, err := key.Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 what must not be opened
	old, err := rsa.EncryptPKCS1v15(rand.Reader, &private.PublicKey, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string]crypto.DecrypterOpts{
		"nil": nil, "a hash": crypto.SHA256,
		//lint:ignore SA1019 what must be refused
		"PKCS #1 v1.5": &rsa.PKCS1v15DecryptOptions{}, "PKCS #1 v1.5 with a length": &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 6},
	} {
		if plain, err := d.Decrypt(rand.Reader, old, opts); err == nil || plain != nil || !strings.Contains(err.Error(), "OAEPOptions") {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	wrapped, err := WrapOAEP(&private.PublicKey, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := d.Decrypt(nil, wrapped, &rsa.OAEPOptions{Hash: crypto.SHA256}); string(plain) != "secret" || err != nil {
		t.Errorf("OAEP: %q, %v", plain, err)
	}
	// What the caller does to the public half does not reach the key.
	d.Public().(*rsa.PublicKey).E = 3
	if again := d.Public().(*rsa.PublicKey); again.E == 3 {
		t.Error("the public half is the caller's")
	}
}

// Close while the key is in use: each use ends with the value or with
// ErrClosed, and never with a key that is being cleared.
func TestCloseWhileUsed(t *testing.T) {
	for range 50 {
		m := &releasedMaterial{kind: kindOct, oct: bytes.Repeat([]byte{7}, 32)}
		wrapped, err := WrapAES(m.oct, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		key := m.handle()
		held := m.oct
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				plain, err := key.Unwrap(context.Background(), wrapped)
				if string(plain) != "secret" && !errors.Is(err, ErrClosed) {
					t.Errorf("%q, %v", plain, err)
				}
			})
		}
		wg.Go(func() { key.Close() })
		wg.Wait()
		if !bytes.Equal(held, make([]byte, 32)) {
			t.Fatal("not cleared")
		}
	}
}

// strayAttester answers for other runtime data than it was given.
type strayAttester struct {
	inner Attester
	bend  func(*Evidence) *Evidence
}

func (a strayAttester) Attest(ctx context.Context, runtimeData []byte) (*Evidence, error) {
	ev, err := a.inner.Attest(ctx, runtimeData)
	if err != nil {
		return nil, err
	}
	return a.bend(ev), nil
}

// Evidence about somebody else's transfer key, good in itself, is refused before
// any service is asked: the vault would wrap the key for him.
func TestStrayEvidence(t *testing.T) {
	w := newWorld(t)
	theirs, err := newTransferKey()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := w.guest().Attest(context.Background(), theirs.runtimeData)
	if err != nil {
		t.Fatal(err)
	}
	for name, bend := range map[string]func(*Evidence) *Evidence{
		"none":         func(*Evidence) *Evidence { return nil },
		"another's":    func(*Evidence) *Evidence { return whole },
		"none is said": func(e *Evidence) *Evidence { e.RuntimeData = nil; return e },
	} {
		r, err := NewReleaser(strayAttester{w.guest(), bend}, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool()})
		if err != nil {
			t.Fatal(err)
		}
		if key, err := r.Release(context.Background(), w.ref(), &bearer{"t"}); err == nil || key != nil || !strings.Contains(err.Error(), "other runtime data") {
			t.Errorf("%s: %v", name, err)
		}
		r.Close()
	}
	if len(w.requests) != 0 {
		t.Errorf("services were asked: %v", w.requests)
	}
}

// The SKR sidecar's report must be about these bytes, all 64 of REPORT_DATA.
func TestSidecarReportIsCompared(t *testing.T) {
	data := []byte(`{"keys":[]}`)
	good := make([]byte, reportSize)
	sum := sha256.Sum256(data)
	copy(good[reportDataOffset:], sum[:])
	edited := func(edit func([]byte) []byte) string { return hex.EncodeToString(edit(bytes.Clone(good))) }
	for name, text := range map[string]string{
		"good":              edited(func(b []byte) []byte { return b }),
		"one bit":           edited(func(b []byte) []byte { b[reportDataOffset] ^= 1; return b }),
		"a bit in the tail": edited(func(b []byte) []byte { b[reportDataOffset+63] ^= 1; return b }),
		"cut":               edited(func(b []byte) []byte { return b[:reportSize-1] }),
		"long":              edited(func(b []byte) []byte { return append(b, 0) }),
		"no hexadecimal":    "zz",
		"odd":               edited(func(b []byte) []byte { return b })[1:],
	} {
		report, err := sayer(t, said{status: 200, body: `{"report":"` + text + `"}`}).client(t).Report(t.Context(), data)
		if (err == nil) != (name == "good") || (report == nil) != (err != nil) {
			t.Errorf("%s: %d bytes, %v", name, len(report), err)
		}
	}
}
