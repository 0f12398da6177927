package cleanroom

import (
	"errors"
	"fmt"
	"strings"
)

// EncryptionMode says how data of a store is encrypted.
type EncryptionMode string

// The words of a document of data stores. The mode Sealed of this SDK is not
// one of them: it is named where the access point is added.
const (
	ModeCPK EncryptionMode = "CPK"
	ModeCSE EncryptionMode = "CSE"
	ModeSSE EncryptionMode = "SSE"
)

// values has the empty word: the later tools write it where there is no mode.
func (EncryptionMode) values() []string { return []string{"CPK", "CSE", "SSE", ""} }

// Datastores is a party's own document of where its data lies. It is not
// shared, and holds no secret.
type Datastores struct {
	// Generation is the form in which the document is written.
	Generation Generation
	Entries    []Datastore `yaml:"datastores,required"`
}

// Datastore is a container and the store of the key of its data.
type Datastore struct {
	Name string `yaml:"name,required"`
	// SecretStoreFile and SecretStore say which store of which document has
	// the data key; empty for a store without one.
	SecretStoreFile string         `yaml:"secretstore_config,required-g1"`
	SecretStore     string         `yaml:"secretstore_name,required-g1"`
	Mode            EncryptionMode `yaml:"encryptionMode,required-g1"`
	Type            ResourceType   `yaml:"storeType,required"`
	// URL is the blob endpoint of the account, or the place of a OneLake.
	URL string `yaml:"storeProviderUrl,required"`
	// Container is the name of the container or bucket.
	Container string `yaml:"storeName,required"`
	// ProviderConfiguration of an S3 store names the secret with its keys.
	ProviderConfiguration string         `yaml:"storeProviderConfiguration,g2"`
	Schema                *DatasetSchema `yaml:"datasetSchema,g2"`
}

// DatasetSchema describes tabular data.
type DatasetSchema struct {
	Fields []DatasetField `yaml:"fields,required"`
	Format DatasetFormat  `yaml:"format,required"`
}

// DatasetField is one of its columns.
type DatasetField struct {
	Name string `yaml:"fieldName,required"`
	Type string `yaml:"fieldType,required"`
}

// DatasetFormat is csv, json or parquet.
type DatasetFormat string

func (DatasetFormat) values() []string { return []string{"csv", "json", "parquet"} }

// DatastoreOptions describe a data store.
type DatastoreOptions struct {
	Name string
	// SecretStore is a LocalFileStore, and SecretStoreFile the document it is
	// in. A store in mode SSE of the later generation needs none.
	SecretStore, SecretStoreFile string
	Mode                         EncryptionMode
	// Type is BlobResource if zero.
	Type ResourceType
	// URL is the blob endpoint of the account; for a OneLake its place; for S3
	// zero means https://s3.amazonaws.com.
	URL string
	// Container is the name of the data store if zero.
	Container string
	// CGSSecretID is the contract's secret with the keys of an S3 store.
	CGSSecretID string
}

// Add adds a data store. It makes neither key nor container; that is
// [DEKStore.Create], which overwrites none, and the sink. A name that is taken
// is an error.
func (s *Datastores) Add(o DatastoreOptions, stores *SecretStores) error {
	e, err := s.entry(o, stores)
	if err != nil {
		return builderError("add data store", o.Name, err)
	}
	s.Entries = append(s.Entries, *e)
	return nil
}

func (s *Datastores) entry(o DatastoreOptions, stores *SecretStores) (*Datastore, error) {
	if err := checkVaultName(o.Name); err != nil { // it becomes a part of one
		return nil, err
	}
	if find(s.Entries, o.Name, datastoreName) != nil {
		return nil, errExists
	}
	if o.Type == "" {
		o.Type = BlobResource
	}
	if o.Container == "" && o.Type != OneLakeResource {
		o.Container = o.Name
	}
	e := &Datastore{Name: o.Name, Mode: o.Mode, Type: o.Type, URL: o.URL, Container: o.Container, SecretStore: o.SecretStore, SecretStoreFile: o.SecretStoreFile}
	if err := e.place(o, s.Generation); err != nil {
		return nil, err
	}
	return e, s.checkKey(e, stores)
}

