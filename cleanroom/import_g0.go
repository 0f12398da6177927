package cleanroom

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

var g0ApplicationType = reflect.TypeFor[g0Application]()

// ImportG0Options say what a document of the first releases does not.
type ImportG0Options struct {
	// ContractID is the contract of the run: the name of a KEK of that time
	// ended with it. It is needed where the document has access points.
	ContractID string
	// Identities are the names of identities by client id, which that form
	// left without. Zero names one identity-CLIENTID.
	Identities map[string]string
	// Applications have image, CPU, memory and, if it needs one, the identity
	// that pulls the image, by the application's name; other fields must be
	// zero. The image must be pinned by digest, which that form did not want,
	// and its releases wrote these fields under names that no longer can be
	// told.
	Applications map[string]ApplicationOptions
}

// ImportSpecificationG0 makes a document of [G1] from one of the first
// releases, of June to August 2024. There is no way back. It keeps names, places
// and keys: data stays readable with the keys of the directory that lay beside
// the document, which [OpenDEKStore] opens, wrapped keys keep their names in the
// vault, and the name of the KEK is that of the contract. [Specification.Upgrade]
// brings the result up to G2.
//
// Reading is as strict as that of [ParseSpecification], with the exception that
// [ImportG0Options] has. Identities are listed once by client id; the two copies
// that a merged document of that time has are one if they agree. What later
// forms cannot say is an error: a proxy mode that was not Secure, telemetry in
// sinks of other names, metrics apart from logs, ports of which nobody said who
// may reach them.
func ImportSpecificationG0(b []byte, o *ImportG0Options) (*Specification, error) {
	doc, err := parseG0(b)
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &ImportG0Options{}
	}
	im := g0Import{doc: doc, o: o, s: NewSpecificationG1()}
	if err := im.run(); err != nil {
		return nil, fmt.Errorf("cleanroom: import specification of the first releases: %w", err)
	}
	im.s.kek = nil
	return im.s, nil
}

// ReadSpecificationG0 imports the document in a file; see
// [ImportSpecificationG0].
func ReadSpecificationG0(file string, o *ImportG0Options) (*Specification, error) {
	return readDocument(file, "specification", func(b []byte) (*Specification, error) { return ImportSpecificationG0(b, o) })
}

type g0Import struct {
	doc *g0Document
	o   *ImportG0Options
	s   *Specification
}

func (im *g0Import) run() error {
	for i, id := range im.doc.Identities {
		if err := im.identity(id); err != nil {
			return fmt.Errorf("identities[%d]: %w", i, err)
		}
	}
	spec := &im.doc.Specification
	for i := range spec.Datasources {
		d := &spec.Datasources[i]
		if err := im.accessPoint(d.Name, &d.Point, VolumeReadOnly, im.s.AddDatasource); err != nil {
			return fmt.Errorf("specification.datasources[%d]: %w", i, err)
		}
	}
	for i := range spec.Datasinks {
		d := &spec.Datasinks[i]
		add, err := im.adder(d.Name)
		if err == nil {
			err = im.accessPoint(d.Name, &d.Point, VolumeReadWrite, add)
		}
		if err != nil {
			return fmt.Errorf("specification.datasinks[%d]: %w", i, err)
		}
	}
	if err := im.telemetryFound(); err != nil {
		return err
	}
	for i := range spec.Applications {
		if err := im.application(&spec.Applications[i]); err != nil {
			return fmt.Errorf("specification.applications[%d]: %w", i, err)
		}
	}
	switch im.doc.Sandbox {
	case "disabled":
		return im.s.DisableSandbox()
	case "enabled":
		return im.s.EnableSandbox()
	}
	return nil
}

func (im *g0Import) identity(id g0Identity) error {
	name := im.nameOf(id.ClientID)
	if known := im.s.identity(name); known != nil && known.ClientID == id.ClientID && known.TenantID == id.TenantID {
		return nil
	}
	return im.s.AddIdentity(name, id.ClientID, id.TenantID, "")
}

