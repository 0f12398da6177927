package cleanroom

// Specification is the document of a collaboration in the form of release
// 8.0.0 of the reference tools, or of 1.0.0 ([G1]): who may act, where data lies, how it is
// protected, which applications run and what they may reach. It holds names,
// addresses and identifiers, never a secret.
//
// The fields have the names of the document. A pointer is a value that may be
// null; the four lists are always written.
type Specification struct {
	// Generation is the form in which the document is written: zero is [G2].
	Generation Generation
	// Sandbox is null in documents of G2; the value None is read there and
	// then refused by [Specification.Validate]. In [G1] null means that there
	// is a sandbox, which closes the network.
	Sandbox *SandboxSettings `yaml:"sandbox"`
	// Identities are who the room can be towards Azure.
	Identities []Identity `yaml:"identities,required"`
	// Datasources are read by applications.
	Datasources []AccessPoint `yaml:"datasources,required"`
	// Datasinks are written by applications or by the room itself.
	Datasinks []AccessPoint `yaml:"datasinks,required"`
	// Applications are the containers that see data.
	Applications []Application `yaml:"applications,required"`
	// ApplicationEndpoints are the ports that [G1] opens to inbound traffic.
	ApplicationEndpoints []ApplicationEndpoint `yaml:"applicationEndpoints,g1"`
	// Network is what may be reached in [G2]; null means nothing.
	Network *NetworkSettings `yaml:"network,g2"`
	// Governance says which telemetry is collected, and where.
	Governance *GovernanceSettings `yaml:"governance"`

	// kek is what SetKEK recorded for the access points added after it. It
	// is not part of the document: each access point repeats it.
	kek *KEKStore
}

// GovernanceIdentity is the name of the identity that each document has
// first: the room as the governance service attests it.
const GovernanceIdentity = "cleanroom_cgs_oidc"

// Names of the two sinks that the room itself writes.
const (
	ApplicationTelemetry    = "application-telemetry"
	InfrastructureTelemetry = "infrastructure-telemetry"
)

// NewSpecification returns a document with nothing but the governance
// identity.
func NewSpecification() *Specification {
	return &Specification{
		Identities: []Identity{{
			Name: GovernanceIdentity,
			TokenIssuer: TokenIssuer{
				Type:   AttestationBasedTokenIssuer,
				Issuer: ServiceEndpoint{Protocol: AttestedOIDC, URL: "https://cgs/oidc"},
			},
		}},
		Datasources:  []AccessPoint{},
		Datasinks:    []AccessPoint{},
		Applications: []Application{},
	}
}

// identity returns the identity with this name, or nil.
func (s *Specification) identity(name string) *Identity {
	return find(s.Identities, name, func(i *Identity) string { return i.Name })
}

// find returns the first element with this name; documents are small enough
// that the builder's linear look-ups do not count.
func find[T any](list []T, name string, nameOf func(*T) string) *T {
	for i := range list {
		if nameOf(&list[i]) == name {
			return &list[i]
		}
	}
	return nil
}
