package skr

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/internal/check"
)

// WrappedDigest is the SHA-256 of a wrapped value, the bytes behind its base64:
// what [SecretRef.Digest] pins.
func WrappedDigest(wrapped []byte) [32]byte { return sha256.Sum256(wrapped) }

func encodePin(digest [32]byte) string { return base64.StdEncoding.EncodeToString(digest[:]) }

// decodePin takes one form only, and not that of no digest.
func decodePin(v any) ([32]byte, error) {
	text, _ := v.(string)
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != sha256.Size || [32]byte(b) == [32]byte{} || encodePin([32]byte(b)) != text {
		return [32]byte{}, errors.New("sha256 is not the base64 of a SHA-256")
	}
	return [32]byte(b), nil
}

var (
	errSubstituted = errors.New("the wrapped value is not the one that the reference pins")
	errUnpinned    = errors.New("the reference does not pin what it names")
)

// checkPin refuses a wrapped value that is not the pinned one.
func checkPin(op string, ref SecretRef, wrapped []byte) error {
	if ref.Digest == [32]byte{} {
		return nil
	}
	got := WrappedDigest(wrapped)
	c := Check{ID: "secret.digest", Want: encodePin(ref.Digest), Got: encodePin(got)}
	if subtle.ConstantTimeCompare(ref.Digest[:], got[:]) != 1 {
		c.Err = errSubstituted
		c.Remedy = "the secret was stored anew since the reference was written: have its owner wrap it again and publish the new reference, and look who else may set secrets in this vault"
	}
	return check.Denied(op, "this program", []Check{c}, nil)
}

// CheckPinned is nil if the reference pins both the wrapped value, by its
// digest, and the version of the KEK. Otherwise it is a [*DeniedError] by the
// checks secret.pinned-digest and secret.pinned-kek: a KEK's public half wraps
// for anybody, so that whoever may write to the vault could put a value of his
// own in the place of what an unpinned reference names.
func (r SecretRef) CheckPinned() error {
	digest := Check{ID: "secret.pinned-digest", Want: "the SHA-256 of the wrapped value", Got: encodePin(r.Digest)}
	if r.Digest == [32]byte{} {
		digest.Got, digest.Err = absent, errUnpinned
		digest.Remedy = "use the reference that wrapping returned; it has the digest as the member sha256"
	}
	kek := Check{ID: "secret.pinned-kek", Want: "the version of the KEK", Got: orAbsent(r.KEK.Version)}
	if r.KEK.Version == "" {
		kek.Err = errUnpinned
		kek.Remedy = "wrap with the KEK's reference that importing it returned; it has the version"
	}
	return check.Denied(fmt.Sprintf("skr: secret %s", r), "this program", []Check{digest, kek}, nil)
}

// PinnedOnly is u for references that pin what they name, see
// [SecretRef.CheckPinned]; others are refused before any request.
func PinnedOnly(u Unwrapper) Unwrapper { return pinnedOnly{u} }

type pinnedOnly struct{ inner Unwrapper }

func (p pinnedOnly) Unwrap(ctx context.Context, ref SecretRef) ([]byte, error) {
	if err := ref.CheckPinned(); err != nil {
		return nil, err
	}
	return p.inner.Unwrap(ctx, ref)
}

var _ Unwrapper = pinnedOnly{}
