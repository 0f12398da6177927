package skr

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// KeyRef names a key encryption key (KEK) and the attestation service whose
// tokens its release policy accepts. Its JSON is the "kek" object of a clean
// room's documents:
//
//	{"kid":"NAME or NAME/VERSION","akvEndpoint":"https://…","maaEndpoint":"https://…"}
//
// Endpoints are read as bare hosts or URLs, with or without a trailing slash,
// and written as "https://host". Names are read in exactly this spelling, none
// may occur twice, and other members are refused: parties that read one text
// differently would believe in different keys.
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
//	{"clientId":"…","tenantId":"…","kid":"NAME","akvEndpoint":"https://…","kek":{…},"sha256":"…"}
//
// It is read as strictly as a [KeyRef].
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
	// Digest is the SHA-256 of the wrapped value ([WrappedDigest]); zero means
	// that any value will do which the KEK opens. Its JSON is the member
	// "sha256" in base64, absent if zero. The reference room passes it over.
	Digest [32]byte
}

// Validate reports the first member that cannot be used.
func (r KeyRef) Validate() error {
	_, err := r.Normalize()
	return err
}

// Validate reports the first member that cannot be used, the KEK's included.
func (r SecretRef) Validate() error {
	_, err := r.Normalize()
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

// Normalize validates the reference and returns it with its endpoints in the
// form that is written, "https://host": two references to one key then compare
// equal.
func (r KeyRef) Normalize() (KeyRef, error) {
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

// Normalize validates the reference, the KEK's included, and returns it with
// all endpoints in the form that is written, "https://host".
func (r SecretRef) Normalize() (SecretRef, error) {
	if err := validID("skr: secret reference", r.Name, r.Version); err != nil {
		return r, err
	}
	if !validDirectoryID(r.ClientID) {
		return r, fmt.Errorf("skr: secret reference %s: clientId is no client id; give the identity's GUID", r.Name)
	}
	if !validDirectoryID(r.TenantID) {
		return r, fmt.Errorf("skr: secret reference %s: tenantId is no tenant id; give the tenant's GUID", r.Name)
	}
	var err error
	if r.VaultURL, err = normalizeEndpoint(r.VaultURL); err != nil {
		return r, fmt.Errorf("skr: secret reference %s: akvEndpoint %w", r.Name, err)
	}
	if isManagedHSM(r.VaultURL) {
		return r, fmt.Errorf("skr: secret reference %s: akvEndpoint is a Managed HSM, which holds keys and no secrets; name the vault beside it", r.Name)
	}
	if r.KEK, err = r.KEK.Normalize(); err != nil {
		return r, fmt.Errorf("skr: secret reference %s: kek: %w", r.Name, err)
	}
	return r, nil
}

// validID quotes no name that is none: people have put a password where its
// reference belongs.
func validID(what, name, version string) error {
	if name == "" {
		return fmt.Errorf("%s: kid names nothing; it is NAME or NAME/VERSION", what)
	}
	if !validName(name) {
		return fmt.Errorf("%s: kid has no valid name; a name is 1 to 127 letters, digits and hyphens", what)
	}
	if version != "" && !validName(version) {
		return fmt.Errorf("%s %s: kid has no valid version; a version is 1 to 127 letters, digits and hyphens", what, name)
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
	Digest      string `json:"sha256,omitempty"`
}

// MarshalJSON writes the wire form; endpoints come out normalised.
func (r KeyRef) MarshalJSON() ([]byte, error) {
	r, err := r.Normalize()
	if err != nil {
		return nil, err
	}
	return json.Marshal(keyRefJSON{joinID(r.Name, r.Version), r.VaultURL, r.AttestationURL})
}

// UnmarshalJSON reads the wire form and validates it.
func (r *KeyRef) UnmarshalJSON(data []byte) error {
	members, err := decodeObjectStrict(data)
	if err != nil {
		return fmt.Errorf("skr: key reference: %w", err)
	}
	ref, err := readKeyRef(members)
	if err != nil {
		return err
	}
	*r = ref
	return nil
}

func readKeyRef(members map[string]any) (KeyRef, error) {
	text, _, err := readMembers(members, "", "kid", "akvEndpoint", "maaEndpoint")
	if err != nil {
		return KeyRef{}, fmt.Errorf("skr: key reference: %w", err)
	}
	name, version := splitID(text["kid"])
	return KeyRef{name, version, text["akvEndpoint"], text["maaEndpoint"]}.Normalize()
}

// MarshalJSON writes the wire form; endpoints come out normalised.
func (r SecretRef) MarshalJSON() ([]byte, error) {
	r, err := r.Normalize()
	if err != nil {
		return nil, err
	}
	w := secretRefJSON{ClientID: r.ClientID, TenantID: r.TenantID, KID: joinID(r.Name, r.Version), AKVEndpoint: r.VaultURL, KEK: r.KEK}
	if r.Digest != [32]byte{} {
		w.Digest = encodePin(r.Digest)
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the wire form and validates it.
func (r *SecretRef) UnmarshalJSON(data []byte) error {
	members, err := decodeObjectStrict(data)
	if err != nil {
		return fmt.Errorf("skr: secret reference: %w", err)
	}
	var digest [32]byte
	if pin, ok := members["sha256"]; ok {
		if digest, err = decodePin(pin); err != nil {
			return fmt.Errorf("skr: secret reference: %w", err)
		}
		delete(members, "sha256")
	}
	text, kek, err := readMembers(members, "kek", "clientId", "tenantId", "kid", "akvEndpoint")
	if err != nil {
		return fmt.Errorf("skr: secret reference: %w", err)
	}
	key, err := readKeyRef(kek)
	if err != nil {
		return fmt.Errorf("skr: secret reference: kek: %w", err)
	}
	name, version := splitID(text["kid"])
	ref, err := SecretRef{text["clientId"], text["tenantId"], name, version, text["akvEndpoint"], key, digest}.Normalize()
	if err != nil {
		return err
	}
	*r = ref
	return nil
}

// readMembers wants each of these texts and, unless its name is empty, the one
// object, under exactly these names, and nothing else. No value is quoted.
func readMembers(members map[string]any, object string, texts ...string) (map[string]string, map[string]any, error) {
	read := make(map[string]string, len(texts))
	var inner map[string]any
	for name, value := range members {
		ok := true
		switch {
		case slices.Contains(texts, name):
			read[name], ok = value.(string)
		case name == object && object != "":
			inner, ok = value.(map[string]any)
		default:
			return nil, nil, fmt.Errorf("member %q is not known; the members are %s, spelt so", shorten(name), strings.Trim(strings.Join(append(texts, object), ", "), ", "))
		}
		if !ok {
			return nil, nil, fmt.Errorf("member %q is of another type", name)
		}
	}
	for _, name := range texts {
		if _, present := read[name]; !present {
			return nil, nil, fmt.Errorf("member %q is missing", name)
		}
	}
	if object != "" && inner == nil {
		return nil, nil, fmt.Errorf("member %q is missing", object)
	}
	return read, inner, nil
}

var (
	_ json.Marshaler   = KeyRef{}
	_ json.Unmarshaler = (*KeyRef)(nil)
	_ json.Marshaler   = SecretRef{}
	_ json.Unmarshaler = (*SecretRef)(nil)
)