func (im *g0Import) nameOf(clientID string) string {
	if name := im.o.Identities[clientID]; name != "" {
		return name
	}
	return "identity-" + strings.ToLower(clientID)
}

// adder is what a sink is, by where the document sends telemetry.
func (im *g0Import) adder(name string) (func(DatasinkOptions) error, error) {
	t := im.doc.Specification.Telemetry
	for _, kind := range []struct {
		sinks *g0Telemetry
		fixed string
		add   func(DatasinkOptions) error
	}{{t.Application, ApplicationTelemetry, im.s.SetLogging}, {t.Infrastructure, InfrastructureTelemetry, im.s.SetTelemetry}} {
		if kind.sinks == nil || kind.sinks.Logs != name {
			continue
		}
		if s := *kind.sinks; s.Metrics != name || s.Traces != name {
			return nil, fmt.Errorf("telemetry goes to the sinks %q, %q and %q; later forms have one for logs, metrics and traces", s.Logs, s.Metrics, s.Traces)
		}
		if name != kind.fixed {
			return nil, fmt.Errorf("telemetry goes to the sink %q; in later forms it is called %s", name, kind.fixed)
		}
		return kind.add, nil
	}
	return im.s.AddDatasink, nil
}

func (im *g0Import) telemetryFound() error {
	t := im.doc.Specification.Telemetry
	for _, sinks := range []*g0Telemetry{t.Application, t.Infrastructure} {
		if sinks == nil || *sinks == (g0Telemetry{}) {
			continue
		}
		if _, err := im.s.Sink(sinks.Logs); err != nil {
			return fmt.Errorf("specification.telemetry: there is no sink %q; merge with the document of the party that has it, or take the section out", sinks.Logs)
		}
	}
	return nil
}

// accessPoint adds one under the name of its entry, with its own key names.
func (im *g0Import) accessPoint(name string, a *g0AccessPoint, kind AccessPointType, add func(DatasinkOptions) error) error {
	o, wrapped, err := im.options(name, a, kind)
	if err != nil {
		return err
	}
	if err := im.identity(a.Identity); err != nil {
		return err
	}
	kek := a.Protection.EncryptionSecret.KEK.Resource
	if err := im.s.SetKEK(KEKStore{Key: kek.NamePrefix + im.o.ContractID, VaultURL: kek.Provider.URL, AttestationURL: kek.Provider.Configuration}); err != nil {
		return err
	}
	if err := add(*o); err != nil {
		return err
	}
	// The key was wrapped under a name of that time.
	for _, point := range im.s.accessPointsOf(name) {
		dek := &point.Protection.EncryptionSecrets.DEK
		dek.Name, dek.Secret.BackingResource.Name = wrapped, wrapped
	}
	return nil
}

func (im *g0Import) options(name string, a *g0AccessPoint, kind AccessPointType) (*DatasinkOptions, string, error) {
	direction := strings.TrimPrefix(string(kind), "Volume_")
	dek := a.Protection.EncryptionSecret.DEK.Resource
	switch {
	case a.Name != name:
		return nil, "", fmt.Errorf("the entry is called %q and its access point %q; they must agree", shorten(name, 80), shorten(a.Name, 80))
	case string(a.Type) != "Volume__"+direction:
		return nil, "", fmt.Errorf("%q is of the type %s, which does not belong into this list", shorten(name, 80), a.Type)
	case a.Protection.ProxyType != "SecureVolume__"+direction+"__AzureStorage__BlobContainer":
		return nil, "", fmt.Errorf("%q has the proxy type %q, which has no counterpart in later forms", shorten(name, 80), shorten(a.Protection.ProxyType, 80))
	case a.Protection.ProxyMode != "Secure":
		return nil, "", fmt.Errorf("%q has the proxy mode %s; later forms protect data in the mode Secure alone", shorten(name, 80), a.Protection.ProxyMode)
	case im.o.ContractID == "":
		return nil, "", errors.New("the name of the KEK ends with the contract's id; give ContractID")
	case a.Protection.EncryptionSecret.KEK.Resource.NamePrefix == "":
		return nil, "", fmt.Errorf("%q has no prefix of a KEK's name", shorten(name, 80))
	}
	if err := checkVaultName(dek.Name); err != nil {
		return nil, "", fmt.Errorf("wrapped data key: %w", err)
	}
	var mode struct {
		KeyType string         `yaml:"KeyType"`
		Mode    EncryptionMode `yaml:"EncryptionMode,required"`
	}
	if err := parseDocument([]byte(a.Protection.Configuration), G1, &mode); err != nil {
		return nil, "", fmt.Errorf("%q: protection configuration: %w", shorten(name, 80), of(err, "configuration"))
	}
	return &DatasinkOptions{
		Name: name, Datastore: name, Identity: im.nameOf(a.Identity.ClientID), Mode: string(mode.Mode), DEKVaultURL: dek.Provider.URL,
		ContainerURL: strings.TrimSuffix(a.Store.Provider.URL, "/") + "/" + a.Store.Name,
	}, dek.Name, nil
}

