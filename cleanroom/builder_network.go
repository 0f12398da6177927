package cleanroom

import (
	"errors"
	"fmt"
)

// Direction of HTTP traffic, as the applications see it.
type Direction string

// The directions.
const (
	Inbound  Direction = "inbound"
	Outbound Direction = "outbound"
)

// AllowHTTP opens HTTP in one direction. bundle is the reference of a policy
// bundle in a registry, pinned by digest, that decides on each request; empty
// allows every request. An open direction stays as it is, and asking for
// another policy is an error.
//
// The sidecars' proxy enforces it. [Generate] makes rooms without one and
// refuses such a document.
func (s *Specification) AllowHTTP(d Direction, bundle string) error {
	const op = "allow HTTP"
	protection, err := openProtection(bundle)
	if err != nil {
		return builderError(op, string(d), err)
	}
	n, err := s.network()
	if err != nil {
		return builderError(op, string(d), err)
	}
	h := HTTPSettings{}
	if n.HTTP != nil {
		h = *n.HTTP
	}
	place, err := h.direction(d)
	if err != nil {
		return builderError(op, string(d), err)
	}
	if *place != nil && bundleOf((*place).Policy) != bundle {
		return builderError(op, string(d), fmt.Errorf("it is open already under another policy, %q; close it first", shorten(bundleOf((*place).Policy), 120)))
	}
	*place = &HTTPDirection{Enabled: true, Policy: *protection}
	n.HTTP = &h
	s.Network = n
	return nil
}

// DenyHTTP closes a direction.
func (s *Specification) DenyHTTP(d Direction) error {
	h := HTTPSettings{}
	if s.Network != nil && s.Network.HTTP != nil {
		h = *s.Network.HTTP
	}
	place, err := h.direction(d)
	if err != nil {
		return builderError("deny HTTP", string(d), err)
	}
	if s.Network == nil {
		return nil
	}
	*place = nil
	s.Network.HTTP = &h
	if h == (HTTPSettings{}) {
		s.Network.HTTP = nil
	}
	return s.dropEmptyNetwork()
}

func (h *HTTPSettings) direction(d Direction) (**HTTPDirection, error) {
	switch d {
	case Inbound:
		return &h.Inbound, nil
	case Outbound:
		return &h.Outbound, nil
	}
	return nil, errors.New("the direction is inbound or outbound")
}

// DenyTCP takes back what [Specification.AllowTCP] allowed. The section goes
// with the last address: the reference tools leave an empty one, which they
// can neither extend nor deploy.
func (s *Specification) DenyTCP() error {
	if s.Network == nil {
		return nil
	}
	s.Network.TCP = nil
	return s.dropEmptyNetwork()
}

// AllowDNS opens name resolution on a port, which is 53 if zero. It tells
// addresses, and does not allow to connect to them; what is asked for leaves
// the room.
func (s *Specification) AllowDNS(port int) error {
	if port == 0 {
		port = 53
	}
	if err := checkPort(port); err != nil {
		return builderError("allow DNS", fmt.Sprint(port), err)
	}
	n, err := s.network()
	if err != nil {
		return builderError("allow DNS", fmt.Sprint(port), err)
	}
	n.DNS = &DNSSettings{Enabled: true, Port: port}
	s.Network = n
	return nil
}

// DenyDNS closes it.
func (s *Specification) DenyDNS() error {
	if s.Network == nil {
		return nil
	}
	s.Network.DNS = nil
	return s.dropEmptyNetwork()
}

// network is the section to write to; it becomes the document's when a verb
// has succeeded.
func (s *Specification) network() (*NetworkSettings, error) {
	if s.Generation == G1 {
		return nil, errOnlyG2
	}
	if s.Network == nil {
		return &NetworkSettings{}, nil
	}
	return s.Network, nil
}

func (s *Specification) dropEmptyNetwork() error {
	if *s.Network == (NetworkSettings{}) {
		s.Network = nil
	}
	return nil
}

// openProtection is that of traffic, with or without a policy.
func openProtection(bundle string) (*PrivacyProxySettings, error) {
	p := &PrivacyProxySettings{ProxyType: proxyAPI, ProxyMode: ProxyOpen}
	if bundle == "" {
		return p, nil
	}
	if err := checkImage(bundle); err != nil {
		return nil, fmt.Errorf("policy bundle: %w", err)
	}
	p.PrivacyPolicy = &Policy{Policy: &PolicyBody{External: &Document{
		DocumentType: documentTypeOCI,
		BackingResource: Resource{
			Name: bundle, ID: bundle, Type: RegistryResource,
			Provider: ServiceEndpoint{Protocol: ContainerRegistry, URL: bundle},
		},
	}}}
	return p, nil
}

// bundleOf is the reference of a policy bundle, or empty.
func bundleOf(p PrivacyProxySettings) string {
	if p.PrivacyPolicy == nil || p.PrivacyPolicy.Policy == nil || p.PrivacyPolicy.Policy.External == nil {
		return ""
	}
	return p.PrivacyPolicy.Policy.External.BackingResource.ID
}
