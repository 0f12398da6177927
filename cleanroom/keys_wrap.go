package cleanroom

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/internal/redact"
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

// WrapDEKs wraps the data keys of the named access points of a document and
// stores them where the document says. Each distinct KEK is imported once,
// under policy. A data key is taken from deks by the name of the access point's
// data store ([AccessPoint.Datastore]). Access points without a data key, mode
// SSE, are refused, and so are two data stores whose keys would get one name.
// Running it again wraps the same keys again; the vault keeps the older values
// as older versions.
func (k *Keys) WrapDEKs(ctx context.Context, s *Specification, names []string, deks *DEKStore, policy *skr.ReleasePolicy) error {
	const op = "cleanroom: wrap DEKs"
	if s == nil || deks == nil || len(names) == 0 {
		return errors.New(op + ": a document, a store of keys and at least one name are required")
	}
	refs := make([]skr.SecretRef, len(names))
	stores := make([]string, len(names))
	owner := map[string]string{}
	for i, name := range names { // everything before the first call
		a, err := s.accessPointNamed(name)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		if refs[i], err = a.DEK(); err == nil {
			refs[i], err = refs[i].Normalize()
		}
		if err != nil {
			return fmt.Errorf("%s: access point %q: %w", op, name, err)
		}
		stores[i] = a.Datastore()
		if other, taken := owner[refs[i].String()]; taken && other != stores[i] {
			return fmt.Errorf("%s: the keys of the data stores %q and %q would both be the secret %s; give one of them another name", op, other, stores[i], refs[i])
		}
		owner[refs[i].String()] = stores[i]
	}
	type kek struct {
		ref skr.KeyRef
		pub *rsa.PublicKey
	}
	imported := map[skr.KeyRef]kek{}
	for i, ref := range refs {
		key, ok := imported[ref.KEK]
		if !ok {
			var err error
			if key.ref, key.pub, err = k.ImportKEK(ctx, ref.KEK, policy); err != nil {
				return fmt.Errorf("%s: access point %q: %w", op, names[i], err)
			}
			imported[ref.KEK] = key
		}
		ref.KEK = key.ref
		if err := k.wrapDEK(ctx, ref, key.pub, deks, stores[i]); err != nil {
			return fmt.Errorf("%s: access point %q: %w", op, names[i], err)
		}
	}
	return nil
}

func (k *Keys) wrapDEK(ctx context.Context, ref skr.SecretRef, pub *rsa.PublicKey, deks *DEKStore, store string) error {
	dek, err := deks.Load(store)
	if err != nil {
		return err
	}
	defer dek.Close()
	raw := dek.Clone()
	defer redact.Clear(raw)
	_, err = k.WrapSecret(ctx, ref, pub, raw)
	return err
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