// accessPointsOf are an access point and the copies that telemetry holds.
func (s *Specification) accessPointsOf(name string) []*AccessPoint {
	var points []*AccessPoint
	for _, list := range [][]AccessPoint{s.Datasources, s.Datasinks} {
		if a := find(list, name, accessPointName); a != nil && a.Protection.EncryptionSecrets != nil {
			points = append(points, a)
		}
	}
	for _, a := range s.telemetryCopies() {
		if a.Name == name && a.Protection.EncryptionSecrets != nil {
			points = append(points, a)
		}
	}
	return points
}

func (im *g0Import) application(a *g0NamedApplication) error {
	o, ok := im.o.Applications[a.Name]
	if !ok {
		return fmt.Errorf("the image, CPU and memory of the application %q are not given; say them in ImportG0Options.Applications", shorten(a.Name, 80))
	}
	full := ApplicationOptions{Name: a.Name, Image: o.Image, CPU: o.CPU, MemoryInGB: o.MemoryInGB, PullIdentity: o.PullIdentity}
	if rest := (ApplicationOptions{Image: o.Image, CPU: o.CPU, MemoryInGB: o.MemoryInGB, PullIdentity: o.PullIdentity}); !reflect.DeepEqual(o, rest) {
		return fmt.Errorf("the application %q has more than image, CPU, memory and pull identity in the options; the document has the rest", shorten(a.Name, 80))
	}
	full.Command = a.Application.Command
	for _, v := range a.Application.Environment {
		name, value, _ := strings.Cut(v, "=")
		full.Environment = append(full.Environment, EnvVar{name, value})
	}
	for _, text := range a.Application.Mounts {
		m, err := g0Mount(text)
		if err != nil {
			return err
		}
		if find(im.s.Datasources, m.Name, accessPointName) != nil {
			full.Datasources = append(full.Datasources, m)
		} else {
			full.Datasinks = append(full.Datasinks, m)
		}
	}
	if err := im.s.AddApplication(full); err != nil {
		return err
	}
	for _, port := range a.Application.Ports {
		bundle, err := im.bundle()
		if err != nil {
			return err
		}
		if err := im.s.AddApplicationEndpoint(a.Name, port, bundle); err != nil {
			return err
		}
	}
	return nil
}

// bundle is the policy of the document's ports; empty allows all traffic.
func (im *g0Import) bundle() (string, error) {
	p := im.doc.NetworkPolicy
	switch {
	case p == nil:
		return "", errors.New("NetworkPolicyMissing: the application has a port and the document no networkPolicy; add one, or take the port out")
	case p.AllowAll == "true" && p.Bundle == "":
		return "", nil
	case p.AllowAll != "true" && p.Bundle != "":
		return p.Bundle, nil
	}
	return "", fmt.Errorf("networkPolicy has the bundle %q and allowAll %q; it needs one of a bundle and allowAll \"true\"", shorten(p.Bundle, 80), shorten(p.AllowAll, 20))
}
