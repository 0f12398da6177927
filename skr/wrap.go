package skr

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// WrapForm says how a wrapped value was made. Its text is what the tag
// [TagAlgorithm] of a stored secret holds.
type WrapForm string

const (
	// FormOAEP is RSA-OAEP alone, what [WrapOAEP] makes and the reference tools
	// make and read. The wrapped value has exactly the size of the KEK.
	FormOAEP WrapForm = "RSA-OAEP-256"
	// FormHybrid is a fresh AES key under RSA-OAEP and the value under that
	// key, see [Wrap]. The reference room cannot read it.
	FormHybrid WrapForm = "RSA-OAEP-256+A256GCM"
)

// MaxWrapped is the size in bytes of the largest wrapped value: its base64 is
// all that the value of a Key Vault secret holds. The service states that as
// 25k; read as 25,000, it is kept under either reading.
const MaxWrapped = 25_000 / 4 * 3

// Wrap encrypts a secret for a KEK. What [WrapOAEP] can hold gets its form, so
// that every room can read it; what is longer gets [FormHybrid], up to
// [MaxWrapped] bytes in all: 18,456 bytes of secret under RSA-2048, 18,328
// under RSA-3072 and 18,200 under RSA-4096.
//
// The hybrid form is, with k the size of the KEK in bytes,
//
//	offset  bytes
//	0       6      "CRWRAP"
//	6       1      version, 1
//	7       1      suite, 1: RSA-OAEP with SHA-256, AES-256-GCM
//	8       2      k, big endian
//	10      k      RSA-OAEP of a fresh 32-byte content key; SHA-256 for both
//	               hashes, and the label is the ten bytes before
//	10+k    12     nonce
//	22+k    n      the secret, AES-256-GCM with the content key; all of the
//	               first 10+k bytes are additional data
//	22+k+n  16     tag
//
// The two forms cannot be taken for each other: one has k bytes and the other
// more, and no content key opens as a secret of the other form, nor the reverse,
// since their labels differ.
func Wrap(pub *rsa.PublicKey, plaintext []byte) ([]byte, WrapForm, error) {
	if pub == nil || pub.N == nil || !usableRSA(pub) {
		return nil, "", errUnusableKEK
	}
	if len(plaintext) <= maxOAEP(pub) {
		wrapped, err := WrapOAEP(pub, plaintext)
		if err != nil {
			return nil, "", err
		}
		return wrapped, FormOAEP, nil
	}
	if limit := MaxWrapped - hybridOverhead(pub.Size()); len(plaintext) > limit {
		return nil, "", fmt.Errorf("skr: wrap: the secret has %d bytes; a key vault stores at most %d of them wrapped: keep it elsewhere, encrypted, and wrap its key", len(plaintext), limit)
	}
	wrapped, err := sealHybrid(pub, plaintext)
	if err != nil {
		return nil, "", fmt.Errorf("skr: wrap: %w", err)
	}
	return wrapped, FormHybrid, nil
}

var errUnusableKEK = errors.New("skr: wrap: the key must be RSA of 2048 to 8192 bits")

// maxOAEP is RFC 8017 section 7.1.1, step 1b.
func maxOAEP(pub *rsa.PublicKey) int { return pub.Size() - 2*sha256.Size - 2 }

// WrapOAEP encrypts a secret for a KEK as the reference tools do: RSA-OAEP with
// SHA-256 for both hashes and an empty label. The KEK's size bounds the secret:
// 190 bytes for RSA-2048, 318 for RSA-3072, 446 for RSA-4096. [Wrap] has no such
// bound.
func WrapOAEP(pub *rsa.PublicKey, plaintext []byte) ([]byte, error) {
	if pub == nil || pub.N == nil || !usableRSA(pub) {
		return nil, errUnusableKEK
	}
	limit := maxOAEP(pub)
	if len(plaintext) > limit {
		return nil, fmt.Errorf("skr: wrap: the secret has %d bytes; RSA-%d wraps at most %d (bytes, not characters): shorten it, use a larger KEK, or use Wrap, whose long form the reference room cannot read",
			len(plaintext), pub.N.BitLen(), limit)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, plaintext, nil)
	if err != nil {
		return nil, fmt.Errorf("skr: wrap: %w", err)
	}
	return wrapped, nil
}

