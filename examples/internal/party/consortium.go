package party

import (
	"context"
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
)

// Activate makes the party an active member of the consortium.
func (p *Party) Activate(ctx context.Context) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	if err := ledger.Activate(ctx); err != nil {
		return err
	}
	p.Step(p.Name, "activated as a member of the consortium", 4)
	return nil
}

// Pass proposes actions that need this party's vote alone, and votes.
func (p *Party) Pass(ctx context.Context, actions ...governance.Action) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	proposal, err := ledger.Propose(ctx, actions...)
	if err != nil {
		return err
	}
	if proposal, err = ledger.Proposal(proposal.ID).Vote(ctx, true); err != nil {
		return err
	}
	if proposal.State != governance.ProposalAccepted {
		return fmt.Errorf("proposal %s to %s is %s; other members have to vote first", proposal.ID, actions[0].Name, strings.ToLower(proposal.State))
	}
	return nil
}

// MemberID finds a member by the name in its data.
func (p *Party) MemberID(ctx context.Context, name string) (string, error) {
	ledger, err := p.Governance()
	if err != nil {
		return "", err
	}
	members, err := ledger.Members(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range members {
		if m.Name() == name {
			return m.ID, nil
		}
	}
	return "", fmt.Errorf("the ledger has no member %s", name)
}
