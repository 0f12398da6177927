package cleanroom

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/skr"
)

// GovernanceVariable is the environment variable of an application that holds
// a [GovernanceEnvironment].
const GovernanceVariable = "CLEANROOM_GOVERNANCE"

// sinkPrefix begins the name of the variable of each sink.
const sinkPrefix = "CLEANROOM_SINK_"

// maxEnvironmentValue bounds what is read from the environment. The platform
// refuses far smaller values; this only keeps a mistake from becoming slow.
const maxEnvironmentValue = 64 << 10

// GovernanceEnvironment tells the program in a room which contract it runs
// under and who keeps it. The deployment template carries it as a variable of
// the application, and the policy that is hashed into the host data covers that
// variable: the service certificate in it is therefore what the parties agreed
// on, whoever deploys the room. Its form is compact JSON:
//
//	{"application":"...","contractId":"...","endpoints":["https://..."],"serviceCertificate":"-----BEGIN CERTIFICATE-----\n..."}
type GovernanceEnvironment struct {
	// Application is the name of the application; it names the source of its
	// audit events and its exported log. Zero means the program's file name.
	Application string `json:"application,omitempty"`
	// ContractID is the contract, and the subject of the room's tokens.
	ContractID string `json:"contractId"`
	// Endpoints are the addresses of the governance service, best first:
	// https://HOST[:PORT] without a path.
	Endpoints []string `json:"endpoints"`
	// ServiceCertificate is the PEM text of the only certificate under which
	// an endpoint may answer.
	ServiceCertificate string `json:"serviceCertificate"`
}

// SinkEnvironment tells the program in a room where one of its sinks lies and
// how it is protected: names and addresses, never a key. Its form is compact
// JSON; "dek" is absent if the mode needs none, and "dekSha256", in base64, if
// the document does not pin the key:
//
//	{"name":"...","containerUrl":"https://...","mode":"CPK","clientId":"...","tenantId":"...","dek":{...},"dekSha256":"..."}
type SinkEnvironment struct {
	// Name is the name of the access point.
	Name string
	// ContainerURL is https://ACCOUNT.blob.core.windows.net/CONTAINER.
	ContainerURL string
	// Mode is CPK, CSE, Sealed or SSE.
	Mode string
	// ClientID and TenantID name the identity that may use the container.
	ClientID, TenantID string
	// DEK names the wrapped data key; the zero value means that there is none.
	DEK skr.SecretRef
	// DEKDigest is the SHA-256 of the data key; zero means that any key will
	// do that DEK unwraps to.
	DEKDigest [32]byte
}

// sinkJSON is the wire form.
type sinkJSON struct {
	Name         string         `json:"name"`
	ContainerURL string         `json:"containerUrl"`
	Mode         string         `json:"mode"`
	ClientID     string         `json:"clientId"`
	TenantID     string         `json:"tenantId"`
	DEK          *skr.SecretRef `json:"dek,omitempty"`
	DEKDigest    *string        `json:"dekSha256,omitempty"`
}

// SinkVariable is the environment variable of an application that holds the
// [SinkEnvironment] of a sink: "consumer-output" is in
// CLEANROOM_SINK_CONSUMER_OUTPUT. Two names of the document never share a
// variable; foreign names can, and [EncodeEnvironment] refuses them.
func SinkVariable(name string) string {
	return sinkPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// EncodeEnvironment is the whole environment that a room program needs, by the
// names of the variables and in their order. It refuses two sinks that would
// share a variable.
func EncodeEnvironment(g GovernanceEnvironment, sinks []SinkEnvironment) (Environment, error) {
	value, err := g.Encode()
	if err != nil {
		return nil, err
	}
	values := map[string]string{GovernanceVariable: value}
	owner := map[string]string{}
	for _, s := range sinks {
		variable := SinkVariable(s.Name)
		if other, taken := owner[variable]; taken {
			return nil, fmt.Errorf("cleanroom: encode environment: the sinks %q and %q would both be in %s; rename one of them", other, s.Name, variable)
		}
		owner[variable] = s.Name
		if values[variable], err = s.Encode(); err != nil {
			return nil, err
		}
	}
	var env Environment
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, EnvVar{Name: name, Value: values[name]})
	}
	return env, nil
}

