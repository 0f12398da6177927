package cleanroom

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/cleanroom-go/sdk/internal/blobhost"
)

// DatasinkOptions describe an access point.
type DatasinkOptions struct {
	// Name is the name of the access point.
	Name string
	// ContainerURL is https://ACCOUNT.blob.core.windows.net/CONTAINER.
	ContainerURL string
	// Identity names an identity of the document that may use the container
	// and read the vaults.
	Identity string
	// DEKVaultURL is the vault of the wrapped data key. Zero means the vault
	// of the KEK.
	DEKVaultURL string
	// DEKStore is the name of that vault in the party's own list; zero means
	// the first label of its host.
	DEKStore string
	// Mode is CPK (zero), CSE, SSE or, of sinks that programs with this SDK write
	// and read, Sealed. With SSE there is no data key.
	Mode string
	// DEKDigest pins the data key by the SHA-256 of its 32 bytes, which is
	// [datasink.DEK.Digest]: whoever may write secrets of the vault could
	// otherwise wrap a key of his own, and the room would use it. Zero means
	// that it is not pinned.
	DEKDigest [32]byte
	// KEKName overrides the name of the key recorded by SetKEK.
	KEKName string
	// Datastore is the name of the data store; zero means the container's.
	Datastore string
	// Subdirectory restricts the access point to a part of the container.
	Subdirectory string
}

// DatasourceOptions describe an access point that is only read.
type DatasourceOptions = DatasinkOptions

// AddDatasink adds a container that the room writes.
func (s *Specification) AddDatasink(o DatasinkOptions) error {
	a, err := s.inGeneration(o, VolumeReadWrite, blobReadWrite)
	if err != nil {
		return builderError("add datasink", o.Name, err)
	}
	s.Datasinks = append(s.Datasinks, *a)
	return nil
}

// AddDatasource adds a container that the room reads.
func (s *Specification) AddDatasource(o DatasourceOptions) error {
	a, err := s.inGeneration(o, VolumeReadOnly, blobReadOnly)
	if err != nil {
		return builderError("add datasource", o.Name, err)
	}
	s.Datasources = append(s.Datasources, *a)
	return nil
}

// SetLogging adds the sink application-telemetry and has the log of the
// applications written to it. The name in o is ignored.
func (s *Specification) SetLogging(o DatasinkOptions) error {
	o.Name = ApplicationTelemetry
	if err := s.AddDatasink(o); err != nil {
		return err
	}
	s.telemetry().Application = &ApplicationTelemetrySinks{Logs: s.Datasinks[len(s.Datasinks)-1]}
	return nil
}

// SetTelemetry adds the sink infrastructure-telemetry and has the room's own
// logs, metrics and traces written to it. The name in o is ignored.
func (s *Specification) SetTelemetry(o DatasinkOptions) error {
	o.Name = InfrastructureTelemetry
	if err := s.AddDatasink(o); err != nil {
		return err
	}
	sink := s.Datasinks[len(s.Datasinks)-1]
	s.telemetry().Infrastructure = &InfrastructureTelemetrySinks{Logs: sink, Metrics: sink, Traces: sink}
	return nil
}

func (s *Specification) telemetry() *Telemetry {
	if s.Governance == nil {
		s.Governance = &GovernanceSettings{}
	}
	if s.Governance.Telemetry == nil {
		s.Governance.Telemetry = &Telemetry{}
	}
	return s.Governance.Telemetry
}

// accessPoint makes an access point whose references all hold.
func (s *Specification) accessPoint(o DatasinkOptions, kind AccessPointType, proxy ProxyType) (*AccessPoint, error) {
	if err := checkName(o.Name); err != nil {
		return nil, err
	}
	if find(s.Datasinks, o.Name, accessPointName) != nil || find(s.Datasources, o.Name, accessPointName) != nil {
		return nil, errExists
	}
	identity := s.identity(o.Identity)
	if identity == nil || identity.ClientID == "" {
		return nil, fmt.Errorf("there is no identity %q with access to Azure; add it first, the document has %s", o.Identity, names(s.Identities, identityName))
	}
	account, container, err := splitContainerURL(o.ContainerURL)
	if err != nil {
		return nil, err
	}
	if o.Datastore == "" {
		o.Datastore = container
	}
	if o.Subdirectory != "" && !localPath(o.Subdirectory) {
		return nil, fmt.Errorf("the subdirectory %q must be a clean relative path inside the container", o.Subdirectory)
	}
	owner := *identity
	a := &AccessPoint{
		Name: o.Name, Type: kind, Subdirectory: o.Subdirectory, Identity: &owner,
		Store: Resource{
			Name: container, ID: o.Datastore, Type: BlobResource,
			Provider: ServiceEndpoint{Protocol: BlobStorage, URL: account},
		},
		Protection: PrivacyProxySettings{ProxyType: proxy, ProxyMode: ProxySecure},
	}
	return a, s.protect(a, o)
}

