package skr

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrClosed is the error of a key or releaser that is used after its Close.
var ErrClosed = errors.New("skr: use after Close")

// ReleasedKey is a private key that a vault released to this program. It prints
// as redacted and may be used by several goroutines.
//
// Close drops the key. The copies inside crypto/rsa cannot be overwritten; the
// PKCS #8 text they were parsed from was cleared at once.
type ReleasedKey struct {
	ref    KeyRef
	kind   string
	checks []Check

	mu  sync.Mutex
	key *rsa.PrivateKey // nil after Close
}

func (m *releasedMaterial) handle() *ReleasedKey {
	return &ReleasedKey{ref: m.ref, kind: m.kind, checks: m.checks, key: m.rsa}
}

// Ref names the key with the version that was released.
func (k *ReleasedKey) Ref() KeyRef { return k.ref }

// Kind is the key's type without the suffix -HSM: "RSA".
func (k *ReleasedKey) Kind() string { return k.kind }

// Checks are the comparisons that the release response passed, in order.
func (k *ReleasedKey) Checks() []Check { return append([]Check(nil), k.checks...) }

// Decrypter decrypts RSA-OAEP with the key. Its Decrypt wants
// *rsa.OAEPOptions; the PKCS #1 v1.5 padding is refused, since whoever sees
// its failures can decrypt. It works until the key is closed.
func (k *ReleasedKey) Decrypter() (crypto.Decrypter, error) {
	private, err := k.private()
	if err != nil {
		return nil, err
	}
	return &decrypter{key: k, public: private.PublicKey}, nil
}

// Close drops the key; further use fails with [ErrClosed]. It may be called
// more than once and does not affect other handles to the same key.
func (k *ReleasedKey) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key = nil
	return nil
}

func (k *ReleasedKey) private() (*rsa.PrivateKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		return nil, ErrClosed
	}
	return k.key, nil
}

// decrypter reaches the key through its handle, so that Close counts for it
// and a formatter that walks through it finds no key.
type decrypter struct {
	key    *ReleasedKey
	public rsa.PublicKey
}

func (d *decrypter) Public() crypto.PublicKey {
	public := d.public
	return &public
}

func (d *decrypter) Decrypt(random io.Reader, msg []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	if _, ok := opts.(*rsa.OAEPOptions); !ok {
		return nil, fmt.Errorf("skr: decrypt: options are %T, want *rsa.OAEPOptions", opts)
	}
	private, err := d.key.private()
	if err != nil {
		return nil, err
	}
	return private.Decrypt(random, msg, opts)
}

var (
	_ io.Closer        = (*ReleasedKey)(nil)
	_ crypto.Decrypter = (*decrypter)(nil)
)
