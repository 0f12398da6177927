package skr

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// ErrClosed is the error of a key or releaser that is used after its Close.
var ErrClosed = errors.New("skr: use after Close")

// ReleasedKey is a key that a vault released to this program: an RSA private
// key or an AES key (oct). It prints as redacted and may be used by several
// goroutines.
//
// Close makes it unusable and drops it. When the last handle is closed and no
// releaser keeps the key for further calls, the bytes of an AES key are
// cleared. An RSA key lives in crypto/rsa and math/big, whose memory cannot be
// overwritten: it is dropped, and the garbage collector decides when its memory
// is used again. The PKCS #8 text that it was parsed from was cleared at once,
// but for copies that the parser made.
type ReleasedKey struct {
	ref    KeyRef
	kind   string
	checks []Check

	mu       sync.Mutex
	material *releasedMaterial // nil after Close
}

func (m *releasedMaterial) handle() *ReleasedKey {
	m.retain()
	return &ReleasedKey{ref: m.ref, kind: m.kind, checks: m.checks, material: m}
}

// retain and drop count who holds the key; the last to drop it clears it.
func (m *releasedMaterial) retain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holders++
}

func (m *releasedMaterial) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holders--; m.holders > 0 {
		return
	}
	clear(m.oct)
	m.oct, m.rsa = nil, nil
}

// Ref names the key with the version that was released.
func (k *ReleasedKey) Ref() KeyRef { return k.ref }

// Kind is the key's type without the suffix -HSM: "RSA" or "oct".
func (k *ReleasedKey) Kind() string { return k.kind }

// Checks are the comparisons that the release response passed, in order.
func (k *ReleasedKey) Checks() []Check { return append([]Check(nil), k.checks...) }

// Decrypter decrypts RSA-OAEP with the key. Its Decrypt wants
// *rsa.OAEPOptions; the PKCS #1 v1.5 padding is refused, since whoever sees
// its failures can decrypt. It works until the key is closed. An AES key has
// none.
func (k *ReleasedKey) Decrypter() (crypto.Decrypter, error) {
	m, err := k.use()
	if err != nil {
		return nil, err
	}
	defer m.drop()
	if m.rsa == nil {
		return nil, fmt.Errorf("skr: decrypter of %s: the key is of kind %s, and only RSA keys decrypt; use Unwrap", k.ref, k.kind)
	}
	return &decrypter{key: k, public: m.rsa.PublicKey}, nil
}

// Close makes the key unusable: further use fails with [ErrClosed]. It may be
// called more than once and does not affect other handles to the same key.
func (k *ReleasedKey) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.material != nil {
		k.material.drop()
		k.material = nil
	}
	return nil
}

// use holds the key for the time of one operation, so that a Close meanwhile
// clears nothing under it. The caller drops it.
func (k *ReleasedKey) use() (*releasedMaterial, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.material == nil {
		return nil, ErrClosed
	}
	k.material.retain()
	return k.material, nil
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
	m, err := d.key.use()
	if err != nil {
		return nil, err
	}
	defer m.drop()
	return m.rsa.Decrypt(random, msg, opts)
}

// WrapAES wraps 1 byte to 1 GiB under an AES key of 16, 24 or 32 bytes, for an
// octet KEK: AES Key Wrap with padding (RFC 5649). The result is 8 bytes longer
// than the plaintext rounded up to a multiple of 8. The same plaintext always
// gives the same result.
func WrapAES(kek, plaintext []byte) ([]byte, error) {
	wrapped, err := keywrap.WrapKWP(kek, plaintext)
	if err != nil {
		return nil, fmt.Errorf("skr: wrap: %w", err)
	}
	return wrapped, nil
}

var (
	_ io.Closer        = (*ReleasedKey)(nil)
	_ crypto.Decrypter = (*decrypter)(nil)
)
