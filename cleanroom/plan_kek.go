package cleanroom

import (
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

// acceptedKEK compares a KEK with the accepted policy. It returns the reference
// with its version and the size of its modulus in bytes, 0 if the key is not
// RSA; what keeps the room from getting it is a finding.
func (p *planner) acceptedKEK(subject string, ref skr.KeyRef, b azkeys.KeyBundle) (skr.KeyRef, int, error) {
	size := 0
	if public := publicKey(b.Key); public != nil {
		size = public.Size()
	}
	want, err := ReleasePolicyFor(p.in.Policy, ref.AttestationURL)
	if err != nil { // no accepted policy: a finding of its own
		if b.Key == nil || b.Key.KID == nil {
			return ref, size, errors.New("the vault answered without a key")
		}
		ref.Version = b.Key.KID.Version()
		return ref, size, nil
	}
	found, _, err := useKEK(ref, want, b)
	var mismatch *KEKPolicyError
	if !errors.As(err, &mismatch) {
		return found, size, err
	}
	for _, c := range check.Failed(mismatch.Checks) {
		p.fail(c.ID, subject, fmt.Sprintf("%s: wanted %s, got %s", mismatch.Key, c.Want, check.Printable(shorten(c.Got, 600))), "rotate the KEK under the accepted policy with ImportKEKOptions.Rotate, and wrap again what is under it")
	}
	return mismatch.Key, size, nil
}
