package cleanroom

import (
	"errors"
	"fmt"
	"strings"
)

// SecretStoreType says what a party keeps secrets in.
type SecretStoreType string

const (
	// LocalFileStore is a directory of the party: data keys in clear.
	LocalFileStore SecretStoreType = "Local_File"
	// KeyVaultStore is a Key Vault that holds wrapped secrets.
	KeyVaultStore SecretStoreType = "Azure_KeyVault"
	// KeyStore is what can release keys to a room: a Managed HSM, or, against
	// its name in the document, a premium Key Vault.
	KeyStore SecretStoreType = "Azure_KeyVault_Managed_HSM"
)

func (SecretStoreType) values() []string {
	return []string{"Azure_KeyVault", "Azure_KeyVault_Managed_HSM", "Local_File"}
}

// SecretStores is a party's own document of where its secrets are. It is not
// shared, and holds no secret.
type SecretStores struct {
	// Generation is the form of the configurations: zero is [G2].
	Generation Generation
	Entries    []SecretStore `yaml:"secretstores,required"`
}

// SecretStore is one of them.
type SecretStore struct {
	Name string          `yaml:"name,required"`
	Type SecretStoreType `yaml:"secretStoreType,required"`
	// URL is that of the vault or HSM, or a local directory.
	URL string `yaml:"storeProviderUrl,required"`
	// Configuration of a KeyStore names the attestation service; see
	// [DecodeConfiguration].
	Configuration string `yaml:"configuration"`
	// SupportedSecretTypes is Key for a KeyStore, otherwise Secret.
	SupportedSecretTypes []SecretType `yaml:"supportedSecretTypes,required"`
}

// SecretStoreOptions describe a secret store.
type SecretStoreOptions struct {
	Name string
	Type SecretStoreType
	// Location is the https URL of the vault or HSM, or the directory of a
	// LocalFileStore.
	Location string
	// Premium says that the vault of a KeyStore is of the premium kind, which
	// the address does not tell. A standard one cannot release keys.
	Premium bool
	// AttestationURL is the service whose tokens release the keys of a
	// KeyStore.
	AttestationURL string
}

// Add adds a store. A name that is taken is an error, where the reference
// tools say so and leave the old entry.
func (s *SecretStores) Add(o SecretStoreOptions) error {
	e, err := s.entry(o)
	if err != nil {
		return builderError("add secret store", o.Name, err)
	}
	s.Entries = append(s.Entries, *e)
	return nil
}

func (s *SecretStores) entry(o SecretStoreOptions) (*SecretStore, error) {
	if o.Name == "" {
		return nil, errors.New("there is no name")
	}
	if find(s.Entries, o.Name, secretStoreName) != nil {
		return nil, errExists
	}
	e := &SecretStore{Name: o.Name, Type: o.Type, URL: o.Location, SupportedSecretTypes: []SecretType{secretTypeSecret}}
	if o.Type == LocalFileStore {
		if o.Location == "" {
			return nil, errors.New("a local store needs a directory")
		}
		return e, nil
	}
	if o.Type != KeyVaultStore && o.Type != KeyStore {
		return nil, fmt.Errorf("the type %q is not known; %s", shorten(string(o.Type), 80), suggestion(string(o.Type), o.Type.values()))
	}
	u, err := httpsURL(o.Location)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	e.URL = withSlash(o.Location)
	hsm := strings.HasSuffix(u.Hostname(), ".managedhsm.azure.net")
	if o.Type == KeyVaultStore {
		if hsm {
			return nil, errors.New("a Managed HSM holds keys only; wrapped secrets need a Key Vault")
		}
		return e, nil
	}
	if !hsm && !o.Premium {
		return nil, errors.New("a Key Vault of the standard kind cannot release keys; use a premium one (say so with Premium) or a Managed HSM")
	}
	if _, err := httpsURL(o.AttestationURL); err != nil {
		return nil, fmt.Errorf("attestation service: %w", err)
	}
	e.SupportedSecretTypes = []SecretType{secretTypeKey}
	e.Configuration = s.Generation.writeConfiguration(map[string]string{attestationConfig: o.AttestationURL})
	return e, nil
}

// Store returns the store with this name.
func (s *SecretStores) Store(name string) (*SecretStore, error) {
	if e := find(s.Entries, name, secretStoreName); e != nil {
		return e, nil
	}
	return nil, fmt.Errorf("cleanroom: SecretStoreNotFound: there is no secret store %q; add it first, the document has %s", shorten(name, 80), names(s.Entries, secretStoreName))
}

func secretStoreName(e *SecretStore) string { return e.Name }

// AttestationURL is the service that a KeyStore's configuration names.
func (e *SecretStore) AttestationURL() (string, error) {
	m, err := DecodeConfiguration(e.Configuration)
	if err != nil {
		return "", fmt.Errorf("cleanroom: secret store %q: %w", e.Name, err)
	}
	if m[attestationConfig] == "" {
		return "", fmt.Errorf("cleanroom: secret store %q names no attestation service; add it again with one", e.Name)
	}
	return m[attestationConfig], nil
}

// supports reports whether secrets of a kind may lie in the store.
func (e *SecretStore) supports(kind SecretType) bool {
	for _, k := range e.SupportedSecretTypes {
		if k == kind {
			return true
		}
	}
	return false
}

// Encode writes the document as YAML, as the reference tools do.
func (s *SecretStores) Encode() ([]byte, error) {
	return encodeDocument(s, s.Generation, "secret stores")
}

// WriteFile replaces a file in one step; see [Specification.WriteFile].
func (s *SecretStores) WriteFile(file string) error { return writeDocument(file, s, "secret stores") }

// ParseSecretStores reads such a document, strictly as [ParseSpecification]
// does. Both generations have one form, but for configurations, which are read
// in each of the encodings.
func ParseSecretStores(b []byte) (*SecretStores, error) {
	s := new(SecretStores)
	if err := parseDocument(b, anyGeneration, s); err != nil {
		return nil, of(err, "secret stores")
	}
	for _, e := range s.Entries {
		if strings.Contains(e.Configuration, "'") {
			s.Generation = G1
		}
	}
	return s, nil
}

// ReadSecretStores reads the document in a file.
func ReadSecretStores(file string) (*SecretStores, error) {
	return readDocument(file, "secret stores", ParseSecretStores)
}
