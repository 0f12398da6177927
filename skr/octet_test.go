package skr

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// releaseOctets makes the world's key one of octets.
func (w *world) releaseOctets(kek []byte) {
	w.editRelease = func(_, p, k object) {
		jwk := jwkOf(p)
		jwk["kty"] = "oct-HSM"
		delete(jwk, "n")
		delete(jwk, "e")
		w.wrapFor(k, kek)
	}
}

// wrapFor puts another plaintext under the transfer key of the last token.
func (w *world) wrapFor(k object, plain []byte) {
	blob, err := keywrap.WrapRSAAES(w.transfer, keywrap.Algorithm(k["header"].(object)["enc"].(string)), plain)
	if err != nil {
		panic(err)
	}
	k["ciphertext"] = base64.RawURLEncoding.EncodeToString(blob)
}

// The bytes of an AES key are cleared when the last handle and the releaser
// have let go of it, and not before.
func TestOctetKeyIsCleared(t *testing.T) {
	w := newWorld(t)
	kek := bytes.Repeat([]byte{0x5c}, 32)
	w.releaseOctets(kek)
	r := w.releaser(t)
	cred := &bearer{"t"}
	one, err := r.Release(context.Background(), w.ref(), cred)
	if err != nil {
		t.Fatal(err)
	}
	two, err := r.Release(context.Background(), w.ref(), cred)
	if err != nil {
		t.Fatal(err)
	}
	if one.Kind() != "oct" {
		t.Fatalf("kind %s", one.Kind())
	}
	held := one.material.oct
	wrapped, err := WrapAES(kek, []byte("pw"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		one.Close()
	}
	if _, err := one.Unwrap(context.Background(), wrapped); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if plain, err := two.Unwrap(context.Background(), wrapped); err != nil || string(plain) != "pw" {
		t.Errorf("the other handle: %q, %v", plain, err)
	}
	r.Close()
	if !bytes.Equal(held, kek) {
		t.Error("cleared while a handle is open")
	}
	material := two.material
	two.Close()
	if !bytes.Equal(held, make([]byte, 32)) || material.oct != nil || material.holders != 0 {
		t.Errorf("not cleared: %d bytes, %d holders", len(material.oct), material.holders)
	}
}

func TestOctetUnwrapReasons(t *testing.T) {
	kek := bytes.Repeat([]byte{1}, 32)
	key := (&releasedMaterial{kind: kindOct, oct: kek}).handle()
	good, err := WrapAES(kek, []byte("password"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for want, value := range map[UnwrapReason][]byte{UnwrapLength: good[1:], UnwrapKey: append([]byte{good[0] ^ 1}, good[1:]...)} {
		_, err := key.Unwrap(context.Background(), value)
		if ReasonOf(err) != want {
			t.Errorf("%v: %q, want %q", err, ReasonOf(err), want)
		}
		texts[err.Error()] = true
	}
	if len(texts) != 1 {
		t.Errorf("failures print differently: %v", texts)
	}
	if ReasonOf(nil) != "" || ReasonOf(ErrClosed) != "" {
		t.Error("a reason out of nothing")
	}
	if _, err := WrapAES(kek[:5], []byte("x")); err == nil {
		t.Error("a KEK of 5 bytes was taken")
	}
}

// A vault that does not know the better algorithm is asked for its own, once,
// with the same token; one that refuses anything else is not.
func TestReleaseFollowsTheVault(t *testing.T) {
	w := newWorld(t)
	var message string
	var asked int
	w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || r.Host != vaultHost || r.Header.Get("Authorization") == "" {
			return false
		}
		asked++
		body := new(bytes.Buffer)
		if _, err := body.ReadFrom(r.Body); err != nil {
			t.Error(err)
		}
		r.Body = http.NoBody
		if strings.Contains(body.String(), "CKM_RSA_AES_KEY_WRAP") {
			r.Body = readCloser{body}
			return false
		}
		refuse(rw, 400, "BadParameter", "", message)
		return true
	}
	message = "Property enc has the invalid value 'RSA_AES_KEY_WRAP_256'."
	key, err := w.releaser(t).Release(context.Background(), w.ref(), &bearer{"t"})
	if err != nil || asked != 2 || w.count(attestPath) != 1 {
		t.Fatalf("%v; asked %d times, attested %d times", err, asked, w.count(attestPath))
	}
	enc := ""
	for _, c := range key.Checks() {
		if c.ID == "release.enc" {
			enc = c.Got
		}
	}
	if enc != string(keywrap.CKMRSAAES) {
		t.Errorf("released under %s", enc)
	}
	asked, message = 0, "something else"
	if _, err := w.releaser(t).Release(context.Background(), w.ref(), &bearer{"t"}); err == nil || asked != 1 {
		t.Errorf("%v; asked %d times", err, asked)
	}
	asked, message = 0, "Property enc has the invalid value 'RSA_AES_KEY_WRAP_256'."
	strict, err := NewReleaser(w.guest(), &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool(), Algorithm: string(keywrap.RSAAES256)})
	if err != nil {
		t.Fatal(err)
	}
	defer strict.Close()
	if _, err := strict.Release(context.Background(), w.ref(), &bearer{"t"}); err == nil || asked != 1 {
		t.Errorf("an algorithm that was chosen: %v; asked %d times", err, asked)
	}
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// A Managed HSM has keys and no secrets, which is said before any request.
func TestHSMHoldsNoSecrets(t *testing.T) {
	w := newWorld(t)
	ref := w.secretRef("pw")
	ref.VaultURL = "https://mine.managedhsm.azure.net/"
	if err := ref.Validate(); err == nil || !strings.Contains(err.Error(), "Managed HSM") {
		t.Errorf("a secret in a Managed HSM: %v", err)
	}
	ref = w.secretRef("pw")
	ref.KEK.VaultURL = "https://mine.managedhsm.azure.net/"
	if err := ref.Validate(); err != nil {
		t.Errorf("a KEK in one: %v", err)
	}
}
