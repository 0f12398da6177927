package cleanroom

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// ReadPlan reads for [Plan] what the governance service knows about a contract:
// its document, state, policy, template, consents, the ids of its secrets, and
// the members. The caller adds what only the parties know: the documents as
// they were shared, what the secrets say, the federated credentials, and the
// way to the vaults.
//
// The document may be of either generation that is read; one of [G1] must be
// upgraded before it can be deployed, which Plan then says.
//
// A party is an active member with a tenant. Of the issuers only the caller's
// own is told by the service.
func ReadPlan(ctx context.Context, ledger *governance.Client, contractID string) (PlanInput, error) {
	op := "cleanroom: read plan of contract " + shown(contractID)
	if ledger == nil {
		return PlanInput{}, errors.New(op + ": no client of the governance service")
	}
	in, err := readPlan(ctx, ledger, contractID)
	if err != nil {
		return PlanInput{}, fmt.Errorf("%s: %w", op, err)
	}
	return in, nil
}

func readPlan(ctx context.Context, ledger *governance.Client, contractID string) (in PlanInput, err error) {
	contract := ledger.Contract(contractID)
	if in.Contract, err = contract.Get(ctx); err != nil {
		return in, err
	}
	if in.Specification, err = parseContract([]byte(in.Contract.Data)); err != nil {
		return in, err
	}
	if in.Policy, err = contract.CleanRoomPolicy(ctx); err != nil {
		return in, err
	}
	template, err := contract.DeploymentSpec(ctx)
	if err != nil {
		return in, err
	}
	in.Template = template.Data
	in.Options = map[governance.RuntimeOption]bool{}
	for _, o := range []governance.RuntimeOption{governance.Execution, governance.Logging, governance.Telemetry} {
		status, err := contract.Option(ctx, o)
		if err != nil {
			return in, err
		}
		in.Options[o] = status.Enabled
	}
	ids, err := contract.Secrets(ctx)
	if err != nil {
		return in, err
	}
	in.Secrets = make([]PlanSecret, 0, len(ids))
	for _, id := range ids {
		in.Secrets = append(in.Secrets, PlanSecret{ID: id})
	}
	in.Parties, err = readParties(ctx, ledger)
	return in, err
}

func readParties(ctx context.Context, ledger *governance.Client) (parties []PlanParty, err error) {
	members, err := ledger.Members(ctx)
	if err != nil {
		return nil, err
	}
	issuer, err := ledger.OIDC().Info(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Status != governance.MemberActive || m.Data.TenantID == "" {
			continue
		}
		party := PlanParty{Name: m.Name(), MemberID: m.ID, TenantID: m.Data.TenantID}
		if party.TenantID == issuer.TenantID {
			party.IssuerURL = issuer.TenantIssuerURL
		}
		parties = append(parties, party)
	}
	return parties, nil
}

// parseContract reads a document of either form. It is read strictly, so one
// that has anything of the one form is refused as the other; what fits both
// means the same in both.
func parseContract(b []byte) (*Specification, error) {
	s, err := ParseSpecification(b)
	if err == nil {
		return s, nil
	}
	old, oldErr := ParseSpecificationG1(b)
	if oldErr == nil {
		return old, nil
	}
	if bytes.Contains(b, []byte("applicationEndpoints")) { // the document means to be G1
		return nil, oldErr
	}
	return nil, err
}
