package keywrap

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOpenSSL exchanges wrapped keys with the openssl command in both
// directions: both forms of AES Key Wrap under each size of key, and all three
// algorithms of a release. Without the command the vectors that it made are
// still read, by package skr.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Log("no openssl command here; nothing was exchanged")
		return
	}
	run := func(in []byte, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "openssl", args...)
		var out, problem bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &problem
		if err := cmd.Run(); err != nil {
			t.Fatalf("openssl %v: %v: %s", args, err, problem.Bytes())
		}
		return out.Bytes()
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	exchanged := 0
	for _, form := range []struct {
		suffix, iv string
		wrap, open func(kek, text []byte) ([]byte, error)
		sizes      []int
	}{
		{"-wrap-pad", "A65959A6", WrapKWP, UnwrapKWP, []int{1, 7, 8, 9, 16, 20, 190, len(pkcs8)}},
		{"-wrap", "A6A6A6A6A6A6A6A6", WrapKW, UnwrapKW, []int{16, 24, 32, 1216}},
	} {
		for name, size := range map[string]int{"id-aes128": 16, "id-aes192": 24, "id-aes256": 32} {
			kek := make([]byte, size)
			rand.Read(kek)
			enc := []string{"enc", "-" + name + form.suffix, "-K", hex.EncodeToString(kek), "-iv", form.iv}
			for _, n := range form.sizes {
				plain := append(bytes.Clone(pkcs8), pkcs8...)[:n]
				ours, err := form.wrap(kek, plain)
				if err != nil {
					t.Fatal(err)
				}
				if theirs := run(plain, enc...); !bytes.Equal(ours, theirs) {
					t.Errorf("%s%s, %d bytes: %x, openssl makes %x", name, form.suffix, n, ours, theirs)
				}
				if back, err := form.open(kek, run(plain, enc...)); err != nil || !bytes.Equal(back, plain) {
					t.Errorf("%s%s, %d bytes of openssl's: %v", name, form.suffix, n, err)
				}
				if back := run(ours, append(enc, "-d")...); !bytes.Equal(back, plain) {
					t.Errorf("%s%s, %d bytes: openssl read %d", name, form.suffix, n, len(back))
				}
				exchanged++
			}
		}
	}
	if exchanged != 36 {
		t.Errorf("%d values of AES Key Wrap were exchanged, want 36", exchanged)
	}

	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	keyFile := write("transfer.pem", "PRIVATE KEY", pkcs8)
	spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pubFile := write("public.pem", "PUBLIC KEY", spki)
	for alg, hash := range map[Algorithm]string{CKMRSAAES: "sha1", RSAAES256: "sha256", RSAAES384: "sha384"} {
		oaep := []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:" + hash, "-pkeyopt", "rsa_mgf1_md:" + hash}
		pad := func(key []byte, more ...string) []string {
			return append([]string{"enc", "-id-aes256-wrap-pad", "-K", hex.EncodeToString(key), "-iv", "A65959A6"}, more...)
		}
		// Ours by theirs.
		ours, err := WrapRSAAES(&private.PublicKey, alg, pkcs8)
		if err != nil {
			t.Fatal(err)
		}
		key := run(ours[:private.Size()], append([]string{"pkeyutl", "-decrypt", "-inkey", keyFile}, oaep...)...)
		if back := run(ours[private.Size():], pad(key, "-d")...); !bytes.Equal(back, pkcs8) || len(key) != 32 {
			t.Errorf("%s: openssl read %d bytes under a key of %d", alg, len(back), len(key))
		}
		// Theirs by ours.
		rand.Read(key)
		theirs := run(key, append([]string{"pkeyutl", "-encrypt", "-pubin", "-inkey", pubFile}, oaep...)...)
		theirs = append(theirs, run(pkcs8, pad(key)...)...)
		if back, err := UnwrapRSAAES(private, alg, theirs); err != nil || !bytes.Equal(back, pkcs8) {
			t.Errorf("%s of openssl: %v", alg, err)
		}
	}
}