// Unwrap decrypts a wrapped secret of either form that [Wrap] makes. With an AES
// key (oct) it opens AES Key Wrap with padding (RFC 5649), what [WrapAES] makes,
// or without (RFC 3394), which is what a Managed HSM makes of wrapKey with
// A128KW, A192KW or A256KW; the reference room reads neither. The caller should
// clear the result after use. A value that does not open is an [*UnwrapError].
func (k *ReleasedKey) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	op := "skr: unwrap with " + k.ref.String()
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	m, err := k.use()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	defer m.drop()
	var plain []byte
	var reason UnwrapReason
	if m.rsa != nil {
		plain, reason = openWrapped(m.rsa, wrapped)
	} else {
		plain, reason = openOctet(m.oct, wrapped)
	}
	if reason != "" {
		return nil, &UnwrapError{Key: k.ref, reason: reason}
	}
	return plain, nil
}

func openWrapped(private *rsa.PrivateKey, wrapped []byte) ([]byte, UnwrapReason) {
	switch size := private.Size(); {
	case len(wrapped) == size:
		plain, err := rsa.DecryptOAEP(sha256.New(), nil, private, wrapped, nil)
		if err != nil {
			return nil, UnwrapKey
		}
		return plain, ""
	case len(wrapped) < hybridOverhead(size) || len(wrapped) > MaxWrapped:
		return nil, UnwrapLength
	default:
		return openHybrid(private, wrapped)
	}
}

func openOctet(key, wrapped []byte) ([]byte, UnwrapReason) {
	plain, err := keywrap.UnwrapAES(key, wrapped)
	switch {
	case err == nil:
		return plain, ""
	case keywrap.ReasonOf(err) == keywrap.BadLength:
		return nil, UnwrapLength
	case keywrap.ReasonOf(err) == keywrap.BadCheckValue:
		return nil, UnwrapKey
	}
	return nil, UnwrapTag
}

// UnwrapReason says why a wrapped value did not open.
type UnwrapReason string

const (
	// UnwrapEncoding: the stored text is no base64, so it was not stored by
	// wrapping.
	UnwrapEncoding UnwrapReason = "encoding"
	// UnwrapLength: no form of a wrapped value under this key has this length.
	UnwrapLength UnwrapReason = "length"
	// UnwrapPrefix: it is too long for RSA alone and does not begin as the
	// hybrid form does, or is of another version of it or another key's size.
	UnwrapPrefix UnwrapReason = "prefix"
	// UnwrapKey: RSA-OAEP, or AES Key Wrap, does not open with this key. It is
	// another version of the key, or the part under it is damaged.
	UnwrapKey UnwrapReason = "key"
	// UnwrapTag: the content key opened and the value under it is damaged, or
	// was put together from two.
	UnwrapTag UnwrapReason = "tag"
)

// UnwrapError says that a wrapped value did not open. Whoever may write to the
// vault chose that value and might learn from the difference between failures,
// so all print alike; Reason tells them apart for whoever holds the key, and is
// in no text.
type UnwrapError struct {
	// Key is the key that was tried, with its version if one is known.
	Key    KeyRef
	reason UnwrapReason
}

// ReasonOf finds the reason in an error: that of an [*UnwrapError], or why the key
// of a release response did not open, which the failed check release.unwrap of a
// [*DeniedError] never says: "length", "rsa-oaep", "aes-key-size",
// "check-value", "plaintext-length" or "padding". Any other error gives "".
// What is said at [UnwrapError.Reason] counts here as well.
func ReasonOf(err error) UnwrapReason {
	var failed *UnwrapError
	if errors.As(err, &failed) {
		return failed.reason
	}
	var denied *DeniedError
	if errors.As(err, &denied) {
		for _, c := range denied.Checks {
			if reason := keywrap.ReasonOf(c.Err); reason != keywrap.NoReason {
				return UnwrapReason(reason.String())
			}
		}
	}
	return ""
}

// Reason is for debugging beside the key. Do not send it where others read it.
func (e *UnwrapError) Reason() UnwrapReason { return e.reason }

func (e *UnwrapError) Error() string {
	return fmt.Sprintf("skr: unwrap with %s: the wrapped value does not open with this key: it was damaged, replaced, stored without wrapping, or wrapped under another version of the key; wrap it again with the current one", e.Key)
}

// Format prints Error for every verb.
func (e *UnwrapError) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.Error()) }

var (
	_ error         = (*UnwrapError)(nil)
	_ fmt.Formatter = (*UnwrapError)(nil)
)
