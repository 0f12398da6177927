package cleanroom

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// KEKStore is where a party's key-encryption keys are imported.
type KEKStore struct {
	// Name is the name of the store in the party's own list; zero means the
	// first label of the vault's host.
	Name string
	// Key is the name of the key; zero means "kek".
	Key string
	// VaultURL is a premium Key Vault or a Managed HSM.
	VaultURL string
	// AttestationURL is the service whose tokens release the key.
	AttestationURL string
}

// AddIdentity adds a federated identity: a managed identity or application
// of the tenant that trusts tokens of the contract, which the governance
// service signs and issuerURL publishes. issuerURL may be empty while it is
// not known.
func (s *Specification) AddIdentity(name, clientID, tenantID, issuerURL string) error {
	const op = "add identity"
	if err := checkIdentityName(name); err != nil {
		return builderError(op, name, err)
	}
	if s.identity(name) != nil {
		return builderError(op, name, errExists)
	}
	if clientID == "" || tenantID == "" {
		return builderError(op, name, errors.New("client id and tenant id must be given"))
	}
	if issuerURL != "" {
		if _, err := httpsURL(issuerURL); err != nil {
			return builderError(op, name, fmt.Errorf("issuer: %w", err))
		}
	}
	backing := s.identity(GovernanceIdentity)
	if backing == nil {
		return builderError(op, name, fmt.Errorf("the document has no identity %s to back it; begin with NewSpecification", GovernanceIdentity))
	}
	if s.Generation == G1 && issuerURL == "" {
		issuerURL = azureADURL // what its tools write
	}
	federated := *backing
	s.Identities = append(s.Identities, Identity{
		Name: name, ClientID: clientID, TenantID: tenantID,
		TokenIssuer: TokenIssuer{
			Type:              FederatedIdentityBasedTokenIssuer,
			Issuer:            ServiceEndpoint{Protocol: AzureADFederated, URL: issuerURL},
			FederatedIdentity: &federated,
		},
	})
	return nil
}

// SetKEK records the key that wraps the data keys of the access points added
// after it. Each of them repeats it in the document.
func (s *Specification) SetKEK(store KEKStore) error {
	const op = "set KEK"
	if store.Key == "" {
		store.Key = "kek"
	}
	if err := checkVaultName(store.Key); err != nil {
		return builderError(op, store.Key, err)
	}
	vault, err := httpsURL(store.VaultURL)
	if err != nil {
		return builderError(op, store.Key, fmt.Errorf("vault: %w", err))
	}
	if store.Name == "" {
		store.Name, _, _ = strings.Cut(vault.Hostname(), ".")
	}
	if _, err := httpsURL(store.AttestationURL); err != nil {
		return builderError(op, store.Key, fmt.Errorf("attestation service: %w", err))
	}
	s.kek = &store
	return nil
}

// AllowTCP lets applications connect to one address and port. The address is
// an IP address: the room resolves no names.
//
// What is not listed is closed only where the sidecars' proxy enforces it. The
// rooms of [Generate] have no proxy: there the list is what the parties agreed
// on, nothing in the platform's policy holds an application to it, and each party
// has to trust the application's image to keep to it.
func (s *Specification) AllowTCP(ip string, port int) error {
	const op = "allow TCP"
	address, err := netip.ParseAddr(ip)
	if err != nil || address.Zone() != "" {
		return builderError(op, ip, errors.New("is not an IP address; resolve the host name first"))
	}
	if err := checkPort(port); err != nil {
		return builderError(op, ip, err)
	}
	if s.Generation == G1 {
		return builderError(op, ip, errOnlyG2)
	}
	if s.Network == nil {
		s.Network = &NetworkSettings{}
	}
	if s.Network.TCP == nil {
		s.Network.TCP = &TCPSettings{}
	}
	if s.Network.TCP.Outbound == nil {
		s.Network.TCP.Outbound = &TCPOutbound{Enabled: true}
	}
	out := s.Network.TCP.Outbound
	allowed := AllowedIP{Address: address.String(), Port: port}
	for _, a := range out.AllowedIPs {
		if a == allowed {
			return nil
		}
	}
	out.AllowedIPs = append(out.AllowedIPs, allowed)
	return nil
}

var errExists = errors.New("the document has it already; names are unique")

func builderError(op, subject string, err error) error {
	return fmt.Errorf("cleanroom: %s %q: %w", op, subject, err)
}

// httpsURL reads an absolute HTTPS URL without user, query or fragment.
func httpsURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, "?#") {
		return nil, fmt.Errorf("%q is not an https URL of a host", shorten(s, 80))
	}
	return u, nil
}

// withSlash writes a vault or account URL as the platform does.
func withSlash(u string) string { return strings.TrimSuffix(u, "/") + "/" }
