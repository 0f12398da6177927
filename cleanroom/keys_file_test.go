package cleanroom_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"

	"github.com/cleanroom-go/sdk/cleanroom"
)

// A KEK of a file is imported as it is, and found again by it.
func testImportFile(u *vaultUser) {
	key := testRSA(u.T, 2048)
	file := filepath.Join(u.TempDir(), "kek.pem")
	u.must(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600))
	guest := u.env.Launch([]byte("package policy # file\n"))
	opts := &cleanroom.ImportKEKOptions{PrivateKeyFile: file}
	first, pub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("from-file"), u.policyFor(guest), opts)
	u.must(err)
	if !pub.Equal(&key.PublicKey) || key.Validate() != nil {
		u.Error("another key was imported")
	}
	again, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("from-file"), u.policyFor(guest), opts)
	if err != nil || again != first {
		u.Errorf("imported again as %s, %v", again, err)
	}
	secret := u.secret("from-file", "from-file")
	secret.KEK = first
	stored, err := u.keys(cleanroom.KeysOptions{}).WrapSecret(u.Context(), secret, pub, []byte("x"))
	u.must(err)
	if got, err := u.unwrapIn(guest, stored); err != nil || string(got) != "x" {
		u.Errorf("%q, %v", got, err)
	}
	// Another key under the name is not that of the file.
	_, _, err = u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("not-from-file"), u.policyFor(guest), nil)
	u.must(err)
	var mismatch *cleanroom.KEKPolicyError
	if _, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("not-from-file"), u.policyFor(guest), opts); !errors.As(err, &mismatch) || mismatch.Checks[0].ID != "kek.key" {
		u.Errorf("another key: %v", err)
	}
	rotate := &cleanroom.ImportKEKOptions{PrivateKeyFile: file, Rotate: true}
	if _, pub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("not-from-file"), u.policyFor(guest), rotate); err != nil || !pub.Equal(&key.PublicKey) {
		u.Errorf("rotated to the file's: %v", err)
	}
	u.calls()
	gone := &cleanroom.ImportKEKOptions{PrivateKeyFile: file + ".none"}
	if _, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("from-file"), u.policyFor(guest), gone); !errors.Is(err, os.ErrNotExist) || len(u.calls()) > 0 {
		u.Errorf("no file: %v", err)
	}
}
