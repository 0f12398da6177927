package keywrap

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
)

// craft wraps a register of any content, good or bad: 8 bytes of initial value,
// then blocks.
func craft(t *testing.T, key, register []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(register)
	if len(out) == 16 {
		block.Encrypt(out, out)
	} else {
		wrapBlocks(block, out)
	}
	return out
}

func register(check, length uint32, rest ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, check)
	b = binary.BigEndian.AppendUint32(b, length)
	return append(b, rest...)
}

// Every failure prints the same, and each has its own reason.
func TestReasons(t *testing.T) {
	key := bytes.Repeat([]byte{9}, 32)
	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	head := func(aesKey []byte) []byte {
		b, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &priv.PublicKey, aesKey, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := craft(t, key, register(aiv, 12, []byte("confidential\x00\x00\x00\x00")...))
	if plain, err := UnwrapKWP(key, good); err != nil || string(plain) != "confidential" {
		t.Fatalf("%q, %v", plain, err)
	}
	two := make([]byte, 16)
	kwp := func(ct []byte) func() error {
		return func() error { _, err := UnwrapKWP(key, ct); return err }
	}
	blob := func(b []byte) func() error {
		return func() error { _, err := UnwrapRSAAES(priv, RSAAES256, b); return err }
	}
	cases := []struct {
		name string
		run  func() error
		want Reason
	}{
		{"nothing", kwp(nil), BadLength},
		{"8 bytes", kwp(good[:8]), BadLength},
		{"17 bytes", kwp(append(bytes.Clone(good), 0)), BadLength},
		{"check value", kwp(craft(t, key, register(aiv^1, 16, two...))), BadCheckValue},
		{"check value of one block", kwp(craft(t, key, register(aiv^1, 8, two[:8]...))), BadCheckValue},
		{"length 0", kwp(craft(t, key, register(aiv, 0, two...))), BadPlainLength},
		{"length 0 of one block", kwp(craft(t, key, register(aiv, 0, two[:8]...))), BadPlainLength},
		{"length 8 of two blocks", kwp(craft(t, key, register(aiv, 8, two...))), BadPlainLength},
		{"length beyond", kwp(craft(t, key, register(aiv, 17, two...))), BadPlainLength},
		{"length of 2^32-1", kwp(craft(t, key, register(aiv, 1<<32-1, two...))), BadPlainLength},
		{"padding first", kwp(craft(t, key, register(aiv, 9, append(bytes.Repeat([]byte{1}, 9), 1, 0, 0, 0, 0, 0, 0)...))), BadPadding},
		{"padding last", kwp(craft(t, key, register(aiv, 9, append(bytes.Repeat([]byte{1}, 9), 0, 0, 0, 0, 0, 0, 1)...))), BadPadding},
		{"padding of one block", kwp(craft(t, key, register(aiv, 7, 0, 0, 0, 0, 0, 0, 0, 1))), BadPadding},
		{"blob without AES part", blob(head(key)), BadLength},
		{"blob of 8 more", blob(append(head(key), 0, 0, 0, 0, 0, 0, 0, 0)), BadLength},
		{"blob surplus", blob(append(append(head(key), good...), 0)), BadLength},
		{"blob RSA part", blob(append(make([]byte, 256), good...)), BadOAEP},
		{"blob 16-byte key", blob(append(head(key[:16]), good...)), BadKeySize},
		{"blob 33-byte key", blob(append(head(make([]byte, 33)), good...)), BadKeySize},
		{"blob other key", blob(append(head(make([]byte, 32)), good...)), BadCheckValue},
		{"KW check value", func() error { _, err := UnwrapKW(key, good); return err }, BadCheckValue},
		{"KW length", func() error { _, err := UnwrapKW(key, good[:16]); return err }, BadLength},
	}
	seen := map[Reason]bool{}
	for _, c := range cases {
		err := c.run()
		if !errors.Is(err, ErrUnwrap) || ReasonOf(fmt.Errorf("wrapped: %w", err)) != c.want {
			t.Errorf("%s: %v, reason %q, want %q", c.name, err, ReasonOf(err), c.want)
		}
		seen[c.want] = true
		j, _ := json.Marshal(err)
		for _, text := range []string{fmt.Sprintf("%v|%+v|%#v|%s|%d", err, err, err, err, err), string(j)} {
			want := ErrUnwrap.Error()
			if text != want+"|"+want+"|"+want+"|"+want+"|"+want && text != "{}" {
				t.Errorf("%s prints %s", c.name, text)
			}
		}
	}
	if len(cases) != 22 || len(seen) != len(reasons)-1 {
		t.Errorf("%d cases, want 22; %d reasons, want %d", len(cases), len(seen), len(reasons)-1)
	}
	if ReasonOf(nil) != NoReason || ReasonOf(errors.New("x")) != NoReason || Reason(99).String() != "" {
		t.Error("a reason out of nothing")
	}
	if _, err := UnwrapKWP(key[:5], good); err == nil || errors.Is(err, ErrUnwrap) {
		t.Errorf("a bad kek: %v", err)
	}
}

func TestKWRefusesToWrap(t *testing.T) {
	for _, n := range []int{0, 8, 15, 17, 20} {
		if _, err := WrapKW(make([]byte, 32), make([]byte, n)); err == nil {
			t.Errorf("%d bytes were wrapped", n)
		}
	}
	if _, err := WrapKW(make([]byte, 31), make([]byte, 16)); err == nil {
		t.Error("a kek of 31 bytes was taken")
	}
	if _, err := WrapKWP(make([]byte, 32), nil); err == nil {
		t.Error("nothing was wrapped")
	}
}

func FuzzUnwrapRSAAES(f *testing.F) {
	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, 32)
	head, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &priv.PublicKey, key, nil)
	if err != nil {
		f.Fatal(err)
	}
	tail, err := WrapKWP(key, []byte("a private key"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tail, true)
	f.Add(tail[:8], true)
	f.Add(append(head, tail...), false)
	f.Fuzz(func(t *testing.T, b []byte, behindGoodHead bool) {
		blob := b
		if behindGoodHead { // reaches what only the holder of the public key can
			blob = append(bytes.Clone(head), b...)
		}
		plain, err := UnwrapRSAAES(priv, RSAAES256, blob)
		if err != nil {
			if !errors.Is(err, ErrUnwrap) || ReasonOf(err) == NoReason || plain != nil {
				t.Fatalf("%v, reason %v, %d bytes", err, ReasonOf(err), len(plain))
			}
			return
		}
		if again, err := WrapKWP(key, plain); err == nil && behindGoodHead && !bytes.Equal(again, b) {
			t.Fatal("opened what wraps to other bytes")
		}
	})
}

func FuzzUnwrapAES(f *testing.F) {
	key := bytes.Repeat([]byte{7}, 32)
	for _, wrap := range []func(kek, plain []byte) ([]byte, error){WrapKWP, WrapKW} {
		w, err := wrap(key, make([]byte, 32))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, ct []byte) {
		plain, err := UnwrapAES(key, ct)
		if err != nil {
			return
		}
		padded, err1 := WrapKWP(key, plain)
		bare, err2 := WrapKW(key, plain)
		if (err1 != nil || !bytes.Equal(padded, ct)) && (err2 != nil || !bytes.Equal(bare, ct)) {
			t.Fatal("opened what neither wrap gives")
		}
	})
}
