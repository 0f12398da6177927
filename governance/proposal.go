package governance

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/cleanroom-go/sdk/internal/cose"
)

// States of a proposal.
const (
	ProposalOpen      = "Open"
	ProposalAccepted  = "Accepted"
	ProposalRejected  = "Rejected"
	ProposalWithdrawn = "Withdrawn"
	ProposalFailed    = "Failed"
	ProposalDropped   = "Dropped"
)

// Proposal is the state of a proposal.
type Proposal struct {
	ID         string `json:"proposalId"`
	ProposerID string `json:"proposerId"`
	// State is one of the Proposal constants.
	State       string `json:"proposalState"`
	BallotCount int    `json:"ballotCount"`
	// FinalVotes has the votes by member id once the proposal is decided.
	FinalVotes map[string]bool `json:"finalVotes,omitempty"`
	// VoteFailures has the ballots that could not be run, by member id.
	VoteFailures map[string]VoteFailure `json:"voteFailures,omitempty"`
	// Failure says why a proposal is Failed.
	Failure *VoteFailure `json:"failure,omitempty"`
}

// VoteFailure is a script of governance that threw.
type VoteFailure struct {
	Reason string `json:"reason"`
	Trace  string `json:"trace"`
}

// Propose signs the actions as one proposal. The creation is not a vote: whoever
// proposes votes as well. A proposal that the constitution rejects at once is
// given together with a [*DeniedError].
func (c *Client) Propose(ctx context.Context, actions ...Action) (_ *Proposal, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "Propose")
	defer end(&err)
	op := "propose"
	if len(actions) == 0 {
		// The service accepts an empty list without a vote.
		return nil, errors.New("governance: propose: no action")
	}
	op += " " + actions[0].Name
	msg, err := c.signed(op, "/gov/members/proposals:create", cose.Header{Type: cose.TypeProposal}, map[string][]Action{"actions": actions})
	if err != nil {
		return nil, err
	}
	var p Proposal
	a, _, err := c.wire.write(ctx, msg)
	switch {
	case hasCode(err, "ProposalReplay"):
		// The replay window compares signatures, and a signature is random:
		// what exists already is this very message, its first answer lost.
		return c.replayed(ctx, op, err)
	case err != nil:
		return nil, err
	}
	if err := a.json(op, &p); err != nil {
		return nil, err
	}
	if err := checkDigest("proposal id", p.ID); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if p.State == ProposalRejected || p.State == ProposalFailed {
		return &p, rejectedAtOnce(op, &p)
	}
	return &p, nil
}

var lastDigest = regexp.MustCompile(`\b([0-9a-f]{64})\W*$`)

func (c *Client) replayed(ctx context.Context, op string, cause error) (*Proposal, error) {
	var se *ServiceError
	if !errors.As(cause, &se) {
		return nil, cause
	}
	m := lastDigest.FindStringSubmatch(se.Message)
	if m == nil {
		return nil, cause
	}
	p, err := c.Proposal(m[1]).outcome(ctx, c.wire.readCommitted)
	if err != nil {
		return nil, err
	}
	if p.State == ProposalRejected || p.State == ProposalFailed {
		return p, rejectedAtOnce(op, p)
	}
	return p, nil
}

func rejectedAtOnce(op string, p *Proposal) error {
	return &DeniedError{
		Op: "governance: " + op,
		By: "the constitution",
		Checks: []Check{{
			ID: "proposal.created", Want: ProposalOpen + " or " + ProposalAccepted, Got: p.State,
			Remedy: "a contract can be proposed once at a time, alone in its proposal, and never again after it was accepted; read the contract to see which it is",
			Err:    errNotAccepted,
		}},
	}
}

var errNotAccepted = errors.New("the proposal is not accepted")

// Proposals lists the open proposals and the one that was decided last; the
// service forgets the others.
func (c *Client) Proposals(ctx context.Context) (_ []Proposal, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "Proposals")
	defer end(&err)
	var doc struct {
		Value []Proposal `json:"value"`
	}
	if err := c.gov(ctx, "list proposals", "/gov/members/proposals", &doc); err != nil {
		return nil, err
	}
	return doc.Value, nil
}