// protect adds the mode and, if there is one, the wrapped data key.
func (s *Specification) protect(a *AccessPoint, o DatasinkOptions) error {
	switch o.Mode {
	case "SSE":
		if o.DEKDigest != [32]byte{} {
			return errors.New("the mode SSE has no data key that could be pinned")
		}
		a.Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "SSE"})
		return nil
	case "":
		o.Mode = "CPK"
	case "CPK", "CSE", "Sealed":
	default:
		return fmt.Errorf("the mode %q is not known; it is CPK, CSE, Sealed or SSE", o.Mode)
	}
	if s.kek == nil {
		return errors.New("the data key needs a KEK; call SetKEK first")
	}
	kek := *s.kek
	if o.KEKName != "" {
		kek.Key = o.KEKName
	}
	if o.DEKVaultURL == "" {
		o.DEKVaultURL = kek.VaultURL
	}
	vault, err := httpsURL(o.DEKVaultURL)
	if err != nil {
		return fmt.Errorf("vault of the data key: %w", err)
	}
	if strings.HasSuffix(vault.Hostname(), ".managedhsm.azure.net") {
		return fmt.Errorf("the vault %s is a Managed HSM, which holds keys only; wrapped data keys need a Key Vault", vault.Host)
	}
	if o.DEKStore == "" {
		o.DEKStore, _, _ = strings.Cut(vault.Hostname(), ".")
	}
	secret := "wrapped-" + o.Datastore + "-dek-" + kek.Key
	for _, name := range []string{kek.Key, secret} {
		if err := checkVaultName(name); err != nil {
			return err
		}
	}
	configuration := map[string]string{"EncryptionMode": o.Mode, "KeyType": "KEK"}
	if o.DEKDigest != [32]byte{} {
		configuration[dekDigestConfig] = encodeDigest(o.DEKDigest)
	}
	a.Protection.Configuration = EncodeConfiguration(configuration)
	a.Protection.EncryptionSecretAccessIdentity = a.Identity
	a.Protection.EncryptionSecrets = &EncryptionSecrets{
		DEK: vaultSecret(secret, o.DEKStore, ServiceEndpoint{Protocol: AzureKeyVaultSecret, URL: withSlash(o.DEKVaultURL)}),
		KEK: kekSecret(kek),
	}
	return nil
}

func kekSecret(k KEKStore) *EncryptionSecret {
	secret := vaultSecret(k.Key, k.Name, ServiceEndpoint{
		Protocol:      AzureKeyVaultSecureKey,
		URL:           withSlash(k.VaultURL),
		Configuration: EncodeConfiguration(map[string]string{attestationConfig: k.AttestationURL}),
	})
	return &secret
}

func vaultSecret(name, store string, provider ServiceEndpoint) EncryptionSecret {
	return EncryptionSecret{Name: name, Secret: CleanroomSecret{
		SecretType:      secretTypeKey,
		BackingResource: Resource{Name: name, ID: store, Type: KeyVaultResource, Provider: provider},
	}}
}

// splitContainerURL gives the account with its trailing slash and the name of
// the container. The host is one of blob storage: a token for storage that is
// sent elsewhere opens every account of its identity.
func splitContainerURL(s string) (account, container string, err error) {
	u, err := httpsURL(s)
	if err != nil {
		return "", "", fmt.Errorf("container: %w", err)
	}
	if err := checkBlobHost(u); err != nil {
		return "", "", fmt.Errorf("container: %w", err)
	}
	container = strings.Trim(u.EscapedPath(), "/")
	if err := checkContainer(container); err != nil {
		return "", "", err
	}
	return "https://" + u.Host + "/", container, nil
}

func checkBlobHost(u *url.URL) error {
	if blobhost.Known(u.Host) {
		return nil
	}
	return fmt.Errorf("the host %q is not one of blob storage, which is %s", shorten(u.Host, 80), blobhost.Patterns)
}

func identityName(i *Identity) string { return i.Name }

// localPath reports whether p stays inside the container.
func localPath(p string) bool {
	return path.Clean(p) == p && !path.IsAbs(p) && p != "." && p != ".." && !strings.HasPrefix(p, "../") && !strings.ContainsAny(p, "\\\x00")
}
