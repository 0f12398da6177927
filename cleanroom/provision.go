package cleanroom

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/cleanroom-go/sdk/governance"
)

// Provision declares what a party needs in Azure: a premium vault for keys and
// secrets, a storage account for data, one whose static website publishes the
// token issuer, and a managed identity for the room. It is rendered as two
// templates, since the second needs what the first gives; both can be deployed
// again and again.
type Provision struct {
	// Prefix begins the names: UniqueString of the resource group is what the
	// scripts take. 3 to 18 lower case letters and digits, a letter first.
	Prefix string
	// TenantID is the tenant of the subscription.
	TenantID string
	// OperatorID is the object id of the party's account, which imports keys and
	// reads results, and OperatorType its kind: User (zero), Group or
	// ServicePrincipal.
	OperatorID, OperatorType string
	// Location is the region; zero means that of the resource group.
	Location string
	// ManagedHSM declares a Managed HSM for the keys; the vault then has the
	// wrapped secrets alone, which an HSM cannot hold. The operator becomes its
	// administrator. Two things no template reaches, and they stay the
	// operator's. Until three to ten persons' public keys are registered and the
	// security domain is downloaded (az keyvault security-domain download), the
	// HSM serves no key. And its roles are its own: give the operator Managed HSM
	// Crypto User and the room's identity Managed HSM Crypto Service Release User,
	// at /keys. An HSM costs by the hour, whether it is used or not.
	ManagedHSM bool
}

// ProvisionAccess is what the second template needs besides.
type ProvisionAccess struct {
	// PrincipalID is the object id of the managed identity, the output
	// principalId of the first template.
	PrincipalID string
	// ContractID is the subject of the room's tokens, and IssuerURL what the
	// party has registered with the governance service; see [PublishIssuer].
	ContractID, IssuerURL string
}

// Names of the resources.
func (p Provision) vault() string    { return p.Prefix + "kv" }
func (p Provision) hsm() string      { return p.Prefix + "hsm" }
func (p Provision) data() string     { return p.Prefix + "sa" }
func (p Provision) website() string  { return p.Prefix + "oidcsa" }
func (p Provision) identity() string { return p.Prefix + "-mi" }

// Types and api-versions of what is deployed.
const (
	armVault      = "Microsoft.KeyVault/vaults"
	armHSM        = "Microsoft.KeyVault/managedHSMs"
	armStorage    = "Microsoft.Storage/storageAccounts"
	armIdentity   = "Microsoft.ManagedIdentity/userAssignedIdentities"
	armFederation = armIdentity + "/federatedIdentityCredentials"
	armRole       = "Microsoft.Authorization/roleAssignments"

	armVaultVersion    = "2023-07-01"
	armStorageVersion  = "2023-05-01"
	armIdentityVersion = "2023-01-31"
	armRoleVersion     = "2022-04-01"
)

// Built-in roles, each the least that does. The room's identity can have keys
// released, but not read, change or use them.
const (
	roleCryptoOfficer   = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603" // Key Vault Crypto Officer
	roleSecretsOfficer  = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7" // Key Vault Secrets Officer
	roleReleaseUser     = "08bbd89e-9f13-488c-ac41-acfcb10c90ab" // Key Vault Crypto Service Release User
	roleSecretsUser     = "4633458b-17de-408a-b874-0445c86b69e6" // Key Vault Secrets User
	roleBlobContributor = "ba92f5b4-2d11-453d-a403-e96b0029c9fe" // Storage Blob Data Contributor
)

var provisionPrefix = regexp.MustCompile(`^[a-z][a-z0-9]{2,17}$`)

