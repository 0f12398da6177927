package party

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/examples/internal/query"
	"github.com/cleanroom-go/sdk/governance"
)

// Accepted reads the contract from the ledger, not from a file: it is what
// the members voted for.
func (p *Party) Accepted(ctx context.Context) (*cleanroom.Specification, error) {
	ledger, err := p.Governance()
	if err != nil {
		return nil, err
	}
	c, err := ledger.Contract(p.ContractID).Get(ctx)
	if err != nil {
		return nil, err
	}
	if c.State != governance.ContractAccepted {
		return nil, fmt.Errorf("contract %s is %s; every member has to vote for it first", c.ID, strings.ToLower(c.State))
	}
	return cleanroom.ParseSpecification([]byte(c.Data))
}

// ProposeContract makes a contract of the merged documents and votes for it.
func (p *Party) ProposeContract(ctx context.Context, files ...string) error {
	documents := make([]*cleanroom.Specification, len(files))
	for i, file := range files {
		var err error
		if documents[i], err = cleanroom.ReadSpecification(file); err != nil {
			return err
		}
	}
	merged, err := cleanroom.Merge(documents[0], documents[1:]...)
	if err != nil {
		return err
	}
	p.Step(p.Name, fmt.Sprintf("%d documents merged without a conflict", len(files)), 38)
	issues, err := merged.Validate(nil)
	if err != nil {
		return err
	}
	p.Step(p.Name, fmt.Sprintf("merged document is valid, %d warnings", len(issues)), 39)
	data, err := merged.Encode()
	if err != nil {
		return err
	}
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	contract := ledger.Contract(p.ContractID)
	c, err := p.draft(ctx, contract, string(data))
	if err != nil {
		return err
	}
	if c.State == governance.ContractAccepted {
		p.Step(p.Name, "contract "+c.ID+" was accepted before", 40)
		return nil
	}
	id := c.ProposalID
	if c.State == governance.ContractDraft {
		proposal, err := contract.Propose(ctx, c.Version)
		if err != nil {
			return err
		}
		id = proposal.ID
		p.proposed("contract "+c.ID, proposal)
	}
	decided, err := contract.Vote(ctx, id, true)
	if err != nil {
		return err
	}
	p.voted("contract "+c.ID, decided)
	p.Step(p.Name, fmt.Sprintf("contract %s of %d bytes created, proposed, voted for", p.ContractID, len(data)), 40)
	return nil
}

// draft creates the contract, or finds it if it says the same: a step that was
// interrupted can be repeated.
func (p *Party) draft(ctx context.Context, contract *governance.ContractClient, data string) (*governance.Contract, error) {
	c, err := contract.Get(ctx)
	var answer *governance.ServiceError
	if errors.As(err, &answer) && answer.Code == "ContractNotFound" {
		if _, err := contract.Create(ctx, data); err != nil {
			return nil, err
		}
		c, err = contract.Get(ctx)
	}
	if err != nil {
		return nil, err
	}
	if c.Data != data {
		return nil, fmt.Errorf("contract %s is there and says something else; choose another id with -contract", c.ID)
	}
	return c, nil
}

// Accept votes for the proposed contract if it says what the party's own
// document says, and beyond that only what was agreed on: one application, of
// the reviewed image, which reads this party's secret and no other.
func (p *Party) Accept(ctx context.Context) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	own, err := cleanroom.ReadSpecification(p.Document())
	if err != nil {
		return err
	}
	contract := ledger.Contract(p.ContractID)
	c, err := contract.Get(ctx)
	if err != nil {
		return err
	}
	proposed, err := cleanroom.ParseSpecification([]byte(c.Data))
	if err != nil {
		return err
	}
	review, err := proposed.ReviewFor(own)
	if err != nil {
		return err
	}
	if err := p.expected(review, governance.SecretID(ledger.Member().ID(), SecretName)); err != nil {
		return fmt.Errorf("contract %s: %w; vote against it, or agree with the others first", c.ID, err)
	}
	issues, err := proposed.Validate(nil)
	if err != nil {
		return err
	}
	for _, issue := range issues {
		p.Step(p.Name, "warning: "+issue.String())
	}
	if c.State != governance.ContractAccepted {
		decided, err := contract.Vote(ctx, c.ProposalID, true)
		if err != nil {
			return err
		}
		p.voted("contract "+c.ID, decided)
	}
	app := review.Applications[0]
	p.Step(p.Name, fmt.Sprintf("contract %s says what was shared, and besides: application %s, sink %s; voted for it", c.ID, app.Name, strings.Join(review.Datasinks, ", ")), 40)
	return nil
}

// expected compares what the others have brought with what was agreed on.
func (p *Party) expected(r *cleanroom.ContractReview, secretID string) error {
	switch {
	case len(r.Network) > 0:
		return fmt.Errorf("it opens the network to %s", strings.Join(r.Network, ", "))
	case len(r.Governance) > 0:
		return fmt.Errorf("it adds %s", strings.Join(r.Governance, ", "))
	case len(r.Datasources) > 0:
		return fmt.Errorf("it reads from %s", strings.Join(r.Datasources, ", "))
	case len(r.Applications) != 1:
		return fmt.Errorf("it has %d applications, one was agreed on", len(r.Applications))
	}
	app := r.Applications[0]
	if app.Image.Reference() != p.Image {
		return fmt.Errorf("application %s is the image %s, reviewed was %s", app.Name, app.Image.Reference(), p.Image)
	}
	for _, v := range app.EnvironmentVariables {
		if v.Name != query.SecretVariable || v.Value != secretID {
			return fmt.Errorf("application %s gets the variable %s=%s, agreed was %s=%s alone", app.Name, v.Name, v.Value, query.SecretVariable, secretID)
		}
	}
	return nil
}
