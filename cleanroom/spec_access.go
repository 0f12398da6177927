package cleanroom

import (
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/skr"
)

// AccessPoint is a place where data is read or written: a container of a
// storage account and the protection of what lies in it.
type AccessPoint struct {
	Name string          `yaml:"name,required"`
	Type AccessPointType `yaml:"type,required"`
	// Path is always empty in documents of this generation.
	Path string `yaml:"path,required"`
	// Subdirectory restricts the access point to a part of the container.
	Subdirectory string `yaml:"subdirectory,g2"`
	// Store is the container; its ID is the name of the data store.
	Store Resource `yaml:"store,required"`
	// Identity has access to the container: a full copy.
	Identity   *Identity            `yaml:"identity,required-g1"`
	Protection PrivacyProxySettings `yaml:"protection,required"`
}

// PrivacyProxySettings say how an access point or an endpoint is protected.
type PrivacyProxySettings struct {
	ProxyType     ProxyType `yaml:"proxyType,required"`
	ProxyMode     ProxyMode `yaml:"proxyMode,required"`
	PrivacyPolicy *Policy   `yaml:"privacyPolicy"`
	// Configuration of an access point holds EncryptionMode, KeyType and, of
	// this SDK alone, DekSha256; see [AccessPoint.DEKDigest].
	Configuration     string             `yaml:"configuration"`
	EncryptionSecrets *EncryptionSecrets `yaml:"encryptionSecrets"`
	// EncryptionSecretAccessIdentity may read the vaults: a full copy.
	EncryptionSecretAccessIdentity *Identity `yaml:"encryptionSecretAccessIdentity"`
}

// EncryptionSecrets are the keys of an access point.
type EncryptionSecrets struct {
	DEK EncryptionSecret  `yaml:"dek,required"`
	KEK *EncryptionSecret `yaml:"kek,required-g1"`
}

// EncryptionSecret is one of them.
type EncryptionSecret struct {
	Name   string          `yaml:"name,required"`
	Secret CleanroomSecret `yaml:"secret,required"`
}

// Sink returns the datasink with this name.
func (s *Specification) Sink(name string) (*AccessPoint, error) {
	if a := find(s.Datasinks, name, accessPointName); a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("cleanroom: the document has no datasink %q; it has %s", name, names(s.Datasinks, accessPointName))
}

// Source returns the datasource with this name.
func (s *Specification) Source(name string) (*AccessPoint, error) {
	if a := find(s.Datasources, name, accessPointName); a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("cleanroom: the document has no datasource %q; it has %s", name, names(s.Datasources, accessPointName))
}

func accessPointName(a *AccessPoint) string { return a.Name }

// names lists the names of a list for a message, the first ones of a long list.
func names[T any](list []T, nameOf func(*T) string) string {
	const limit = 20
	if len(list) == 0 {
		return "none"
	}
	var quoted []string
	for i := range min(len(list), limit) {
		quoted = append(quoted, fmt.Sprintf("%q", shorten(nameOf(&list[i]), 80)))
	}
	if len(list) > limit {
		quoted = append(quoted, fmt.Sprintf("%d more", len(list)-limit))
	}
	return strings.Join(quoted, ", ")
}

// ContainerURL is the address of the container, without a trailing slash.
func (a *AccessPoint) ContainerURL() string {
	return strings.TrimSuffix(a.Store.Provider.URL, "/") + "/" + a.Store.Name
}

// Mode is the encryption mode: CPK, CSE or SSE, or Sealed, which is this SDK's
// own and for rooms and readers that use it: the clean room's mounts do not
// know it. See package datasink.
func (a *AccessPoint) Mode() (string, error) {
	c, err := DecodeConfiguration(a.Protection.Configuration)
	if err != nil {
		return "", fmt.Errorf("cleanroom: access point %q: protection.configuration: %w", a.Name, err)
	}
	mode := c["EncryptionMode"]
	if mode == "" {
		return "", fmt.Errorf("cleanroom: access point %q: protection.configuration has no EncryptionMode; set it to CPK, CSE, Sealed or SSE", a.Name)
	}
	return mode, nil
}

// DEK says where the access point's wrapped data key lies, which key wraps it
// and which identity may have it. The name of the key carries no version: the
// room takes the newest.
func (a *AccessPoint) DEK() (skr.SecretRef, error) {
	p := a.Protection
	if p.EncryptionSecrets == nil || p.EncryptionSecrets.KEK == nil || p.EncryptionSecretAccessIdentity == nil {
		return skr.SecretRef{}, fmt.Errorf("cleanroom: access point %q has no data key wrapped by a KEK; its protection needs encryptionSecrets with dek and kek, and encryptionSecretAccessIdentity", a.Name)
	}
	dek, kek := p.EncryptionSecrets.DEK.Secret.BackingResource, p.EncryptionSecrets.KEK.Secret.BackingResource
	if dek.Type != KeyVaultResource || kek.Type != KeyVaultResource {
		return skr.SecretRef{}, fmt.Errorf("cleanroom: access point %q: the data key lies in %s and its KEK in %s; both must be in %s", a.Name, dek.Type, kek.Type, KeyVaultResource)
	}
	c, err := DecodeConfiguration(kek.Provider.Configuration)
	if err != nil {
		return skr.SecretRef{}, fmt.Errorf("cleanroom: access point %q: configuration of its KEK: %w", a.Name, err)
	}
	if c[attestationConfig] == "" {
		return skr.SecretRef{}, fmt.Errorf("cleanroom: access point %q: the configuration of its KEK has no authority; it must name the attestation service", a.Name)
	}
	return skr.SecretRef{
		ClientID: p.EncryptionSecretAccessIdentity.ClientID,
		TenantID: p.EncryptionSecretAccessIdentity.TenantID,
		Name:     dek.Name,
		VaultURL: dek.Provider.URL,
		KEK:      skr.KeyRef{Name: kek.Name, VaultURL: kek.Provider.URL, AttestationURL: c[attestationConfig]},
	}, nil
}
