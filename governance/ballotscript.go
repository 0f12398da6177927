package governance

import (
	"context"
	"errors"
)

// VoteWith submits a ballot of the member's own making: the text of a JavaScript
// module whose function vote(proposal, proposerId) gives true for a yes. The
// service runs it whenever it counts, with what is in its tables then, so that
// such a vote can wait for something. Others see the text and must read it; with
// a plain yes or no in mind, use [ProposalClient.Vote].
func (p *ProposalClient) VoteWith(ctx context.Context, script string) (_ *Proposal, err error) {
	ctx, end := p.c.wire.tracer.Start(ctx, "Proposal.VoteWith")
	defer end(&err)
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	op := "vote with a script on proposal " + short(p.id)
	if script == "" {
		return nil, errors.New("governance: " + op + ": the script is empty")
	}
	v, err := p.submit(ctx, op, path, script)
	if err == nil || !wasRepeated(err) || !hasCode(err, "ProposalNotOpen") {
		return v, err
	}
	// The first copy may have decided it: then the service has this very text.
	got, gerr := p.ballotScript(ctx, path, p.c.member.id)
	if gerr != nil || got != script {
		return nil, err
	}
	if v, gerr = p.outcome(ctx, p.c.wire.readCommitted); gerr != nil {
		return nil, err
	}
	return v, nil
}
