package cleanroom

// Identity is a workload identity of a party: what the room presents itself
// as when it asks Azure for a token.
type Identity struct {
	Name string `yaml:"name,required"`
	// ClientID and TenantID are empty for the governance identity.
	ClientID string `yaml:"clientId,required"`
	TenantID string `yaml:"tenantId,required"`
	// TokenIssuer says what the identity is backed by.
	TokenIssuer TokenIssuer `yaml:"tokenIssuer,required"`
}

// TokenIssuer is one of three kinds, told apart by Type. The fields that do
// not belong to the kind are zero, and are not part of the document.
type TokenIssuer struct {
	Type   IssuerType
	Issuer ServiceEndpoint
	// FederatedIdentity backs a [FederatedIdentityBasedTokenIssuer]: a full
	// copy of the identity, as the document has it.
	FederatedIdentity *Identity
	// Secret and SecretAccessIdentity belong to a [SecretBasedTokenIssuer].
	Secret               *CleanroomSecret
	SecretAccessIdentity *Identity
}

// ServiceEndpoint is a service and how to speak to it.
type ServiceEndpoint struct {
	Protocol Protocol `yaml:"protocol,required"`
	URL      string   `yaml:"url,required"`
	// Configuration is an opaque text of the protocol; see
	// [DecodeConfiguration].
	Configuration string `yaml:"configuration"`
}

// Resource is a named thing of a service: a container, a secret, an image.
type Resource struct {
	Name     string          `yaml:"name,required"`
	Type     ResourceType    `yaml:"type,required"`
	ID       string          `yaml:"id,required"`
	Provider ServiceEndpoint `yaml:"provider,required"`
}

// CleanroomSecret says where a secret lies.
type CleanroomSecret struct {
	SecretType      SecretType `yaml:"secretType,required"`
	BackingResource Resource   `yaml:"backingResource,required"`
}

// The three wire forms of a token issuer.
type (
	attestationIssuer struct {
		Type   IssuerType      `yaml:"issuerType,required"`
		Issuer ServiceEndpoint `yaml:"issuer,required"`
	}
	federatedIssuer struct {
		Type     IssuerType      `yaml:"issuerType,required"`
		Issuer   ServiceEndpoint `yaml:"issuer,required"`
		Identity Identity        `yaml:"federatedIdentity,required"`
	}
	secretIssuer struct {
		Type     IssuerType      `yaml:"issuerType,required"`
		Issuer   ServiceEndpoint `yaml:"issuer,required"`
		Secret   CleanroomSecret `yaml:"secret,required"`
		Identity Identity        `yaml:"secretAccessIdentity,required"`
	}
)

// wire returns the value of the document's form.
func (t *TokenIssuer) wire() any {
	switch {
	case t.Type == FederatedIdentityBasedTokenIssuer && t.FederatedIdentity != nil:
		return &federatedIssuer{t.Type, t.Issuer, *t.FederatedIdentity}
	case t.Type == SecretBasedTokenIssuer && t.Secret != nil && t.SecretAccessIdentity != nil:
		return &secretIssuer{t.Type, t.Issuer, *t.Secret, *t.SecretAccessIdentity}
	default:
		return &attestationIssuer{t.Type, t.Issuer}
	}
}

// choose returns the form to read into, by the discriminator's text.
func (t *TokenIssuer) choose(keys map[string]string) any {
	switch IssuerType(keys["issuerType"]) {
	case FederatedIdentityBasedTokenIssuer:
		return &federatedIssuer{}
	case SecretBasedTokenIssuer:
		return &secretIssuer{}
	default:
		return &attestationIssuer{}
	}
}

// take copies what was read.
func (t *TokenIssuer) take(form any) {
	switch f := form.(type) {
	case *federatedIssuer:
		*t = TokenIssuer{Type: f.Type, Issuer: f.Issuer, FederatedIdentity: &f.Identity}
	case *secretIssuer:
		*t = TokenIssuer{Type: f.Type, Issuer: f.Issuer, Secret: &f.Secret, SecretAccessIdentity: &f.Identity}
	case *attestationIssuer:
		*t = TokenIssuer{Type: f.Type, Issuer: f.Issuer}
	}
}
