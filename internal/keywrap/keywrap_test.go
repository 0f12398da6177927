package keywrap

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The two known answers of RFC 5649, section 6, and two of an AES-256 key.
func TestKWPKnownAnswers(t *testing.T) {
	k192 := "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"
	k256 := "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	for _, v := range []struct{ key, plain, wrapped string }{
		{k192, "c37b7e6492584340bed12207808941155068f738", "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
		{k192, "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
		{k256, hex.EncodeToString([]byte("hello")), "43f5211e1188a6b032d13dff258f4a68"},
		{k256, hex.EncodeToString([]byte("confidential")), "f820e0bfd5b7e0ce1d691f6846cb1a583815b4a94e876471"},
	} {
		key, plain, wrapped := unhex(t, v.key), unhex(t, v.plain), unhex(t, v.wrapped)
		got, err := WrapKWP(key, plain)
		if err != nil || !bytes.Equal(got, wrapped) {
			t.Errorf("WrapKWP(%x) = %x, %v; want %x", plain, got, err, wrapped)
		}
		back, err := UnwrapKWP(key, wrapped)
		if err != nil || !bytes.Equal(back, plain) {
			t.Errorf("UnwrapKWP(%x) = %x, %v; want %x", wrapped, back, err, plain)
		}
	}
}

func TestKWPRoundTripAndDamage(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	for n := 1; n <= 67; n++ {
		plain := bytes.Repeat([]byte{byte(n)}, n)
		wrapped, err := WrapKWP(key, plain)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := UnwrapKWP(key, wrapped); err != nil || !bytes.Equal(back, plain) {
			t.Fatalf("length %d: %x, %v", n, back, err)
		}
		for i := range wrapped {
			wrapped[i] ^= 0x20
			if _, err := UnwrapKWP(key, wrapped); !errors.Is(err, ErrUnwrap) {
				t.Fatalf("length %d, byte %d flipped: %v", n, i, err)
			}
			wrapped[i] ^= 0x20
		}
		if _, err := UnwrapKWP(key, append(wrapped, 0)); !errors.Is(err, ErrUnwrap) {
			t.Fatalf("length %d, surplus byte: %v", n, err)
		}
	}
}

func TestRSAAES(t *testing.T) {
	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte("a private key in PKCS #8")
	for _, alg := range []Algorithm{CKMRSAAES, RSAAES256, RSAAES384} {
		blob, err := WrapRSAAES(&priv.PublicKey, alg, plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := UnwrapRSAAES(priv, alg, blob); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%s: %q, %v", alg, got, err)
		}
		for _, n := range []int{0, 255, 256, 258, 264, 271, len(blob) - 1} {
			if _, err := UnwrapRSAAES(priv, alg, blob[:n]); !errors.Is(err, ErrUnwrap) {
				t.Errorf("%s cut to %d: %v", alg, n, err)
			}
		}
		other := RSAAES256
		if alg == other {
			other = RSAAES384
		}
		if _, err := UnwrapRSAAES(priv, other, blob); !errors.Is(err, ErrUnwrap) {
			t.Errorf("%s opened as %s: %v", alg, other, err)
		}
	}
	if _, err := WrapRSAAES(&priv.PublicKey, "none", plain); err == nil {
		t.Error("unknown algorithm accepted")
	}
}

func FuzzUnwrapKWP(f *testing.F) {
	key := bytes.Repeat([]byte{7}, 32)
	for _, n := range []int{1, 7, 8, 9, 32} {
		w, err := WrapKWP(key, bytes.Repeat([]byte{1}, n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, ct []byte) {
		plain, err := UnwrapKWP(key, ct)
		if err != nil {
			return
		}
		again, err := WrapKWP(key, plain)
		if err != nil || !bytes.Equal(again, ct) {
			t.Fatalf("unwrapped %x does not wrap back to %x: %x, %v", plain, ct, again, err)
		}
	})
}
