package cleanroom

import (
	"errors"
	"fmt"
)

// SecretIdentityOptions describe an identity of a tenant that proves itself
// with a secret, where no trust in the contract's tokens can be set up.
type SecretIdentityOptions struct {
	Name, ClientID, TenantID string
	// SecretName and VaultURL say where the secret lies.
	SecretName, VaultURL string
	// Access names the identity that may read it; zero means the governance
	// identity.
	Access string
}

// AddSecretIdentity adds an identity that a secret of a vault backs. Prefer
// [Specification.AddIdentity]: its tokens end with the contract, a secret is
// good for whoever has it. The sidecars of the reference ignore such an
// identity, and so does the room of [Generate].
func (s *Specification) AddSecretIdentity(o SecretIdentityOptions) error {
	const op = "add secret identity"
	if err := s.newIdentity(o.Name, o.ClientID, o.TenantID); err != nil {
		return builderError(op, o.Name, err)
	}
	if err := checkVaultName(o.SecretName); err != nil {
		return builderError(op, o.Name, err)
	}
	if _, err := httpsURL(o.VaultURL); err != nil {
		return builderError(op, o.Name, fmt.Errorf("vault: %w", err))
	}
	if o.Access == "" {
		o.Access = GovernanceIdentity
	}
	backing := s.identity(o.Access)
	if backing == nil {
		return builderError(op, o.Name, fmt.Errorf("there is no identity %q that could read the secret; the document has %s", shorten(o.Access, 80), names(s.Identities, identityName)))
	}
	access := *backing
	s.Identities = append(s.Identities, Identity{
		Name: o.Name, ClientID: o.ClientID, TenantID: o.TenantID,
		TokenIssuer: TokenIssuer{
			Type:   SecretBasedTokenIssuer,
			Issuer: ServiceEndpoint{Protocol: AzureADSecret, URL: azureADURL},
			Secret: &CleanroomSecret{SecretType: secretTypeSecret, BackingResource: Resource{
				Name: o.SecretName, ID: o.SecretName, Type: KeyVaultResource,
				Provider: ServiceEndpoint{Protocol: AzureKeyVaultSecret, URL: withSlash(o.VaultURL)},
			}},
			SecretAccessIdentity: &access,
		},
	})
	return nil
}

// AddAttestedIdentity adds an identity of a service that issues tokens on
// attestation, as the governance service does; it can back federated ones.
func (s *Specification) AddAttestedIdentity(name, clientID, tenantID, issuerURL string) error {
	const op = "add attested identity"
	if err := s.newIdentity(name, clientID, tenantID); err != nil {
		return builderError(op, name, err)
	}
	if _, err := httpsURL(issuerURL); err != nil {
		return builderError(op, name, fmt.Errorf("issuer: %w", err))
	}
	s.Identities = append(s.Identities, Identity{
		Name: name, ClientID: clientID, TenantID: tenantID,
		TokenIssuer: TokenIssuer{
			Type:   AttestationBasedTokenIssuer,
			Issuer: ServiceEndpoint{Protocol: AttestedOIDC, URL: issuerURL},
		},
	})
	return nil
}

// newIdentity checks what all identities have.
func (s *Specification) newIdentity(name, clientID, tenantID string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if s.identity(name) != nil {
		return errExists
	}
	if clientID == "" || tenantID == "" {
		return errors.New("client id and tenant id must be given")
	}
	return nil
}

// azureADURL stands for the identity provider where tools ask for no issuer.
const azureADURL = "https://AzureAD"
