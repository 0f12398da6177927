package cleanroom

import "errors"

// inGeneration makes an access point in the form of the document.
func (s *Specification) inGeneration(o DatasinkOptions, kind AccessPointType, proxy ProxyType) (*AccessPoint, error) {
	if s.Generation == G2 {
		return s.accessPoint(o, kind, proxy)
	}
	if o.Subdirectory != "" {
		return nil, errOnlyG2
	}
	if o.Mode == "Sealed" {
		return nil, errors.New("the tools of G1 do not know the mode Sealed; use CPK, CSE or SSE, or upgrade the document")
	}
	// G1 has keys in each mode, also where they are not used.
	plain := o.Mode == "SSE"
	if plain {
		o.Mode = "CPK"
	}
	a, err := s.accessPoint(o, kind, proxy)
	if err != nil {
		return nil, err
	}
	if plain {
		a.Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "SSE", "KeyType": "KEK"})
	}
	return a, a.rewrite(s.Generation)
}

// DisableSandbox lets the applications of a [G1] document reach any address,
// and whatever they were made to run with them: the data that they see can go
// anywhere. Documents of G2 list what may be reached; see
// [Specification.AllowTCP].
func (s *Specification) DisableSandbox() error { return s.setSandbox(SandboxNone) }

// EnableSandbox closes the network of a [G1] document again.
func (s *Specification) EnableSandbox() error { return s.setSandbox(SandboxType0) }

func (s *Specification) setSandbox(kind SandboxType) error {
	if s.Generation != G1 {
		return builderError("set sandbox", string(kind), errors.New("a document of G2 has no such setting: the room is closed but for what its network section lists; see AllowTCP"))
	}
	s.Sandbox = &SandboxSettings{SandboxType: kind}
	return nil
}

// AddApplicationEndpoint opens a port of an application of a [G1] document to
// inbound traffic. bundle is the reference of a policy bundle in a registry,
// pinned by digest; empty allows all traffic. The tools of G1 can deploy one
// endpoint.
func (s *Specification) AddApplicationEndpoint(application string, port int, bundle string) error {
	const op = "add application endpoint"
	if s.Generation != G1 {
		return builderError(op, application, errors.New("a document of G2 has no endpoints; see AllowHTTP"))
	}
	a := find(s.Applications, application, applicationName)
	if a == nil {
		return builderError(op, application, errors.New("there is no such application; add it first, the document has "+names(s.Applications, applicationName)))
	}
	if err := checkPort(port); err != nil {
		return builderError(op, application, err)
	}
	protection, err := openProtection(bundle)
	if err != nil {
		return builderError(op, application, err)
	}
	if len(s.ApplicationEndpoints) > 0 {
		return builderError(op, application, errors.New("the document has an endpoint already, and the tools of G1 can deploy one"))
	}
	s.ApplicationEndpoints = append(s.ApplicationEndpoints, ApplicationEndpoint{Type: "Open", Port: port, Protection: *protection})
	a.RuntimeSettings.Ports = append(a.RuntimeSettings.Ports, port)
	return nil
}
