package party

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/examples/internal/steps"
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

// OpenLedger opens a new ledger to applications, once.
func (p *Party) OpenLedger(ctx context.Context) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	info, err := ledger.ServiceInfo(ctx)
	if err != nil {
		return err
	}
	if info.Status != "Open" {
		service, err := p.ServiceCertificate()
		if err != nil {
			return err
		}
		if err := p.Pass(ctx, governance.OpenService(service)); err != nil {
			return err
		}
	}
	return ledger.WaitReady(ctx)
}

// LetIn makes the consortium of this party and another one, whose certificate
// was shared. A member that is there stays as it is.
func (p *Party) LetIn(ctx context.Context, other, otherTenant string) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	there, err := p.member(ctx, other)
	if err != nil {
		return err
	}
	if there == nil {
		cert, err := os.ReadFile(p.Certificate(other))
		if err != nil {
			return err
		}
		if err := p.Pass(ctx,
			governance.SetMemberData(ledger.Member().ID(), governance.MemberData{Identifier: p.Name, TenantID: p.Tenant}),
			governance.SetMember(cert, governance.MemberData{Identifier: other, TenantID: otherTenant}),
		); err != nil {
			return err
		}
	}
	p.Step(steps.Governance, "service open; members: "+p.Name+", active, and "+other+", let in", 6)
	return nil
}

// EnableIssuer lets the ledger issue tokens for rooms, once.
func (p *Party) EnableIssuer(ctx context.Context) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	info, err := ledger.OIDC().Info(ctx)
	if err != nil {
		return err
	}
	if !info.Enabled {
		if err := p.Pass(ctx, governance.EnableOIDCIssuer(rand.Text())); err != nil {
			return err
		}
	}
	kid, err := ledger.OIDC().GenerateSigningKey(ctx)
	if err != nil {
		return err
	}
	p.Step(steps.Governance, "token issuer enabled, its key made inside the service: "+steps.Short(kid)+"...", 59)
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
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = a.Name
	}
	what := strings.Join(names, ", ")
	p.proposed(what, proposal)
	if proposal, err = ledger.Proposal(proposal.ID).Vote(ctx, true); err != nil {
		return err
	}
	p.voted(what, proposal)
	if proposal.State != governance.ProposalAccepted {
		return fmt.Errorf("proposal %s to %s is %s; other members have to vote first", proposal.ID, actions[0].Name, strings.ToLower(proposal.State))
	}
	return nil
}

// MemberID is the id of the member of that name.
func (p *Party) MemberID(ctx context.Context, name string) (string, error) {
	m, err := p.member(ctx, name)
	if err != nil {
		return "", err
	}
	if m == nil {
		return "", fmt.Errorf("the ledger has no member %s; the consumer lets it in with the step found", name)
	}
	return m.ID, nil
}

// member finds a member by the name in its data, nil if there is none.
func (p *Party) member(ctx context.Context, name string) (*governance.MemberInfo, error) {
	ledger, err := p.Governance()
	if err != nil {
		return nil, err
	}
	members, err := ledger.Members(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(members, func(m governance.MemberInfo) bool { return m.Name() == name })
	if i < 0 {
		return nil, nil
	}
	return &members[i], nil
}