// Encode is the value of [GovernanceVariable]. It has the certificate in the
// one form that encoding/pem writes, so that parties whose copies of it differ
// in line ends make the same deployment.
func (g GovernanceEnvironment) Encode() (string, error) {
	if err := g.Validate(); err != nil {
		return "", fmt.Errorf("cleanroom: encode %s: %w", GovernanceVariable, err)
	}
	block, _ := pem.Decode([]byte(g.ServiceCertificate))
	g.ServiceCertificate = string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	return compact(g)
}

// ParseGovernanceEnvironment reads the value of [GovernanceVariable]. Members
// that it does not know are refused: they would be part of what the parties
// agreed on, and have no effect.
func ParseGovernanceEnvironment(value string) (GovernanceEnvironment, error) {
	var g GovernanceEnvironment
	err := strict(value, &g)
	if err == nil {
		err = g.Validate()
	}
	if err != nil {
		return GovernanceEnvironment{}, fmt.Errorf("cleanroom: read %s: %w", GovernanceVariable, err)
	}
	return g, nil
}

// Validate reports the first member that cannot be used.
func (g GovernanceEnvironment) Validate() error {
	if g.Application != "" {
		if err := checkName(g.Application); err != nil {
			return fmt.Errorf("application %q: %w", shorten(g.Application, 80), err)
		}
	}
	if !validContractID(g.ContractID) {
		return fmt.Errorf("contractId %q: a contract's id is 1 to 128 letters, digits, hyphens and underscores", shorten(g.ContractID, 140))
	}
	if len(g.Endpoints) == 0 {
		return errors.New("endpoints is empty; it names at least one address of the governance service")
	}
	for _, endpoint := range g.Endpoints {
		u, err := httpsURL(endpoint)
		if err != nil {
			return fmt.Errorf("endpoints: %w", err)
		}
		if u.Path != "" && u.Path != "/" {
			return fmt.Errorf("endpoints: %q goes on after the host; the governance service has no other address than its host and port", shorten(endpoint, 80))
		}
	}
	return checkServiceCertificate(g.ServiceCertificate)
}

// checkServiceCertificate wants one certificate and nothing else: whoever
// answers under any of several would be the governance service.
func checkServiceCertificate(text string) error {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || !strings.HasPrefix(strings.TrimSpace(text), "-----BEGIN CERTIFICATE-----") {
		return errors.New("serviceCertificate is not the PEM text of a certificate; it is what pins the governance service")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("serviceCertificate goes on after the certificate; give that of the service alone")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("serviceCertificate: %w", err)
	}
	return nil
}

// Encode is the value of the variable [SinkVariable] of the sink.
func (s SinkEnvironment) Encode() (string, error) {
	if err := s.Validate(); err != nil {
		return "", fmt.Errorf("cleanroom: encode the environment of sink %q: %w", s.Name, err)
	}
	w := sinkJSON{Name: s.Name, ContainerURL: s.ContainerURL, Mode: s.Mode, ClientID: s.ClientID, TenantID: s.TenantID}
	if s.DEK != (skr.SecretRef{}) {
		w.DEK = &s.DEK
	}
	if s.DEKDigest != [32]byte{} {
		text := encodeDigest(s.DEKDigest)
		w.DEKDigest = &text
	}
	return compact(w)
}

// ParseSinkEnvironment reads the value of a sink's variable.
func ParseSinkEnvironment(value string) (SinkEnvironment, error) {
	var w sinkJSON
	if err := strict(value, &w); err != nil {
		return SinkEnvironment{}, fmt.Errorf("cleanroom: read the environment of a sink: %w", err)
	}
	s := SinkEnvironment{Name: w.Name, ContainerURL: w.ContainerURL, Mode: w.Mode, ClientID: w.ClientID, TenantID: w.TenantID}
	if w.DEK != nil {
		s.DEK = *w.DEK
	}
	if w.DEKDigest != nil {
		var err error
		if s.DEKDigest, err = decodeDigest(*w.DEKDigest); err != nil {
			return SinkEnvironment{}, fmt.Errorf("cleanroom: read the environment of sink %q: dekSha256: %w", s.Name, err)
		}
	}
	if err := s.Validate(); err != nil {
		return SinkEnvironment{}, fmt.Errorf("cleanroom: read the environment of sink %q: %w", s.Name, err)
	}
	return s, nil
}

