package skr

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestWrapOpenSSL exchanges wrapped values with the openssl command, in both
// directions and both forms. Without the command the same vectors, which it
// made, are still read in TestVectorReleaseResponse.
func TestWrapOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Log("no openssl command here; nothing was exchanged")
		return
	}
	private := wrapKey(t, 2048)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := write("kek.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
	pubFile := write("pub.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
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
	oaep := []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"}
	rsaKey := func(extra ...string) []string {
		return append(append([]string{"pkeyutl", "-decrypt", "-inkey", keyFile}, oaep...), extra...)
	}
	// Short: ours by theirs, theirs by ours.
	secret := []byte("pässword")
	ours, _, err := Wrap(&private.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(ours, rsaKey()...); !bytes.Equal(got, secret) {
		t.Errorf("openssl read %q", got)
	}
	theirs := run(secret, append([]string{"pkeyutl", "-encrypt", "-pubin", "-inkey", pubFile}, oaep...)...)
	if got, err := releasedAs(private).Unwrap(context.Background(), theirs); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("read of openssl's: %q, %v", got, err)
	}
	// Long: the content key under its label, then the cipher. The command has
	// no GCM; without the tag that is counter mode from 2.
	long := bytes.Repeat([]byte("long "), 100)
	ours, _, err = Wrap(&private.PublicKey, long)
	if err != nil {
		t.Fatal(err)
	}
	content := run(ours[10:266], rsaKey("-pkeyopt", "rsa_oaep_label:"+hex.EncodeToString(ours[:10]))...)
	iv := append(bytes.Clone(ours[266:278]), 0, 0, 0, 2)
	got := run(ours[278:len(ours)-16], "enc", "-d", "-aes-256-ctr", "-K", hex.EncodeToString(content), "-iv", hex.EncodeToString(iv))
	if !bytes.Equal(got, long) || len(content) != 32 {
		t.Errorf("openssl read %d bytes with a key of %d", len(got), len(content))
	}
}
