package skr

import (
	"encoding/json"
	"fmt"
	"strings"
)

// KeyRef names a key encryption key (KEK) and the attestation service whose
// tokens its release policy accepts. Its JSON is the "kek" object of a clean
// room's documents:
//
//	{"kid":"NAME or NAME/VERSION","akvEndpoint":"https://…","maaEndpoint":"https://…"}
//
// Endpoints are read as bare hosts or URLs, with or without a trailing slash,
// and written as "https://host". Unknown members are ignored.
type KeyRef struct {
	// Name is the key's name: 1 to 127 letters, digits and hyphens.
	Name string
	// Version is the key's version; empty means the newest at the time of the
	// release.
	Version string
	// VaultURL is the premium vault or Managed HSM that holds the key.
	VaultURL string
	// AttestationURL is the attestation service (MAA).
	AttestationURL string
}

// SecretRef names a secret whose value is wrapped under a KEK, and the
// identity that may read both. Its JSON is the body of the clean room's unwrap
// request, and the "dbPassword" member of a database document:
//
//	{"clientId":"…","tenantId":"…","kid":"NAME","akvEndpoint":"https://…","kek":{…}}
type SecretRef struct {
	// ClientID and TenantID name the managed identity or application.
	ClientID, TenantID string
	// Name is the secret's name, Version its version; empty means the newest.
	Name, Version string
	// VaultURL is the vault that holds the wrapped value. A Managed HSM has no
	// secrets: then it is another vault than the KEK's.
	VaultURL string
	// KEK unwraps the value.
	KEK KeyRef
}

// Validate reports the first member that cannot be used.
func (r KeyRef) Validate() error {
	_, err := r.normalized()
	return err
}

// Validate reports the first member that cannot be used, the KEK's included.
func (r SecretRef) Validate() error {
	_, err := r.normalized()
	return err
}

// String is the key's identifier at its vault.
func (r KeyRef) String() string {
	return strings.TrimSuffix(r.VaultURL, "/") + "/keys/" + joinID(r.Name, r.Version)
}

// String is the secret's identifier at its vault. It holds no secret.
func (r SecretRef) String() string {
	return strings.TrimSuffix(r.VaultURL, "/") + "/secrets/" + joinID(r.Name, r.Version)
}

func (r KeyRef) normalized() (KeyRef, error) {
	if err := validID("skr: key reference", r.Name, r.Version); err != nil {
		return r, err
	}
	var err error
	if r.VaultURL, err = normalizeEndpoint(r.VaultURL); err != nil {
		return r, fmt.Errorf("skr: key reference %s: akvEndpoint %w", r.Name, err)
	}
	if r.AttestationURL, err = normalizeEndpoint(r.AttestationURL); err != nil {
		return r, fmt.Errorf("skr: key reference %s: maaEndpoint %w", r.Name, err)
	}
	return r, nil
}

func (r SecretRef) normalized() (SecretRef, error) {
	if err := validID("skr: secret reference", r.Name, r.Version); err != nil {
		return r, err
	}
	if !validDirectoryID(r.ClientID) {
		return r, fmt.Errorf("skr: secret reference %s: clientId %q is no client id; give the identity's GUID", r.Name, r.ClientID)
	}
	if !validDirectoryID(r.TenantID) {
		return r, fmt.Errorf("skr: secret reference %s: tenantId %q is no tenant id; give the tenant's GUID", r.Name, r.TenantID)
	}
	var err error
	if r.VaultURL, err = normalizeEndpoint(r.VaultURL); err != nil {
		return r, fmt.Errorf("skr: secret reference %s: akvEndpoint %w", r.Name, err)
	}
	if r.KEK, err = r.KEK.normalized(); err != nil {
		return r, fmt.Errorf("skr: secret reference %s: kek: %w", r.Name, err)
	}
	return r, nil
}

func validID(what, name, version string) error {
	if !validName(name) {
		return fmt.Errorf("%s: kid has name %q; a name is 1 to 127 letters, digits and hyphens", what, name)
	}
	if version != "" && !validName(version) {
		return fmt.Errorf("%s %s: kid has version %q; a version is 1 to 127 letters, digits and hyphens", what, name, version)
	}
	return nil
}

func joinID(name, version string) string {
	if version == "" {
		return name
	}
	return name + "/" + version
}

func splitID(kid string) (name, version string) {
	name, version, _ = strings.Cut(kid, "/")
	return name, version
}

// keyRefJSON and secretRefJSON are the wire forms.
type keyRefJSON struct {
	KID         string `json:"kid"`
	AKVEndpoint string `json:"akvEndpoint"`
	MAAEndpoint string `json:"maaEndpoint"`
}

type secretRefJSON struct {
	ClientID    string `json:"clientId"`
	TenantID    string `json:"tenantId"`
	KID         string `json:"kid"`
	AKVEndpoint string `json:"akvEndpoint"`
	KEK         KeyRef `json:"kek"`
}

// MarshalJSON writes the wire form; endpoints come out normalised.
func (r KeyRef) MarshalJSON() ([]byte, error) {
	r, err := r.normalized()
	if err != nil {
		return nil, err
	}
	return json.Marshal(keyRefJSON{joinID(r.Name, r.Version), r.VaultURL, r.AttestationURL})
}

// UnmarshalJSON reads the wire form and validates it.
func (r *KeyRef) UnmarshalJSON(data []byte) error {
	var w keyRefJSON
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("skr: key reference: %w", err)
	}
	name, version := splitID(w.KID)
	ref, err := KeyRef{name, version, w.AKVEndpoint, w.MAAEndpoint}.normalized()
	if err != nil {
		return err
	}
	*r = ref
	return nil
}

// MarshalJSON writes the wire form; endpoints come out normalised.
func (r SecretRef) MarshalJSON() ([]byte, error) {
	r, err := r.normalized()
	if err != nil {
		return nil, err
	}
	return json.Marshal(secretRefJSON{r.ClientID, r.TenantID, joinID(r.Name, r.Version), r.VaultURL, r.KEK})
}

// UnmarshalJSON reads the wire form and validates it.
func (r *SecretRef) UnmarshalJSON(data []byte) error {
	var w secretRefJSON
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("skr: secret reference: %w", err)
	}
	name, version := splitID(w.KID)
	ref, err := SecretRef{w.ClientID, w.TenantID, name, version, w.AKVEndpoint, w.KEK}.normalized()
	if err != nil {
		return err
	}
	*r = ref
	return nil
}

var (
	_ json.Marshaler   = KeyRef{}
	_ json.Unmarshaler = (*KeyRef)(nil)
	_ json.Marshaler   = SecretRef{}
	_ json.Unmarshaler = (*SecretRef)(nil)
)
