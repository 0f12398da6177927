package cleanroom

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/skr"
)

// roleSecrets is what storing a wrapped value needs.
const roleSecrets = "Key Vault Secrets Officer"

// WrapSecret encrypts value for the KEK named by ref and stores it, base64, as
// the secret named by ref. Up to 190 bytes under a KEK of 2048 bits the form is
// that of the reference tools; a longer value, up to 18,456 bytes, gets a form
// that only this SDK's rooms read ([skr.Wrap]). pub is the KEK's public half as
// [Keys.ImportKEK] returned it, and ref.KEK best its reference with the version.
//
// The result is ref with the version that was stored and the digest of the
// wrapped value. A document that carries it pins this very value: whoever may
// write to the vault later cannot put one that he knows in its place.
//
// An answer that gets lost is no error if the vault turns out to have stored
// the value.
func (k *Keys) WrapSecret(ctx context.Context, ref skr.SecretRef, pub *rsa.PublicKey, value []byte) (_ skr.SecretRef, err error) {
	ctx, end := k.tracer.Start(ctx, "WrapSecret")
	defer end(&err)
	op := "cleanroom: wrap secret"
	ref, err = ref.Normalize()
	if err != nil {
		return skr.SecretRef{}, fmt.Errorf("%s: %w", op, err)
	}
	op += " " + ref.String()
	switch {
	case ref.Version != "":
		return skr.SecretRef{}, fmt.Errorf("%s: the reference names a version; the vault chooses versions", op)
	case pub == nil:
		return skr.SecretRef{}, fmt.Errorf("%s: no public key; ImportKEK returns it", op)
	case ref.Digest != [32]byte{}:
		return skr.SecretRef{}, fmt.Errorf("%s: the reference pins a wrapped value; each wrapping makes another", op)
	case len(value) == 0:
		return skr.SecretRef{}, fmt.Errorf("%s: the value is empty", op)
	}
	wrapped, form, err := skr.Wrap(pub, value)
	if err != nil {
		return skr.SecretRef{}, fmt.Errorf("%s: %w", op, err)
	}
	tags := map[string]*string{skr.TagKEK: to.Ptr(ref.KEK.Name), skr.TagAlgorithm: to.Ptr(string(form))}
	if ref.KEK.Version != "" {
		tags[skr.TagKEKVersion] = to.Ptr(ref.KEK.Version)
	}
	vault, err := k.secretClient(ref.VaultURL)
	if err != nil {
		return skr.SecretRef{}, fmt.Errorf("%s: %w", op, err)
	}
	text := base64.StdEncoding.EncodeToString(wrapped)
	var stored *azsecrets.ID
	err = k.store(ctx, func(ctx context.Context) error {
		answer, err := vault.SetSecret(ctx, ref.Name, azsecrets.SetSecretParameters{Value: to.Ptr(text), Tags: tags}, nil)
		stored = answer.ID
		return err
	}, func(ctx context.Context) (bool, error) {
		newest, err := vault.GetSecret(ctx, ref.Name, "", nil)
		if err != nil {
			if isNotFound(err) {
				err = nil
			}
			return false, err
		}
		stored = newest.ID
		return newest.Value != nil && *newest.Value == text, nil
	})
	if err != nil {
		return skr.SecretRef{}, explainVault(op, roleSecrets, err)
	}
	if stored == nil || stored.Name() != ref.Name || stored.Version() == "" {
		return skr.SecretRef{}, fmt.Errorf("%s: the vault's answer does not name the stored version", op)
	}
	ref.Version, ref.Digest = stored.Version(), skr.WrappedDigest(wrapped)
	if err := ref.Validate(); err != nil {
		return skr.SecretRef{}, fmt.Errorf("%s: the vault's answer: %w", op, err)
	}
	return ref, nil
}

// accessPointNamed finds a sink or source.
func (s *Specification) accessPointNamed(name string) (*AccessPoint, error) {
	if a := find(s.Datasources, name, accessPointName); a != nil {
		return a, nil
	}
	return s.Sink(name)
}
