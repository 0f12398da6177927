package cleanroom

import (
	"errors"
	"fmt"
	"strings"
)

// StoredOptions describe an access point by names in a party's documents of
// stores.
type StoredOptions struct {
	// Name is the name of the access point; zero means the data store's.
	Name string
	// Datastore names the data store.
	Datastore string
	// Identity names an identity of the document. An S3 store needs none.
	Identity string
	// DEKStore and KEKStore name the secret stores of the wrapped data key
	// and of the key that wraps it.
	DEKStore, KEKStore string
	// KEKName is the name of that key; zero means "kek". [KEKName] gives the
	// name of the reference tools.
	KEKName string
	// DEKDigest pins the data key; see [DatasinkOptions].
	DEKDigest [32]byte
	// Subdirectory restricts the access point to a part of the container.
	Subdirectory string
}

// AddStoredDatasource adds a data store that the room reads.
func (s *Specification) AddStoredDatasource(data *Datastores, secrets *SecretStores, o StoredOptions) error {
	a, err := s.storedAccessPoint(data, secrets, o, VolumeReadOnly)
	if err != nil {
		return builderError("add datasource", o.Name, err)
	}
	s.Datasources = append(s.Datasources, *a)
	return nil
}

// AddStoredDatasink adds a data store that the room writes.
func (s *Specification) AddStoredDatasink(data *Datastores, secrets *SecretStores, o StoredOptions) error {
	a, err := s.storedAccessPoint(data, secrets, o, VolumeReadWrite)
	if err != nil {
		return builderError("add datasink", o.Name, err)
	}
	s.Datasinks = append(s.Datasinks, *a)
	return nil
}

// proxyKinds end the proxy's type for a kind of store.
var proxyKinds = map[ResourceType]string{
	BlobResource: "Azure__BlobStorage", DataLakeResource: "Azure__BlobStorage__DataLakeGen2",
	OneLakeResource: "Azure__OneLake", AmazonS3Resource: "Aws__S3",
}

func (s *Specification) storedAccessPoint(data *Datastores, secrets *SecretStores, o StoredOptions, kind AccessPointType) (*AccessPoint, error) {
	if data == nil || secrets == nil {
		return nil, errors.New("a document of stores is missing")
	}
	store, err := data.Store(o.Datastore)
	if err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = store.Name
	}
	if err := s.newAccessPointName(o.Name, o.Subdirectory); err != nil {
		return nil, err
	}
	proxy, known := proxyKinds[store.Type]
	if !known || s.Generation == G1 && onlyG2[string(store.Type)] {
		return nil, fmt.Errorf("the data store %q is of the type %s, which an access point of generation %s cannot be", store.Name, store.Type, s.Generation)
	}
	direction, _ := strings.CutPrefix(string(kind), "Volume_")
	a := &AccessPoint{
		Name: o.Name, Type: kind, Subdirectory: o.Subdirectory,
		Store: Resource{
			Name: store.Container, ID: store.Name, Type: store.Type,
			Provider: ServiceEndpoint{Protocol: Protocol(store.Type), URL: store.URL, Configuration: store.ProviderConfiguration},
		},
		Protection: PrivacyProxySettings{ProxyType: ProxyType("SecureVolume__" + direction + "__" + proxy), ProxyMode: ProxySecure},
	}
	if store.Type == AmazonS3Resource {
		a.Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "SSE"})
		return a, nil
	}
	if a.Identity, err = s.azureIdentity(o.Identity); err != nil {
		return nil, err
	}
	if store.Mode == ModeSSE && s.Generation != G1 {
		a.Protection.EncryptionSecretAccessIdentity = a.Identity
		a.Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "SSE"})
		return a, nil
	}
	if err := s.protectStored(a, store, secrets, o); err != nil {
		return nil, err
	}
	return a, a.rewrite(s.Generation)
}

// protectStored adds the keys, in the stores that can hold them.
func (s *Specification) protectStored(a *AccessPoint, store *Datastore, secrets *SecretStores, o StoredOptions) error {
	dek, err := secrets.Store(o.DEKStore)
	if err != nil {
		return err
	}
	kek, err := secrets.Store(o.KEKStore)
	if err != nil {
		return err
	}
	if dek.Type != KeyVaultStore || !dek.supports(secretTypeSecret) {
		return fmt.Errorf("UnsupportedDekSecretStore: the secret store %q is of the type %s; a wrapped data key needs one of the type %s", dek.Name, dek.Type, KeyVaultStore)
	}
	if kek.Type != KeyStore || !kek.supports(secretTypeKey) {
		return fmt.Errorf("UnsupportedKekSecretStore: the secret store %q is of the type %s; a KEK needs one of the type %s", kek.Name, kek.Type, KeyStore)
	}
	attestation, err := kek.AttestationURL()
	if err != nil {
		return err
	}
	if o.KEKName == "" {
		o.KEKName = "kek"
	}
	mode := store.Mode
	if mode == ModeSSE {
		mode = ModeCPK // G1 has the keys, and does not use them
	}
	with := Specification{kek: &KEKStore{Name: kek.Name, Key: o.KEKName, VaultURL: kek.URL, AttestationURL: attestation}}
	if err := with.protect(a, DatasinkOptions{Mode: string(mode), DEKVaultURL: dek.URL, DEKStore: dek.Name, Datastore: store.Name, DEKDigest: o.DEKDigest}); err != nil {
		return err
	}
	if store.Mode == ModeSSE {
		a.Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "SSE", "KeyType": "KEK"})
	}
	return nil
}

// azureIdentity is a copy of an identity of the document that has access to
// Azure.
func (s *Specification) azureIdentity(name string) (*Identity, error) {
	identity := s.identity(name)
	if identity == nil || identity.ClientID == "" {
		return nil, fmt.Errorf("IdentityConfigurationNotFound: there is no identity %q with access to Azure; add it first, the document has %s", shorten(name, 80), names(s.Identities, identityName))
	}
	owner := *identity
	return &owner, nil
}

func (s *Specification) newAccessPointName(name, subdirectory string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if find(s.Datasinks, name, accessPointName) != nil || find(s.Datasources, name, accessPointName) != nil {
		return errExists
	}
	if subdirectory == "" {
		return nil
	}
	if s.Generation == G1 {
		return errOnlyG2
	}
	if !localPath(subdirectory) {
		return fmt.Errorf("the subdirectory %q must be a clean relative path inside the container", shorten(subdirectory, 80))
	}
	return nil
}
