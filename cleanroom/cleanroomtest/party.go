package cleanroomtest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// Names of the two parties of the local environment.
const (
	Publisher = "publisher"
	Consumer  = "consumer"
)

// Party is what one party owns in Azure before a collaboration begins: a
// tenant with an account, a managed identity for the room, a vault and storage.
type Party struct {
	Name string
	// TenantID is the party's Entra tenant.
	TenantID string
	// AccountID is the client id of the account that the party works with.
	AccountID string
	// IdentityID is the client id of the managed identity that a room may use.
	IdentityID string
	// SubscriptionID and ResourceGroup are where the party deploys. What it has
	// from the beginning is not among the group's resources, and what is deployed
	// there is recorded and does nothing.
	SubscriptionID, ResourceGroup string
	// VaultURL is a premium key vault, with keys and secrets.
	VaultURL string
	// HSMURL is a Managed HSM, activated, with keys and no secrets. The account
	// has the roles of an administrator on it and the identity may release its
	// keys.
	HSMURL string
	// StorageURL is the blob endpoint of the storage account for data.
	StorageURL string
	// WebStorageURL is the blob endpoint of the storage account whose container
	// $web is a public website, and IssuerURL the address on that website which
	// is meant for the documents of the party's token issuer.
	WebStorageURL, IssuerURL string

	secret string
}

func newParty(name, tenant, account, identity string) (*Party, error) {
	var secret [24]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, err
	}
	return &Party{
		Name:       name,
		TenantID:   tenant,
		AccountID:  account,
		IdentityID: identity,
		// One zero of the tenant's id is another digit.
		SubscriptionID: tenant[:9] + "1" + tenant[10:], ResourceGroup: name + "-rg",
		VaultURL: "https://" + vaultHost(name),
		HSMURL:   "https://" + hsmHost(name),

		StorageURL:    "https://" + dataAccount(name) + blobSuffix,
		WebStorageURL: "https://" + webAccount(name) + blobSuffix,
		IssuerURL:     "https://" + webAccount(name) + webSuffix + "/oidc",

		secret: hex.EncodeToString(secret[:]),
	}, nil
}

func vaultHost(party string) string   { return party + "kv" + vaultSuffix }
func hsmHost(party string) string     { return party + "hsm" + hsmSuffix }
func dataAccount(party string) string { return party + "sa" }
func webAccount(party string) string  { return party + "oidcsa" }

// newParties makes the two parties. Their ids are fixed, so that documents of
// two runs can be compared; their secrets are not.
func newParties() (map[string]*Party, error) {
	publisher, err := newParty(Publisher, "10000000-0000-4000-8000-000000000001", "10000000-0000-4000-8000-00000000000a", "10000000-0000-4000-8000-0000000000fd")
	if err != nil {
		return nil, err
	}
	consumer, err := newParty(Consumer, "20000000-0000-4000-8000-000000000001", "20000000-0000-4000-8000-00000000000a", "20000000-0000-4000-8000-0000000000fd")
	if err != nil {
		return nil, err
	}
	return map[string]*Party{Publisher: publisher, Consumer: consumer}, nil
}

// Party returns the party of that name, [Publisher] or [Consumer].
func (e *Env) Party(name string) (*Party, error) {
	p, ok := e.parties[name]
	if !ok {
		return nil, fmt.Errorf("cleanroomtest: there is no party %q; there are %q and %q", name, Publisher, Consumer)
	}
	return p, nil
}

// Deployed lists what is in a party's resource group, as TYPE NAME, sorted.
func (e *Env) Deployed(party string) ([]string, error) {
	p, err := e.Party(party)
	if err != nil {
		return nil, err
	}
	return e.azure.Resources(p.SubscriptionID, p.ResourceGroup), nil
}

// EndContainer ends a container of a group that a party deployed, in which
// nothing runs, as Azure would show it: with an exit code, or, if the detail has
// the word Error, before it began. An empty container fails the group.
func (e *Env) EndContainer(party, group, container string, code int, detail string) error {
	p, err := e.Party(party)
	if err != nil {
		return err
	}
	if !e.azure.Exit(p.SubscriptionID, p.ResourceGroup, group, container, code, detail) {
		return fmt.Errorf("cleanroomtest: the party %s has no container group %s", party, group)
	}
	return nil
}
