package cleanroom

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/skr"
)

// roleSecrets is what storing a wrapped value needs.
const roleSecrets = "Key Vault Secrets Officer"

const wrapAlgorithm = "RSA-OAEP-256"

// WrapSecret encrypts value for the KEK named by ref and stores it, base64, as
// the secret named by ref: at most 190 bytes under a KEK of 2048 bits. pub is
// the KEK's public half as [Keys.ImportKEK] returned it, and ref.KEK best its
// reference with the version.
//
// The result is ref with the version that was stored. A document that carries
// it pins this very value: whoever may write to the vault later cannot put one
// that he knows in its place.
func (k *Keys) WrapSecret(ctx context.Context, ref skr.SecretRef, pub *rsa.PublicKey, value []byte) (skr.SecretRef, error) {
	op := "cleanroom: wrap secret"
	ref, err := ref.Normalize()
	if err != nil {
		return skr.SecretRef{}, fmt.Errorf("%s: %w", op, err)
	}
	op += " " + ref.String()
	switch {
	case ref.Version != "":
		return skr.SecretRef{}, fmt.Errorf("%s: the reference names a version; the vault chooses versions", op)
	case isManagedHSM(ref.VaultURL):
		return skr.SecretRef{}, fmt.Errorf("%s: a Managed HSM holds keys only; name a key vault for the secret", op)
	case pub == nil:
		return skr.SecretRef{}, fmt.Errorf("%s: no public key; ImportKEK returns it", op)
	case len(value) == 0:
		return skr.SecretRef{}, fmt.Errorf("%s: the value is empty", op)
	}
	wrapped, err := skr.WrapOAEP(pub, value)
	if err != nil {
		return skr.SecretRef{}, fmt.Errorf("%s: %w", op, err)
	}
	tags := map[string]*string{skr.TagKEK: to.Ptr(ref.KEK.Name), skr.TagAlgorithm: to.Ptr(wrapAlgorithm)}
	if ref.KEK.Version != "" {
		tags[skr.TagKEKVersion] = to.Ptr(ref.KEK.Version)
	}
	vault, err := k.secretClient(ref.VaultURL)
	if err != nil {
		return skr.SecretRef{}, fmt.Errorf("%s: %w", op, err)
	}
	stored, err := vault.SetSecret(ctx, ref.Name, azsecrets.SetSecretParameters{
		Value: to.Ptr(base64.StdEncoding.EncodeToString(wrapped)),
		Tags:  tags,
	}, nil)
	if err != nil {
		return skr.SecretRef{}, explainVault(op, roleSecrets, err)
	}
	if stored.ID == nil || stored.ID.Name() != ref.Name || stored.ID.Version() == "" {
		return skr.SecretRef{}, fmt.Errorf("%s: the vault's answer does not name the stored version", op)
	}
	ref.Version = stored.ID.Version()
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

// isManagedHSM reports whether the endpoint is one, by its genuine name.
func isManagedHSM(endpoint string) bool {
	return strings.HasSuffix(strings.ToLower(endpoint), ".managedhsm.azure.net")
}
