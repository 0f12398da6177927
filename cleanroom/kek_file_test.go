package cleanroom

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

func pemOf(t testing.TB, kind string, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if k, ok := key.(*rsa.PrivateKey); ok && kind == "RSA PRIVATE KEY" {
		der, err = x509.MarshalPKCS1PrivateKey(k), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestLoadKEK(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kek.pem")
	write := func(b []byte, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"RSA PRIVATE KEY", "PRIVATE KEY"} {
		write(pemOf(t, kind, key), 0o600)
		if got, err := loadKEK(file); err != nil || !got.Equal(key) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	good := pemOf(t, "RSA PRIVATE KEY", key)
	bad := map[string][]byte{
		"empty": nil, "no PEM": []byte("canary-no-pem"), "cut": good[:len(good)/2], "weak": pemOf(t, "RSA PRIVATE KEY", weak),
		"curve": pemOf(t, "PRIVATE KEY", curve), "encrypted": bytes.ReplaceAll(good, []byte("RSA PRIVATE"), []byte("ENCRYPTED PRIVATE")),
		"wrong kind": bytes.ReplaceAll(good, []byte("RSA PRIVATE"), []byte("PRIVATE")), "too long": append(make([]byte, maxKEKFile), good...),
	}
	for name, b := range bad {
		write(b, 0o600)
		got, err := loadKEK(file)
		if err == nil || got != nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(bad) != 8 {
		t.Errorf("%d cases", len(bad))
	}
	if runtime.GOOS != "windows" {
		write(good, 0o640)
		if _, err := loadKEK(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("others can read it: %v", err)
		}
	}
	if _, err := loadKEK(filepath.Dir(file)); err == nil {
		t.Error("a directory was read")
	}
}

// FuzzKeyFiles: whatever lies in a key store, reading it gives a key or an
// error that quotes nothing of it.
func FuzzKeyFiles(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	good := pemOf(f, "RSA PRIVATE KEY", key)
	f.Add(good)
	f.Add(pemOf(f, "PRIVATE KEY", key))
	f.Add(good[:len(good)-40])
	f.Add(bytes.Repeat([]byte{7}, datasink.DEKSize))
	f.Add(bytes.Repeat([]byte{7}, datasink.DEKSize+1))
	f.Add([]byte{})
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"))
	file := filepath.Join(f.TempDir(), "key")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		dek, err := loadDEK(file)
		if (dek == nil) == (err == nil) || (err == nil) != (len(b) == datasink.DEKSize) {
			t.Fatalf("a data key of %d bytes: %v", len(b), err)
		}
		if dek != nil {
			if !bytes.Equal(dek.Clone(), b) {
				t.Fatal("another data key")
			}
			dek.Close()
		}
		kek, err := loadKEK(file)
		if (kek == nil) == (err == nil) {
			t.Fatalf("%v and %v", kek != nil, err)
		}
		if kek != nil && (kek.N.BitLen() < 2048 || kek.Validate() != nil) {
			t.Fatal("an unusable key")
		}
		if err != nil && len(b) > 20 && strings.Contains(err.Error(), string(b[len(b)-20:])) {
			t.Fatalf("the error quotes the file: %v", err)
		}
	})
}
