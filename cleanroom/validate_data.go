package cleanroom

import (
	"fmt"
	"strings"
)

func (v *validator) accessPoints() {
	// One name space: both kinds become mounts and variables of one room.
	seen := map[string]bool{}
	for i := range v.spec.Datasources {
		v.accessPoint(fmt.Sprintf("datasources[%d]", i), &v.spec.Datasources[i], VolumeReadOnly, seen)
	}
	for i := range v.spec.Datasinks {
		v.accessPoint(fmt.Sprintf("datasinks[%d]", i), &v.spec.Datasinks[i], VolumeReadWrite, seen)
	}
}

func (v *validator) accessPoint(path string, a *AccessPoint, want AccessPointType, seen map[string]bool) {
	v.name(path, a.Name, seen, checkName)
	if a.Type != want {
		v.fail("WrongDirection", path+".type", fmt.Sprintf("the type is %s in this list", a.Type), "make it "+string(want))
	}
	if a.Subdirectory != "" && !localPath(a.Subdirectory) {
		v.fail("InvalidSubdirectory", path+".subdirectory", "the subdirectory leaves the container", "write a clean relative path")
	}
	if a.Store.Type == AmazonS3Resource {
		return // no identity and no key of ours
	}
	switch {
	case a.Identity == nil:
		v.fail("IdentityConfigurationNotFound", path+".identity", "there is no identity to use the store with", "name one of the document's identities")
	default:
		v.copyOf(path+".identity", a.Identity)
	}
	if u, err := httpsURL(a.Store.Provider.URL); err != nil {
		v.fail("InvalidURL", path+".store.provider.url", err.Error(), "write the blob endpoint of the storage account")
	} else if a.Store.Type == BlobResource {
		if err := checkBlobHost(u); err != nil {
			v.fail("UnknownStorageHost", path+".store.provider.url", err.Error()+": a token sent there opens every account of the identity", "write the blob endpoint of the storage account")
		}
	}
	if a.Store.Type == BlobResource || a.Store.Type == DataLakeResource {
		if err := checkContainer(a.Store.Name); err != nil {
			v.fail("InvalidContainerName", path+".store.name", err.Error(), "choose another container")
		}
	}
	if v.spec.Generation == G1 {
		v.modeG1(path+".protection", a)
	}
	v.protection(path+".protection", a)
}

// protection checks the mode and the two keys.
func (v *validator) protection(path string, a *AccessPoint) {
	mode, err := a.Mode()
	if err != nil {
		v.fail("InvalidConfiguration", path+".configuration", err.Error(), "add the access point again")
		return
	}
	digest, err := a.DEKDigest()
	if err != nil {
		v.fail("InvalidConfiguration", path+".configuration", err.Error(), "write the base64 of the SHA-256 of the data key, or leave it out")
	}
	secrets := a.Protection.EncryptionSecrets
	switch mode {
	case "SSE":
		if digest != [32]byte{} {
			v.fail("InvalidConfiguration", path+".configuration", "the mode SSE has no data key that could be pinned", "leave "+dekDigestConfig+" out")
		}
		return
	case "CPK", "CSE", "Sealed":
	default:
		v.fail("UnknownEncryptionMode", path+".configuration", fmt.Sprintf("the encryption mode %q is not known", shorten(mode, 40)), "use CPK, CSE, Sealed or SSE")
		return
	}
	if id := a.Protection.EncryptionSecretAccessIdentity; id == nil {
		v.fail("IdentityConfigurationNotFound", path+".encryptionSecretAccessIdentity", "there is no identity to read the keys with", "name one of the document's identities")
	} else {
		v.copyOf(path+".encryptionSecretAccessIdentity", id)
	}
	if secrets == nil {
		v.fail("EncryptionSecretsMissing", path+".encryptionSecrets", "the mode "+mode+" needs a data key and a KEK", "add the access point again")
		return
	}
	v.dek(path+".encryptionSecrets.dek", &secrets.DEK)
	v.ownDEK(path+".encryptionSecrets.dek", a)
	if secrets.KEK == nil {
		v.fail("EncryptionSecretsMissing", path+".encryptionSecrets.kek", "the data key is not wrapped by a KEK", "add the access point again")
		return
	}
	v.kek(path+".encryptionSecrets.kek", secrets.KEK)
}