// Validate reports the first member that cannot be used.
func (s SinkEnvironment) Validate() error {
	if err := checkName(s.Name); err != nil {
		return fmt.Errorf("name %q: %w", shorten(s.Name, 80), err)
	}
	if _, _, err := splitContainerURL(s.ContainerURL); err != nil {
		return err
	}
	if !applicationID.MatchString(s.ClientID) || !directoryID.MatchString(s.TenantID) {
		return errors.New("clientId and tenantId name the identity that may use the container; both are GUIDs, the tenant's may be its domain name")
	}
	switch s.Mode {
	case "CPK", "CSE", "Sealed":
		if err := s.DEK.Validate(); err != nil {
			return fmt.Errorf("dek: %w", err)
		}
	case "SSE":
		if s.DEK != (skr.SecretRef{}) {
			return errors.New("dek: the mode SSE has no data key; remove it, or set the mode CPK or Sealed")
		}
		if s.DEKDigest != [32]byte{} {
			return errors.New("dekSha256: the mode SSE has no data key that could be pinned; remove it, or set the mode CPK or Sealed")
		}
	default:
		return fmt.Errorf("mode %q is not known; it is CPK, CSE, Sealed or SSE", shorten(s.Mode, 20))
	}
	return nil
}

// applicationID names an identity in one way only, so that it can be compared.
var applicationID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// directoryID is what can name a tenant of Entra, and goes into the address of
// a token request.
var directoryID = regexp.MustCompile(`^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$`)

// SinkEnvironment is what a room program must be told about this access point.
// It is an error if the program could not use it by itself.
func (a *AccessPoint) SinkEnvironment() (SinkEnvironment, error) {
	fail := func(err error) (SinkEnvironment, error) { return SinkEnvironment{}, err }
	if a.Identity == nil {
		return fail(fmt.Errorf("cleanroom: access point %q has no identity that may use its container", a.Name))
	}
	if a.Subdirectory != "" {
		return fail(fmt.Errorf("cleanroom: access point %q: a room program writes to the whole container; remove the subdirectory %q or use a container of its own", a.Name, a.Subdirectory))
	}
	if a.Store.Type != BlobResource {
		return fail(fmt.Errorf("cleanroom: access point %q: a room program writes to blob containers only, not to %s", a.Name, a.Store.Type))
	}
	mode, err := a.Mode()
	if err != nil {
		return fail(err)
	}
	if mode == "CSE" {
		return fail(fmt.Errorf("cleanroom: access point %q: the mode CSE is that of the sidecars' mounts; a room program writes Sealed, CPK or SSE", a.Name))
	}
	s := SinkEnvironment{
		Name: a.Name, ContainerURL: a.ContainerURL(), Mode: mode,
		ClientID: a.Identity.ClientID, TenantID: a.Identity.TenantID,
	}
	if mode != "SSE" {
		if s.DEK, err = a.DEK(); err != nil {
			return fail(err)
		}
	}
	if s.DEKDigest, err = a.DEKDigest(); err != nil {
		return fail(err)
	}
	if err := s.Validate(); err != nil {
		return fail(fmt.Errorf("cleanroom: access point %q: %w", a.Name, err))
	}
	return s, nil
}

// validContractID keeps ids apart wherever the service joins them with other
// names, and fits a token's subject.
func validContractID(id string) bool {
	return len(id) >= 1 && len(id) <= 128 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// compact is JSON on one line without escapes for HTML: the value goes into a
// policy text where each additional character would have to be agreed on.
func compact(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("cleanroom: encode environment: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// strict reads exactly one JSON object into v, with no member twice and none
// that v does not have.
func strict(value string, v any) error {
	if value == "" {
		return errors.New("it is not set; the deployment template gives it to the application")
	}
	if len(value) > maxEnvironmentValue {
		return fmt.Errorf("it has %d bytes; at most %d are read", len(value), maxEnvironmentValue)
	}
	tree, err := parseJSONTree([]byte(value))
	if err == nil {
		if _, ok := tree.(map[string]any); !ok {
			return errors.New("it is not a JSON object")
		}
		d := json.NewDecoder(strings.NewReader(value))
		d.DisallowUnknownFields()
		err = d.Decode(v)
	}
	if err != nil {
		return fmt.Errorf("it is not the JSON object that the deployment template gives: %w", err)
	}
	return nil
}
