package cleanroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/governance"
)

// SeverityUnproven is for what [Plan] had no means to look at: the run may
// succeed or not. What to give it is in the remedy.
const SeverityUnproven Severity = "unproven"

// Finding is one thing that keeps a run from succeeding, or may.
type Finding struct {
	// ID is stable. Those of [Specification.Validate] and [VerifyProposals]
	// appear under their own ids.
	ID       string
	Severity Severity
	// Subject is the party, object or place in the contract's document.
	Subject string
	// Message says what is wrong, Remedy what to do.
	Message, Remedy string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s %s: %s: %s; %s", f.Severity, f.ID, f.Subject, f.Message, f.Remedy)
}

// PlanError holds the findings of severity error.
type PlanError struct {
	ContractID string
	Findings   []Finding
}

// Error names each finding on a line, the first 20 of many.
func (e *PlanError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cleanroom: plan run of contract %s: it cannot succeed: %d errors", shown(e.ContractID), len(e.Findings))
	writeLines(&b, e.Findings, Finding.String)
	return b.String()
}

// PlanInput is what is known before a room is deployed. Only Specification is
// required. What is nil is unknown, and each proof that needs it becomes a
// finding of [SeverityUnproven]; what is empty and not nil is known to be
// empty. [ReadPlan] fills what the governance service knows.
type PlanInput struct {
	// Specification is the document of the contract.
	Specification *Specification
	// Parties are those who brought documents.
	Parties []PlanParty
	// Contract is the contract as the governance service shows it; its data
	// must be Specification.
	Contract *governance.Contract
	// Policy is the clean room policy that the members accepted, and Template
	// the deployment template.
	Policy   *governance.CleanRoomPolicy
	Template json.RawMessage
	// Options are the consents by name.
	Options map[governance.RuntimeOption]bool
	// Secrets are the contract's secrets.
	Secrets []PlanSecret
	// Federations are the federated credentials of the identities.
	Federations []PlanFederation
	// Generate are this party's own inputs of the deployment. With them the
	// accepted template is computed again, as by [VerifyProposals].
	Generate *GenerateOptions
	// Limits bound the resources of the whole group, as in [ValidateOptions].
	Limits Limits
	// Sidecars says that the room runs behind the platform's sidecars: they
	// enforce the section network and take their share of the resources.
	Sidecars bool
	// LookupNetIP finds the addresses of a database's host, for instance the
	// method of net.DefaultResolver; nil means that none is looked up.
	LookupNetIP func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Keys reads vaults, with the roles Key Vault Secrets User and Key Vault
	// Reader; of those that refuse it the contents stay unproven.
	Keys *Keys
	// DEKs are the data keys of this party, to compare with what the document
	// pins. Nothing is read but their digests.
	DEKs *DEKStore
}

// PlanParty is one party of the contract.
type PlanParty struct {
	// Name is for messages.
	Name string
	// MemberID is the party's id in the governance service; zero means unknown.
	MemberID string
	// Document is the document as the party shared it; nil means unknown.
	Document *Specification
	// TenantID and IssuerURL are the tenant whose token issuer is registered
	// with the governance service, and its URL; zero means unknown.
	TenantID, IssuerURL string
}

// PlanSecret is a secret of the contract.
type PlanSecret struct {
	// ID is what [governance.ContractClient.PutSecret] returned.
	ID string
	// Database is what it says, as far as this party knows; nil if it does not,
	// or if it is another kind of secret.
	Database *dbsecret.Document
}

// PlanFederation is a federated credential of an identity: which tokens of the
// room it is given for.
type PlanFederation struct {
	// ClientID is that of the managed identity or application.
	ClientID        string
	Issuer, Subject string
	Audiences       []string
}

// Plan proves, as far as what it is given allows and without a room, that a run
// can succeed: the contract includes what each party shared, is accepted and
// valid; the accepted template is that of the contract and carries the accepted
// host data; the ids of secrets in the environment name secrets that are
// stored; the database is reachable under the section network; federated
// credentials accept the room's tokens; resources fit, clouds agree. With
// [PlanInput.Keys] it also reads the vaults: that KEKs are there under the
// accepted policy, and that data keys and passwords are wrapped under exactly
// those. Nothing is changed, and no key is released.
//
// All findings are returned, in the order of the proofs; if one is an error so
// is the result, a [*PlanError]. Findings of [SeverityUnproven] say what was
// not looked at. A database that is down, a host that lies about itself and the
// program's own mistakes are beyond it.
func Plan(ctx context.Context, in PlanInput) ([]Finding, error) {
	if in.Specification == nil {
		return nil, errors.New("cleanroom: plan run: there is no specification; parse the data of the contract")
	}
	p := &planner{in: in, spec: in.Specification}
	p.document()
	p.contract()
	p.deployment()
	p.commands()
	p.secrets()
	p.databases(ctx)
	p.federations()
	p.clouds()
	p.resources()
	p.dataKeys()
	if err := p.vaults(ctx); err != nil {
		return nil, fmt.Errorf("cleanroom: plan run of contract %s: %w", shown(p.contractID()), err)
	}
	failed := &PlanError{ContractID: p.contractID()}
	for _, f := range p.findings {
		if f.Severity == SeverityError {
			failed.Findings = append(failed.Findings, f)
		}
	}
	if failed.Findings != nil {
		return p.findings, failed
	}
	return p.findings, nil
}

type planner struct {
	in       PlanInput
	spec     *Specification
	template *Template // nil if there is none that can be read
	findings []Finding
}

func (p *planner) add(severity Severity, id, subject, message, remedy string) {
	p.findings = append(p.findings, Finding{id, severity, subject, message, remedy})
}

func (p *planner) fail(id, subject, message, remedy string) {
	p.add(SeverityError, id, subject, message, remedy)
}

func (p *planner) warn(id, subject, message, remedy string) {
	p.add(SeverityWarning, id, subject, message, remedy)
}

func (p *planner) unproven(id, subject, message, remedy string) {
	p.add(SeverityUnproven, id, subject, message, remedy)
}

// contractID is the subject of the room's tokens; "" if nobody told it.
func (p *planner) contractID() string {
	switch {
	case p.in.Contract != nil:
		return p.in.Contract.ID
	case p.in.Generate != nil:
		return p.in.Generate.ContractID
	case p.template != nil:
		return p.template.ContractID()
	}
	return ""
}

// accessPoints are the sources and sinks with their places.
func (p *planner) accessPoints(visit func(path string, a *AccessPoint)) {
	for i := range p.spec.Datasources {
		visit("datasources["+shown(p.spec.Datasources[i].Name)+"]", &p.spec.Datasources[i])
	}
	for i := range p.spec.Datasinks {
		visit("datasinks["+shown(p.spec.Datasinks[i].Name)+"]", &p.spec.Datasinks[i])
	}
}

// appPath is the place of an application.
func appPath(a *Application) string { return "applications[" + shown(a.Name) + "]" }