// ownDEK: a key that overwrites another makes the other's data unreadable.
func (v *validator) ownDEK(path string, a *AccessPoint) {
	r := a.Protection.EncryptionSecrets.DEK.Secret.BackingResource
	if r.Type != KeyVaultResource {
		return
	}
	place := secretPlace(r.Provider.URL, r.Name)
	if store, taken := v.storeOf[place]; taken && store != a.Store.ID {
		v.fail("DuplicateSecretName", path+".secret.backingResource.name", fmt.Sprintf("the data keys of the data stores %q and %q would be one secret, since vaults do not tell upper from lower case", shorten(store, 80), shorten(a.Store.ID, 80)), "give one of the data stores another name")
		return
	}
	v.storeOf[place] = a.Store.ID
	mode, err := a.Mode()
	if err != nil {
		return // reported already
	}
	if was, taken := v.modeOf[a.Store.ID]; taken && was != mode {
		v.fail("DataKeyInTwoModes", path, fmt.Sprintf("the data key of the data store %q would be used in the modes %s and %s, and a key has one mode for life", shorten(a.Store.ID, 80), was, mode), "give one of the access points a data store of its own")
	}
	v.modeOf[a.Store.ID] = mode
}

func (v *validator) dek(path string, e *EncryptionSecret) {
	r := e.Secret.BackingResource
	switch {
	case r.Type == CGSResource:
		return
	case r.Type != KeyVaultResource || r.Provider.Protocol != AzureKeyVaultSecret:
		v.fail("UnsupportedDekSecretStore", path+".secret.backingResource", fmt.Sprintf("a wrapped data key cannot lie in %s by %s", r.Type, r.Provider.Protocol), "use a secret of a Key Vault")
	case strings.Contains(strings.ToLower(r.Provider.URL), ".managedhsm.azure.net"):
		v.fail("UnsupportedDekSecretStore", path+".secret.backingResource.provider.url", "a Managed HSM holds keys only", "use a secret of a Key Vault")
	}
	v.vaultName(path, r)
}

func (v *validator) kek(path string, e *EncryptionSecret) {
	r := e.Secret.BackingResource
	if r.Type != KeyVaultResource || r.Provider.Protocol != AzureKeyVaultSecureKey {
		v.fail("UnsupportedKekSecretStore", path+".secret.backingResource", fmt.Sprintf("a KEK cannot lie in %s by %s", r.Type, r.Provider.Protocol), "use a key of a premium Key Vault or Managed HSM")
	}
	c, err := DecodeConfiguration(r.Provider.Configuration)
	if err != nil || c[attestationConfig] == "" {
		v.fail("KekAuthorityMissing", path+".secret.backingResource.provider.configuration", "the KEK names no attestation service that releases it", "write the configuration with the member authority")
	} else if _, err := httpsURL(c[attestationConfig]); err != nil {
		v.fail("InvalidURL", path+".secret.backingResource.provider.configuration", err.Error(), "write the https URL of the attestation service")
	}
	v.vaultName(path, r)
}

func (v *validator) vaultName(path string, r Resource) {
	if err := checkVaultName(r.Name); err != nil {
		v.fail("InvalidSecretName", path+".secret.backingResource.name", err.Error(), "shorten or rename the data store or the KEK")
	}
	if _, err := httpsURL(r.Provider.URL); err != nil {
		v.fail("InvalidURL", path+".secret.backingResource.provider.url", err.Error(), "write the https URL of the vault")
	}
}