// place checks address and mode.
func (e *Datastore) place(o DatastoreOptions, g Generation) error {
	switch {
	case g == G1 && onlyG2[string(o.Type)]:
		return fmt.Errorf("the type %s came with G2", o.Type)
	case o.Type == AmazonS3Resource:
		return e.bucket(o)
	case o.Type != BlobResource && o.Type != DataLakeResource && o.Type != OneLakeResource:
		return fmt.Errorf("%q is not a store of data; known are %s, %s, %s and %s", shorten(string(o.Type), 80), BlobResource, DataLakeResource, OneLakeResource, AmazonS3Resource)
	case !contains([]string{"CPK", "CSE", "SSE"}, string(o.Mode)):
		return fmt.Errorf("the mode %q is not known; it is CPK, CSE or SSE", shorten(string(o.Mode), 80))
	}
	u, err := httpsURL(o.URL)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if o.Type == OneLakeResource {
		return nil
	}
	e.URL = withSlash(o.URL)
	if o.Type == BlobResource {
		if err := checkBlobHost(u); err != nil {
			return err
		}
	}
	return checkContainer(o.Container)
}

func (e *Datastore) bucket(o DatastoreOptions) error {
	if o.Mode != "" && o.Mode != ModeSSE {
		return fmt.Errorf("the mode of an S3 store is SSE, not %s", shorten(string(o.Mode), 80))
	}
	if o.CGSSecretID == "" {
		return errors.New("an S3 store needs the id of the contract's secret with its keys")
	}
	e.Mode, e.SecretStore, e.SecretStoreFile = ModeSSE, "", ""
	e.ProviderConfiguration = EncodeConfiguration(map[string]string{"secretId": o.CGSSecretID})
	if e.URL == "" {
		e.URL = "https://s3.amazonaws.com"
	}
	_, err := httpsURL(e.URL)
	return err
}

// checkKey wants a local store for the data key.
func (s *Datastores) checkKey(e *Datastore, stores *SecretStores) error {
	if e.SecretStore == "" {
		if e.Mode == ModeSSE && s.Generation != G1 {
			return nil
		}
		return fmt.Errorf("the mode %s needs a secret store for the data key; name one of the type %s", e.Mode, LocalFileStore)
	}
	if stores == nil {
		return errors.New("the document of secret stores is missing")
	}
	store, err := stores.Store(e.SecretStore)
	if err != nil {
		return err
	}
	if store.Type != LocalFileStore {
		return fmt.Errorf("the secret store %q is of the type %s; data keys lie in one of the type %s", store.Name, store.Type, LocalFileStore)
	}
	return nil
}

// Store returns the data store with this name.
func (s *Datastores) Store(name string) (*Datastore, error) {
	if e := find(s.Entries, name, datastoreName); e != nil {
		return e, nil
	}
	return nil, fmt.Errorf("cleanroom: DataStoreNotFound: there is no data store %q; add it first, the document has %s", shorten(name, 80), names(s.Entries, datastoreName))
}

func datastoreName(e *Datastore) string { return e.Name }

// ContainerURL is the address of the container, without a trailing slash.
func (e *Datastore) ContainerURL() string {
	return strings.TrimSuffix(strings.TrimSuffix(e.URL, "/")+"/"+e.Container, "/")
}

// Encode writes the document as YAML, as the reference tools do.
func (s *Datastores) Encode() ([]byte, error) {
	return encodeDocument(s, s.Generation, "data stores")
}

// WriteFile replaces a file in one step; see [Specification.WriteFile].
func (s *Datastores) WriteFile(file string) error { return writeDocument(file, s, "data stores") }

// ParseDatastores reads such a document of G2, strictly as
// [ParseSpecification] does.
func ParseDatastores(b []byte) (*Datastores, error) { return parseDatastores(b, G2) }

// ParseDatastoresG1 reads one of [G1], which has no schemas.
func ParseDatastoresG1(b []byte) (*Datastores, error) { return parseDatastores(b, G1) }

func parseDatastores(b []byte, g Generation) (*Datastores, error) {
	s := &Datastores{Generation: g}
	if err := parseDocument(b, g, s); err != nil {
		return nil, of(err, "data stores")
	}
	return s, nil
}

// ReadDatastores reads the document of G2 in a file.
func ReadDatastores(file string) (*Datastores, error) {
	return readDocument(file, "data stores", ParseDatastores)
}

// ReadDatastoresG1 reads the document of [G1] in a file.
func ReadDatastoresG1(file string) (*Datastores, error) {
	return readDocument(file, "data stores", ParseDatastoresG1)
}
