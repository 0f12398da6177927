package cleanroom

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The form of the releases from June to August 2024, as far as it is read.
// Their documents have no schema: what is known of them is what those releases
// read themselves.
type g0Document struct {
	Identities    []g0Identity       `yaml:"identities,required"`
	KEK           *g0KEK             `yaml:"kek"`
	Sandbox       g0Sandbox          `yaml:"sandbox"`
	NetworkPolicy *g0NetworkPolicy   `yaml:"networkPolicy"`
	Specification g0SpecificationMap `yaml:"specification,required"`
}

type g0SpecificationMap struct {
	Datasources  []g0Datasource        `yaml:"datasources,required"`
	Datasinks    []g0Datasink          `yaml:"datasinks,required"`
	Applications []g0NamedApplication  `yaml:"applications,required"`
	Telemetry    g0TelemetryByAudience `yaml:"telemetry"`
}

type g0Identity struct {
	ClientID    string `yaml:"clientId,required"`
	TenantID    string `yaml:"tenantId,required"`
	PrincipalID string `yaml:"principalId"`
}

// g0KEK is what set-kek noted for the access points to come; each has a copy.
type g0KEK struct {
	GenerateName string `yaml:"generateName"`
	VaultURL     string `yaml:"__HSM_URL__"`
	Attestation  string `yaml:"__MAA_URL__"`
}

type g0Sandbox string

func (g0Sandbox) values() []string { return []string{"disabled", "enabled"} }

type g0NetworkPolicy struct {
	Bundle   string `yaml:"policyBundleUrl"`
	AllowAll string `yaml:"allowAll"`
}

type g0Datasource struct {
	Name  string        `yaml:"name,required"`
	Point g0AccessPoint `yaml:"datasource,required"`
}

type g0Datasink struct {
	Name  string        `yaml:"name,required"`
	Point g0AccessPoint `yaml:"datasink,required"`
}

type g0NamedApplication struct {
	Name        string        `yaml:"name,required"`
	Application g0Application `yaml:"application,required"`
}

// g0Application has the fields whose names are known.
type g0Application struct {
	Command     []string `yaml:"command"`
	Mounts      []string `yaml:"mount"`
	Environment []string `yaml:"env_var"`
	Ports       []int    `yaml:"ports"`
}

type g0TelemetryByAudience struct {
	Infrastructure *g0Telemetry `yaml:"infrastructure"`
	Application    *g0Telemetry `yaml:"application"`
}

// g0Telemetry has the name of a sink for each kind.
type g0Telemetry struct {
	Metrics string `yaml:"metrics"`
	Logs    string `yaml:"logs"`
	Traces  string `yaml:"traces"`
}

type g0AccessPoint struct {
	Name       string            `yaml:"Name,required"`
	Type       g0AccessPointType `yaml:"Type,required"`
	Path       string            `yaml:"Path"`
	Store      g0Resource        `yaml:"Store,required"`
	Identity   g0Identity        `yaml:"Identity,required"`
	Protection g0Protection      `yaml:"Protection,required"`
}

type g0AccessPointType string

func (g0AccessPointType) values() []string { return []string{"Volume__ReadOnly", "Volume__ReadWrite"} }

type g0Resource struct {
	Name       string     `yaml:"Name"`
	NamePrefix string     `yaml:"NamePrefix"`
	Type       string     `yaml:"Type,required"`
	ID         string     `yaml:"Id"`
	Provider   g0Provider `yaml:"Provider,required"`
}

type g0Provider struct {
	Protocol      string `yaml:"Protocol,required"`
	URL           string `yaml:"URL,required"`
	Configuration string `yaml:"Configuration"`
}

type g0Protection struct {
	ProxyType        string      `yaml:"ProxyType,required"`
	ProxyMode        g0ProxyMode `yaml:"ProxyMode,required"`
	PrivacyPolicy    *g0Empty    `yaml:"PrivacyPolicy"`
	Configuration    string      `yaml:"Configuration,required"`
	EncryptionSecret g0Secrets   `yaml:"EncryptionSecret,required"`
	AccessIdentity   *g0Identity `yaml:"EncryptionSecretAccessIdentity"`
}

type g0ProxyMode string

func (g0ProxyMode) values() []string { return []string{"Secure", "Trusted", "Open"} }

// g0Empty is null in every document; a field in it is refused as unknown.
type g0Empty struct{}

type g0Secrets struct {
	DEK g0Secret `yaml:"DEK,required"`
	KEK g0Secret `yaml:"KEK,required"`
}

type g0Secret struct {
	SecretType string     `yaml:"SecretType,required"`
	Resource   g0Resource `yaml:"BackingResource,required"`
}

// parseG0 reads the document as strictly as the later ones, but for the part of
// an application that the caller gives.
func parseG0(b []byte) (*g0Document, error) {
	node, err := parseYAML(b)
	if err != nil {
		return nil, err
	}
	dropTemplateFields(node)
	doc := new(g0Document)
	d := decoder{generation: G1} // the fields of this form have no generation
	d.decode(node, doc)
	if len(d.problems) > 0 {
		return nil, &DocumentError{Problems: d.problems}
	}
	return doc, nil
}

// dropTemplateFields leaves of each application the fields that are known.
func dropTemplateFields(document *yaml.Node) {
	list := child(child(document, "specification"), "applications")
	if list == nil || list.Kind != yaml.SequenceNode {
		return
	}
	known := fieldNames(fieldsOf(g0ApplicationType, G1))
	for _, item := range list.Content {
		application := child(resolved(item), "application")
		if application == nil || application.Kind != yaml.MappingNode {
			continue
		}
		var kept []*yaml.Node
		for i := 0; i+1 < len(application.Content); i += 2 {
			if contains(known, resolved(application.Content[i]).Value) {
				kept = append(kept, application.Content[i], application.Content[i+1])
			}
		}
		application.Content = kept
	}
}

// child is the value of a key of a map, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if resolved(n.Content[i]).Value == key {
			return resolved(n.Content[i+1])
		}
	}
	return nil
}

// g0Mount reads src=NAME:dst=PATH.
func g0Mount(s string) (Mount, error) {
	source, target, ok := strings.Cut(s, ":")
	name, isName := strings.CutPrefix(source, "src=")
	path, isPath := strings.CutPrefix(target, "dst=")
	if !ok || !isName || !isPath {
		return Mount{}, fmt.Errorf("the mount %q is not src=NAME:dst=PATH", shorten(s, 120))
	}
	return Mount{name, path}, nil
}
