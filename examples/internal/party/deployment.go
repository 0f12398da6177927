package party

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/governance"
)

// ProposeDeployment generates the deployment from the accepted contract and
// proposes it, together with the export of the application's log. With backDoor
// it proposes a room that the host can enter, which nobody should vote for.
func (p *Party) ProposeDeployment(ctx context.Context, backDoor bool) error {
	spec, err := p.Accepted(ctx)
	if err != nil {
		return err
	}
	options, err := p.GenerateOptions()
	if err != nil {
		return err
	}
	d, err := cleanroom.Generate(spec, options)
	if err != nil {
		return err
	}
	p.measured("host data of the generated policy", d.HostData, len(d.Policy))
	p.Step(p.Name, "template and policy generated from the accepted contract, host data "+steps.Short(d.HostData)+"...", 42, 46, 47)
	if backDoor {
		addBackDoor(d)
		p.Step(p.Name, "and quietly changed: the host may run commands in the room, host data "+steps.Short(d.HostData)+"...")
	}
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	open, err := cleanroom.ReadProposals(ctx, ledger, p.ContractID)
	if err != nil {
		return err
	}
	template, policy := open.Standing()
	contract := ledger.Contract(p.ContractID)
	// What is open or accepted already is not proposed again: a step that was
	// interrupted can be repeated.
	if template == nil {
		proposal, err := contract.ProposeDeploymentSpec(ctx, d.Template)
		if err != nil {
			return err
		}
		p.proposed("template", proposal)
	}
	if policy == nil {
		proposal, err := contract.ProposeCleanRoomPolicy(ctx, d.GovernancePolicy)
		if err != nil {
			return err
		}
		p.proposed("clean room policy", proposal)
	}
	if open.LoggingID == "" && !open.Logging {
		proposal, err := contract.ProposeLogging(ctx)
		if err != nil {
			return err
		}
		p.proposed("logging", proposal)
	}
	p.Step(p.Name, "deployment template, clean room policy and logging proposed", 48, 49, 50)
	return nil
}

// addBackDoor changes the policy in the template, and the proposed host data
// with it: each agrees with the other, and only who makes the deployment again
// from the contract sees that neither is the contract's.
func addBackDoor(d *cleanroom.Deployment) {
	before := base64.StdEncoding.EncodeToString(d.Policy)
	d.Policy = bytes.Replace(d.Policy, []byte("exec_external := data.framework.exec_external\n"), []byte("exec_external := {\"allowed\": true}\n"), 1)
	d.Template = bytes.Replace(d.Template, []byte(before), []byte(base64.StdEncoding.EncodeToString(d.Policy)), 1)
	d.HostData = fmt.Sprintf("%x", sha256.Sum256(d.Policy))
	d.GovernancePolicy = governance.HostDataPolicy(d.HostData)
}

// Retract withdraws the party's own open proposals of a deployment, to propose
// another one.
func (p *Party) Retract(ctx context.Context) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	proposals, err := ledger.Proposals(ctx)
	if err != nil {
		return err
	}
	n := 0
	for _, proposal := range proposals {
		if proposal.State != governance.ProposalOpen || proposal.ProposerID != ledger.Member().ID() {
			continue
		}
		if _, err := ledger.Proposal(proposal.ID).Withdraw(ctx); err != nil {
			return err
		}
		n++
	}
	p.Step(p.Name, fmt.Sprintf("%d open proposals withdrawn", n))
	return nil
}

// Approve verifies the proposed deployment against the accepted contract and
// votes for it; withhold leaves out the vote for the clean room policy.
func (p *Party) Approve(ctx context.Context, withhold bool) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	spec, err := p.Accepted(ctx)
	if err != nil {
		return err
	}
	options, err := p.GenerateOptions()
	if err != nil {
		return err
	}
	proposals, err := cleanroom.ReadProposals(ctx, ledger, p.ContractID)
	if err != nil {
		return err
	}
	template, policy := proposals.Standing()
	if template == nil || policy == nil {
		return fmt.Errorf("no deployment of contract %s is proposed yet", p.ContractID)
	}
	checks, err := cleanroom.VerifyProposals(cleanroom.VerifyInput{
		Specification: spec, GenerateOptions: options, ProposedTemplate: template, ProposedPolicy: *policy,
	})
	if err != nil {
		return err
	}
	p.verified("proposed deployment of contract "+p.ContractID, checks)
	p.Step(p.Name, fmt.Sprintf("proposals verified: deployment computed again from the contract, all %d checks hold", len(checks)), 51)
	var voted []string
	for _, v := range []struct{ name, id string }{
		{"template", proposals.TemplateID}, {"clean room policy", proposals.PolicyID}, {"logging", proposals.LoggingID},
	} {
		if v.id == "" || withhold && v.id == proposals.PolicyID {
			continue
		}
		decided, err := ledger.Proposal(v.id).Vote(ctx, true)
		if err != nil {
			return err
		}
		p.voted(v.name, decided)
		voted = append(voted, v.name)
	}
	if len(voted) == 0 {
		voted = []string{"nothing, all is decided"}
	}
	p.Step(p.Name, "voted for "+strings.Join(voted, ", "), 52)
	return nil
}

// WriteTemplate writes the accepted template to the exchange folder, for
// whoever deploys the room.
func (p *Party) WriteTemplate(ctx context.Context) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	spec, err := ledger.Contract(p.ContractID).DeploymentSpec(ctx)
	if err != nil {
		return err
	}
	if _, err := cleanroom.ParseTemplate(spec.Data); err != nil {
		return fmt.Errorf("no deployment of contract %s is accepted yet: %w", p.ContractID, err)
	}
	return os.WriteFile(p.Shared("template.json"), spec.Data, 0o644)
}