// Validate reports the first member that cannot be used.
func (p Provision) Validate() error {
	switch {
	case !provisionPrefix.MatchString(p.Prefix):
		return fmt.Errorf("cleanroom: provision: the prefix %q is not 3 to 18 lower case letters and digits that begin with a letter; UniqueString makes one", shorten(p.Prefix, 80))
	case !applicationID.MatchString(p.TenantID):
		return fmt.Errorf("cleanroom: provision: the tenant %q is not an id", shorten(p.TenantID, 80))
	case !applicationID.MatchString(p.OperatorID):
		return fmt.Errorf("cleanroom: provision: the operator %q is not an object id", shorten(p.OperatorID, 80))
	case !contains([]string{"", "User", "Group", "ServicePrincipal"}, p.OperatorType):
		return fmt.Errorf("cleanroom: provision: the operator's kind %q is not User, Group or ServicePrincipal", shorten(p.OperatorType, 80))
	}
	return nil
}

// armObject is a resource of a template, with its members in Azure's order.
type armObject struct {
	Type       string         `json:"type"`
	APIVersion string         `json:"apiVersion"`
	Name       string         `json:"name"`
	Scope      string         `json:"scope,omitempty"`
	Location   string         `json:"location,omitempty"`
	Kind       string         `json:"kind,omitempty"`
	SKU        map[string]any `json:"sku,omitempty"`
	Properties map[string]any `json:"properties"`
}

// ResourcesTemplate declares the vault, the storage accounts and the identity.
// Its outputs are vaultUrl, storageUrl, webStorageUrl, webUrl, clientId,
// principalId and, with an HSM, hsmUrl. Soft delete keeps a vault's name for 90 days. The static website
// has to be enabled besides, once: that is a property of the account's data,
// which no template reaches.
func (p Provision) ResourcesTemplate() (json.RawMessage, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	location := p.Location
	if location == "" {
		location = "[resourceGroup().location]"
	}
	account := func(name string) armObject {
		return armObject{
			Type: armStorage, APIVersion: armStorageVersion, Name: name, Location: location, Kind: "StorageV2", SKU: map[string]any{"name": "Standard_LRS"},
			Properties: map[string]any{
				"minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true,
				// Whoever has an account's key needs no role.
				"allowSharedKeyAccess": false, "allowBlobPublicAccess": false,
			},
		}
	}
	sku := "premium"
	if p.ManagedHSM {
		sku = "standard" // it releases no keys
	}
	resources := []armObject{
		{
			Type: armVault, APIVersion: armVaultVersion, Name: p.vault(), Location: location,
			Properties: map[string]any{
				"tenantId": p.TenantID, "sku": map[string]any{"family": "A", "name": sku},
				"enableRbacAuthorization": true, "enableSoftDelete": true, "softDeleteRetentionInDays": 90, "enablePurgeProtection": true,
			},
		},
		account(p.data()),
		account(p.website()),
		{Type: armIdentity, APIVersion: armIdentityVersion, Name: p.identity(), Location: location, Properties: map[string]any{}},
	}
	outputs := map[string]string{
		"vaultUrl":      reference(armVault, p.vault(), armVaultVersion, "vaultUri"),
		"storageUrl":    reference(armStorage, p.data(), armStorageVersion, "primaryEndpoints.blob"),
		"webStorageUrl": reference(armStorage, p.website(), armStorageVersion, "primaryEndpoints.blob"),
		"webUrl":        reference(armStorage, p.website(), armStorageVersion, "primaryEndpoints.web"),
		"clientId":      reference(armIdentity, p.identity(), armIdentityVersion, "clientId"),
		"principalId":   reference(armIdentity, p.identity(), armIdentityVersion, "principalId"),
	}
	if p.ManagedHSM {
		resources = append(resources, armObject{
			Type: armHSM, APIVersion: armVaultVersion, Name: p.hsm(), Location: location, SKU: map[string]any{"family": "B", "name": "Standard_B1"},
			Properties: map[string]any{
				"tenantId": p.TenantID, "initialAdminObjectIds": []string{p.OperatorID},
				"enableSoftDelete": true, "softDeleteRetentionInDays": 90, "enablePurgeProtection": true,
			},
		})
		outputs["hsmUrl"] = reference(armHSM, p.hsm(), armVaultVersion, "hsmUri")
	}
	return encodeTemplate(resources, outputs)
}

