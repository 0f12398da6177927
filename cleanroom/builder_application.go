package cleanroom

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strings"
	"unicode/utf8"
)

// ApplicationOptions describe an application.
type ApplicationOptions struct {
	Name string
	// Image is pinned: registry/repository@sha256:DIGEST.
	Image string
	// Command replaces the image's own; nil keeps it.
	Command []string
	// Environment holds no secret: the document, the template and the policy
	// show it to every party.
	Environment Environment
	// Datasources and Datasinks name access points of the document, or of
	// the other party's, and the path at which the application sees them.
	Datasources, Datasinks Mounts
	// CPU is in cores, MemoryInGB in gigabytes. Zero means 0.5 and 1.
	CPU, MemoryInGB float64
	// Ports are those that inbound traffic may use.
	Ports []int
	// StartType is Auto if zero.
	StartType StartType
	// PullIdentity names the identity of the document that may pull the image;
	// zero is for a public one.
	PullIdentity string
	// Source is a program in source form that the image runs; see
	// [PackSource]. Zero means that the image has the program, which is
	// better: what a room builds it cannot pin.
	Source *PackedSource
}

// AddApplication adds an application. Access points that it uses must be in
// the document already.
func (s *Specification) AddApplication(o ApplicationOptions) error {
	a, err := s.application(o)
	if err != nil {
		return builderError("add application", o.Name, err)
	}
	s.Applications = append(s.Applications, *a)
	return nil
}

func (s *Specification) application(o ApplicationOptions) (*Application, error) {
	if err := checkName(o.Name); err != nil {
		return nil, err
	}
	if find(s.Applications, o.Name, applicationName) != nil {
		return nil, errExists
	}
	if err := checkImage(o.Image); err != nil {
		return nil, err
	}
	if o.Source != nil {
		o.Environment = append(o.Environment[:len(o.Environment):len(o.Environment)], o.Source.Variables()...)
	}
	if err := checkEnvironment(o.Environment); err != nil {
		return nil, err
	}
	for _, m := range o.Datasources {
		if _, err := s.Source(m.Name); err != nil {
			return nil, err
		}
	}
	for _, m := range o.Datasinks {
		if _, err := s.Sink(m.Name); err != nil {
			return nil, err
		}
	}
	if err := checkMounts(o.Datasources, o.Datasinks); err != nil {
		return nil, err
	}
	for _, p := range o.Ports {
		if err := checkPort(p); err != nil {
			return nil, err
		}
	}
	if o.CPU == 0 {
		o.CPU = 0.5
	}
	if o.MemoryInGB == 0 {
		o.MemoryInGB = 1
	}
	if !positive(o.CPU) || !positive(o.MemoryInGB) {
		return nil, errors.New("cpu and memory must be positive")
	}
	if o.StartType == "" {
		o.StartType = StartAuto
	}
	if !contains(o.StartType.values(), string(o.StartType)) {
		return nil, fmt.Errorf("the start type %q is not known; %s", o.StartType, suggestion(string(o.StartType), o.StartType.values()))
	}
	a := newApplication(o)
	if o.PullIdentity != "" {
		identity, err := s.azureIdentity(o.PullIdentity)
		if err != nil {
			return nil, err
		}
		a.Image.Executable.Identity = identity
	}
	return a, s.applicationInGeneration(a, o)
}

// applicationInGeneration writes it as a document of [G1] does.
func (s *Specification) applicationInGeneration(a *Application, o ApplicationOptions) error {
	if s.Generation != G1 {
		return nil
	}
	if o.StartType != StartAuto {
		return errOnlyG2
	}
	if len(o.Ports) > 0 {
		return errors.New("the ports of a document of G1 come with AddApplicationEndpoint")
	}
	a.RuntimeSettings.Mounts = encodeMounts(o.Datasources, o.Datasinks)
	a.StartType, a.Datasources, a.Datasinks = "", nil, nil
	return rewriteConfiguration(a.Image.EnforcementPolicy.Policy.Inline.PolicyDocument, G1)
}

// positive is false for what is not a number, too.
func positive(f float64) bool { return f > 0 && !math.IsInf(f, 1) }

func newApplication(o ApplicationOptions) *Application {
	registry, _, _ := strings.Cut(o.Image, "/")
	trust := EncodeConfiguration(map[string]string{"trustType": "https"})
	return &Application{
		Name: o.Name,
		Image: Image{
			Executable: Document{
				DocumentType: documentTypeOCI,
				BackingResource: Resource{
					Name: o.Name, ID: o.Image, Type: RegistryResource,
					Provider: ServiceEndpoint{Protocol: ContainerRegistry, URL: registry},
				},
			},
			EnforcementPolicy: Policy{Policy: &PolicyBody{Inline: &InlinePolicy{PolicyDocument: &trust}}},
		},
		StartType:            o.StartType,
		Command:              append([]string{}, o.Command...),
		EnvironmentVariables: append(Environment{}, o.Environment...),
		Datasources:          append(Mounts{}, o.Datasources...),
		Datasinks:            append(Mounts{}, o.Datasinks...),
		RuntimeSettings: RuntimeSettings{
			Ports:    append([]int{}, o.Ports...),
			Resource: Resources{Requests: ResourceRequests{CPU: o.CPU, MemoryInGB: o.MemoryInGB}},
		},
	}
}

// reservedPrefix begins the variables that generation adds.
const reservedPrefix = "CLEANROOM_"

func checkEnvironment(e Environment) error {
	seen := make(map[string]bool, len(e))
	for _, v := range e {
		switch {
		case !variableName.MatchString(v.Name):
			return fmt.Errorf("%q is not a name of an environment variable", shorten(v.Name, 80))
		case strings.HasPrefix(v.Name, mountPrefix) && checkMountPath(v.Value) != nil:
			return fmt.Errorf("the variable %s: %w", v.Name, checkMountPath(v.Value))
		case strings.HasPrefix(v.Name, reservedPrefix) && !strings.HasPrefix(v.Name, mountPrefix):
			return fmt.Errorf("the variable %s has a name that the room sets itself; names that begin with %s are reserved", v.Name, reservedPrefix)
		case seen[v.Name]:
			return fmt.Errorf("the variable %s is set twice", v.Name)
		case !plainText(v.Value):
			return fmt.Errorf("the variable %s holds a null character, or bytes that are not UTF-8", v.Name)
		case looksSecret(v.Value):
			return fmt.Errorf("the variable %s looks like a private key or an address with a password, and every party reads the document: put it as a secret of the contract and name its id here", v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}

// plainText reports whether the platform can give s to a process as it is.
func plainText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func checkMounts(lists ...Mounts) error {
	seenName, seenPath := map[string]bool{}, map[string]bool{}
	for _, list := range lists {
		for _, m := range list {
			switch {
			case !path.IsAbs(m.Path) || path.Clean(m.Path) != m.Path || m.Path == "/":
				return fmt.Errorf("the path %q of %s must be absolute and clean, and not the root", m.Path, m.Name)
			case seenName[m.Name]:
				return fmt.Errorf("the access point %s is used twice", m.Name)
			case seenPath[m.Path]:
				return fmt.Errorf("the path %s is used twice", m.Path)
			}
			seenName[m.Name], seenPath[m.Path] = true, true
		}
	}
	return nil
}

func applicationName(a *Application) string { return a.Name }
