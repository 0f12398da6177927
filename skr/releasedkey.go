package skr

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
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

// Unwrap decrypts a wrapped secret: RSA-OAEP with SHA-256 for both hashes and
// an empty label, what [WrapOAEP] makes. The caller should clear the result
// after use.
func (k *ReleasedKey) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	op := "skr: unwrap with " + k.ref.String()
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	private, err := k.private()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if len(wrapped) != private.Size() {
		return nil, fmt.Errorf("%s: the wrapped value has %d bytes, want %d; it was not made with this key", op, len(wrapped), private.Size())
	}
	plain, err := rsa.DecryptOAEP(sha256.New(), nil, private, wrapped, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; the value was damaged or wrapped under another version of the key: wrap it again with the current one", op, err)
	}
	return plain, nil
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

// WrapOAEP encrypts a secret for a KEK: RSA-OAEP with SHA-256 for both hashes
// and an empty label. The KEK's size bounds the secret: 190 bytes for RSA-2048,
// 318 for RSA-3072, 446 for RSA-4096.
func WrapOAEP(pub *rsa.PublicKey, plaintext []byte) ([]byte, error) {
	if pub == nil || pub.N == nil || !usableRSA(pub) {
		return nil, errors.New("skr: wrap: the key must be RSA of 2048 to 8192 bits")
	}
	limit := pub.Size() - 2*sha256.Size - 2
	if len(plaintext) > limit {
		return nil, fmt.Errorf("skr: wrap: the secret has %d bytes; RSA-%d wraps at most %d (bytes, not characters): shorten it or use a larger KEK",
			len(plaintext), pub.N.BitLen(), limit)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, plaintext, nil)
	if err != nil {
		return nil, fmt.Errorf("skr: wrap: %w", err)
	}
	return wrapped, nil
}

var (
	_ io.Closer        = (*ReleasedKey)(nil)
	_ crypto.Decrypter = (*decrypter)(nil)
)