// AccessTemplate declares who may what: the operator imports keys, sets secrets
// and works with the data; the room's identity has keys released, reads
// secrets and works with the data. It trusts the tokens of the one contract.
func (p Provision) AccessTemplate(a ProvisionAccess) (json.RawMessage, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	const op = "cleanroom: provision access: "
	if !applicationID.MatchString(a.PrincipalID) {
		return nil, fmt.Errorf(op+"the principal %q is not an object id; it is the output principalId of the first deployment", shorten(a.PrincipalID, 80))
	}
	if a.ContractID == "" {
		return nil, errors.New(op + "no contract; it is the subject of the room's tokens")
	}
	if err := checkFederationName(federationName(a.ContractID)); err != nil {
		return nil, fmt.Errorf(op+"%w", err)
	}
	if _, err := httpsURL(a.IssuerURL); err != nil {
		return nil, fmt.Errorf(op+"issuer: %w", err)
	}
	kind := p.OperatorType
	if kind == "" {
		kind = "User"
	}
	const room = "ServicePrincipal"
	var list []armObject
	if !p.ManagedHSM { // whose roles for keys are not Resource Manager's
		list = append(list,
			roleAssignment(armVault, p.vault(), roleCryptoOfficer, p.OperatorID, kind),
			roleAssignment(armVault, p.vault(), roleReleaseUser, a.PrincipalID, room),
		)
	}
	list = append(list,
		roleAssignment(armVault, p.vault(), roleSecretsOfficer, p.OperatorID, kind),
		roleAssignment(armStorage, p.data(), roleBlobContributor, p.OperatorID, kind),
		roleAssignment(armStorage, p.website(), roleBlobContributor, p.OperatorID, kind),
		roleAssignment(armVault, p.vault(), roleSecretsUser, a.PrincipalID, room),
		roleAssignment(armStorage, p.data(), roleBlobContributor, a.PrincipalID, room),
		armObject{
			Type: armFederation, APIVersion: armIdentityVersion, Name: p.identity() + "/" + federationName(a.ContractID),
			Properties: map[string]any{"issuer": a.IssuerURL, "subject": a.ContractID, "audiences": []string{governance.TokenAudience}},
		},
	)
	return encodeTemplate(list, nil)
}

func federationName(contractID string) string { return contractID + "-federation" }

var federationNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$`)

func checkFederationName(name string) error {
	if federationNames.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%q cannot name a federated credential: up to 120 letters, digits, hyphens and underscores; choose another contract id", shorten(name, 140))
}

// roleAssignment has a name that follows from what it says, so that a second
// deployment finds it there. The kind of the principal lets Azure take one
// that its directory does not show everywhere yet.
func roleAssignment(kind, resource, role, principal, principalType string) armObject {
	return armObject{
		Type: armRole, APIVersion: armRoleVersion, Name: nameUUID(kind + "/" + resource + " " + role + " " + principal),
		Scope: fmt.Sprintf("[resourceId('%s', '%s')]", kind, resource),
		Properties: map[string]any{
			"roleDefinitionId": fmt.Sprintf("[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '%s')]", role),
			"principalId":      principal, "principalType": principalType,
		},
	}
}

// nameUUID is a version 5 UUID, RFC 9562 section 5.5, in the name space of URLs.
func nameUUID(name string) string {
	space := []byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	sum := sha1.Sum(append(space, name...))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func reference(kind, name, version, path string) string {
	return fmt.Sprintf("[reference(resourceId('%s', '%s'), '%s').%s]", kind, name, version, path)
}

func encodeTemplate(resources []armObject, outputs map[string]string) (json.RawMessage, error) {
	values := map[string]any{}
	for name, value := range outputs {
		values[name] = map[string]string{"type": "string", "value": value}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(struct {
		Schema         string         `json:"$schema"`
		ContentVersion string         `json:"contentVersion"`
		Resources      []armObject    `json:"resources"`
		Outputs        map[string]any `json:"outputs,omitempty"`
	}{"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "1.0.0.0", resources, values})
	return b.Bytes(), err
}
