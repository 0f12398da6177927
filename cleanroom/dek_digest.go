package cleanroom

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/internal/check"
)

// dekDigestConfig is the name under which an access point's configuration pins
// its data key. The reference tools read the configuration by the names they
// know, and pass this one over.
const dekDigestConfig = "DekSha256"

// DEKDigest is the SHA-256 of the access point's data key if the document pins
// it, and zero if it does not. Wrapping needs only the public half of a KEK, so
// that the release policy of a KEK says nothing about who made the data key
// under it; the digest in the contract does.
func (a *AccessPoint) DEKDigest() ([32]byte, error) {
	c, err := DecodeConfiguration(a.Protection.Configuration)
	if err == nil {
		text, pinned := c[dekDigestConfig]
		if !pinned {
			return [32]byte{}, nil
		}
		var digest [32]byte
		if digest, err = decodeDigest(text); err == nil {
			return digest, nil
		}
	}
	return [32]byte{}, fmt.Errorf("cleanroom: access point %q: protection.configuration: %w", a.Name, err)
}

func encodeDigest(digest [32]byte) string { return base64.StdEncoding.EncodeToString(digest[:]) }

// decodeDigest takes one form only, and not that of no digest.
func decodeDigest(text string) ([32]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 32 || [32]byte(b) == [32]byte{} || encodeDigest([32]byte(b)) != text {
		return [32]byte{}, errors.New("the digest of the data key is not the base64 of a SHA-256")
	}
	return [32]byte(b), nil
}

var errOtherDEK = errors.New("the wrapped secret holds another data key")

// checkDEK refuses a data key that is not the one the parties agreed on.
func checkDEK(env SinkEnvironment, dek *datasink.DEK) error {
	if env.DEKDigest == [32]byte{} {
		return nil
	}
	got := dek.Digest()
	c := Check{ID: "sink.dek-digest", Want: encodeDigest(env.DEKDigest), Got: encodeDigest(got)}
	if subtle.ConstantTimeCompare(env.DEKDigest[:], got[:]) != 1 {
		c.Err = errOtherDEK
		c.Remedy = fmt.Sprintf("the vault's secret %s of the sink %s was replaced since the contract: have its owner wrap the agreed key again, and look who else may set secrets there", env.DEK.Name, env.Name)
	}
	return check.Denied(fmt.Sprintf("cleanroom: data key of sink %q", env.Name), "the program in the room", []Check{c}, nil)
}

var errUnpinnedDEK = errors.New("the document does not pin the data key")

// checkDEKPinned refuses a sink whose data key could be anybody's.
func checkDEKPinned(env SinkEnvironment) error {
	c := Check{ID: "sink.dek-pinned", Want: "the SHA-256 of the data key", Got: encodeDigest(env.DEKDigest)}
	if env.DEKDigest == [32]byte{} {
		c.Got, c.Err = "none", errUnpinnedDEK
		c.Remedy = fmt.Sprintf("add the sink %s with DatasinkOptions.DEKDigest, and agree on that document", env.Name)
	}
	return check.Denied(fmt.Sprintf("cleanroom: data key of sink %q", env.Name), "the program in the room", []Check{c}, nil)
}
