package governance

import (
	"context"
	"fmt"
	"net/http"

	"github.com/cleanroom-go/sdk/internal/cose"
)

// ProposalClient acts on one proposal.
type ProposalClient struct {
	c  *Client
	id string
}

// Proposal gives a handle; nothing is asked yet.
func (c *Client) Proposal(id string) *ProposalClient { return &ProposalClient{c, id} }

// ID is the proposal's id.
func (p *ProposalClient) ID() string { return p.id }

func (p *ProposalClient) path() (string, error) {
	if err := checkDigest("proposal id", p.id); err != nil {
		return "", err
	}
	return "/gov/members/proposals/" + p.id, nil
}

// Show reads the proposal's state. Once another proposal was decided after it,
// a decided one is gone: the error has the code ProposalNotFound then, and
// [ProposalClient.History] still knows.
func (p *ProposalClient) Show(ctx context.Context) (_ *Proposal, err error) {
	ctx, end := p.c.wire.tracer.Start(ctx, "Proposal.Show")
	defer end(&err)
	return p.show(ctx, p.c.wire.read)
}

func (p *ProposalClient) show(ctx context.Context, read reader) (*Proposal, error) {
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	var v Proposal
	c := call{op: "read proposal " + short(p.id), method: http.MethodGet, path: path, query: apiQuery}
	if err := read(ctx, c, &v); err != nil {
		return nil, err
	}
	return p.own(c.op, &v)
}

// own makes sure that an answer is about this proposal.
func (p *ProposalClient) own(op string, v *Proposal) (*Proposal, error) {
	if v.ID != p.id {
		return nil, fmt.Errorf("governance: %s: the service sent the proposal %q", op, cut(v.ID, 80))
	}
	return v, nil
}

// Actions gives the actions as the proposer signed them. Compare them with what
// you were told before you vote: the proposal is what counts. A text that could
// be read in two ways is a [*DeniedError].
func (p *ProposalClient) Actions(ctx context.Context) (_ []Action, err error) {
	ctx, end := p.c.wire.tracer.Start(ctx, "Proposal.Actions")
	defer end(&err)
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	op := "read actions of proposal " + short(p.id)
	a, err := p.c.wire.do(ctx, call{op: op, method: http.MethodGet, path: path + "/actions", query: apiQuery})
	if err != nil {
		return nil, err
	}
	return parseActions(op, a.body)
}

// The two ballots that everybody recognises by their text.
const (
	acceptBallot = "export function vote (proposal, proposerId) { return true }"
	rejectBallot = "export function vote (proposal, proposerId) { return false }"
)

// Vote submits the member's ballot and returns the proposal after it. A vote
// cannot be changed; voting the same again does no harm while the proposal is
// open. A no ends a proposal about a contract, a policy, a deployment or an
// option; other proposals stay open.
func (p *ProposalClient) Vote(ctx context.Context, accept bool) (_ *Proposal, err error) {
	ctx, end := p.c.wire.tracer.Start(ctx, "Proposal.Vote")
	defer end(&err)
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	op, ballot := "accept proposal "+short(p.id), acceptBallot
	if !accept {
		op, ballot = "reject proposal "+short(p.id), rejectBallot
	}
	v, err := p.submit(ctx, op, path, ballot)
	if err != nil {
		return p.ownEcho(ctx, accept, err)
	}
	return v, nil
}

// submit signs and sends a ballot.
func (p *ProposalClient) submit(ctx context.Context, op, path, script string) (*Proposal, error) {
	h := cose.Header{Type: cose.TypeBallot, ProposalID: p.id}
	msg, err := p.c.signed(op, path+"/ballots/"+p.c.member.id+":submit", h, map[string]string{"ballot": script})
	if err != nil {
		return nil, err
	}
	a, _, err := p.c.wire.write(ctx, msg)
	if err != nil {
		return nil, err
	}
	return p.answered(op, a)
}

func (p *ProposalClient) answered(op string, a *answer) (*Proposal, error) {
	var v Proposal
	if err := a.json(op, &v); err != nil {
		return nil, err
	}
	return p.own(op, &v)
}

// ownEcho recognises the refusal of a repeated ballot whose first copy decided
// the proposal.
func (p *ProposalClient) ownEcho(ctx context.Context, accept bool, cause error) (*Proposal, error) {
	if !wasRepeated(cause) || !hasCode(cause, "ProposalNotOpen", "ProposalNotFound") {
		return nil, cause
	}
	v, err := p.outcome(ctx, p.c.wire.readCommitted)
	if err != nil {
		return nil, cause
	}
	vote, known := v.FinalVotes[p.c.member.id]
	if known && vote == accept {
		return v, nil
	}
	// The votes are gone with a pruned proposal. What was accepted had every
	// vote, so this one too; what was rejected had a no, which is all that this
	// one could have done.
	wanted := ProposalRejected
	if accept {
		wanted = ProposalAccepted
	}
	if !known && v.State == wanted {
		return v, nil
	}
	return nil, cause
}

// Withdraw takes back a proposal that the member made itself. One that was
// decided already is returned with an error; doing it again does no harm.
func (p *ProposalClient) Withdraw(ctx context.Context) (_ *Proposal, err error) {
	ctx, end := p.c.wire.tracer.Start(ctx, "Proposal.Withdraw")
	defer end(&err)
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	op := "withdraw proposal " + short(p.id)
	msg, err := p.c.signed(op, path+":withdraw", cose.Header{Type: cose.TypeWithdrawal, ProposalID: p.id}, nil)
	if err != nil {
		return nil, err
	}
	a, _, err := p.c.wire.write(ctx, msg)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusNoContent {
		return p.answered(op, a)
	}
	// Unknown to the service, or decided and forgotten.
	v, err := p.outcome(ctx, p.c.wire.read)
	if err != nil {
		return nil, err
	}
	if v.State != ProposalWithdrawn {
		return v, denied(op, p.c.wire.host, []Check{equalCheck("proposal.state", ProposalWithdrawn, v.State,
			"it was decided before it could be withdrawn; propose what undoes it")}, nil)
	}
	return v, nil
}

// outcome is Show that falls back on the history of a forgotten proposal.
func (p *ProposalClient) outcome(ctx context.Context, read reader) (*Proposal, error) {
	v, err := p.show(ctx, read)
	if !hasCode(err, "ProposalNotFound") {
		return v, err
	}
	states, herr := p.history(ctx)
	if herr != nil {
		return nil, herr
	}
	if len(states) == 0 {
		return nil, err
	}
	return &Proposal{ID: p.id, State: states[len(states)-1].State}, nil
}
