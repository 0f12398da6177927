package cleanroom

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

// errVault is the Err of a check whose vault gave no answer to compare.
var errVault = errors.New("the vault does not answer as it should")

// CheckPins compares, before a room is deployed, what vaults hold with what
// references pin: that each does pin ([skr.SecretRef.CheckPinned]), that the
// wrapped value is the pinned one, and that the KEK's version is there under
// policy. Nothing is unwrapped; it costs two reads a reference, with the roles
// Key Vault Secrets User and Key Vault Reader.
//
// The checks, in the order of refs, are secret.pinned-digest,
// secret.pinned-kek, secret.digest and those of a KEK ([KEKPolicyError]). If
// one failed the error is a [*DeniedError] with all of them.
func (k *Keys) CheckPins(ctx context.Context, policy *skr.ReleasePolicy, refs ...skr.SecretRef) (_ []Check, err error) {
	ctx, end := k.tracer.Start(ctx, "CheckPins")
	defer end(&err)
	const op = "cleanroom: check pins"
	if policy == nil || len(refs) == 0 {
		return nil, errors.New(op + ": a release policy and at least one reference are required")
	}
	var all []Check
	for _, ref := range refs {
		ref, err := ref.Normalize()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		checks, err := k.checkPins(ctx, policy, ref)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", op, ref, err)
		}
		all = append(all, checks...)
	}
	return all, check.Denied(op, "this program", all, nil)
}

func (k *Keys) checkPins(ctx context.Context, policy *skr.ReleasePolicy, ref skr.SecretRef) ([]Check, error) {
	var denied *DeniedError
	if errors.As(ref.CheckPinned(), &denied) {
		return denied.Checks, nil // there is nothing to compare with
	}
	secrets, err := k.secretClient(ref.VaultURL)
	if err != nil {
		return nil, err
	}
	stored, err := secrets.GetSecret(ctx, ref.Name, ref.Version, nil)
	if err != nil {
		return nil, explainVault("read the secret", "Key Vault Secrets User", err)
	}
	digest := Check{ID: "secret.digest", Want: encodeDigest(ref.Digest), Got: "no wrapped value", Err: errVault}
	if stored.Value != nil {
		if wrapped, err := base64.StdEncoding.DecodeString(strings.TrimSpace(*stored.Value)); err == nil {
			digest = check.Equal("secret.digest", digest.Want, encodeDigest(skr.WrappedDigest(wrapped)), "")
		}
	}
	if !digest.OK() {
		digest.Remedy = "the secret was stored anew since the reference was written: wrap it again and publish the new reference, and look who else may set secrets in this vault"
	}
	keys, err := k.keyClient(ref.KEK.VaultURL)
	if err != nil {
		return nil, err
	}
	bundle, err := keys.GetKey(ctx, ref.KEK.Name, ref.KEK.Version, nil)
	if err != nil {
		return nil, explainVault("read the KEK", "Key Vault Reader", err)
	}
	found, _, err := useKEK(ref.KEK, policy, bundle.KeyBundle)
	var mismatch *KEKPolicyError
	switch {
	case errors.As(err, &mismatch):
		return append([]Check{digest}, mismatch.Checks...), nil
	case err != nil:
		return nil, err
	}
	return []Check{digest, check.Equal("secret.kek", ref.KEK.String(), found.String(), "wrap the secret again with the KEK that is there")}, nil
}
