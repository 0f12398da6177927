package governance_test

import (
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// TestVoteWith votes with texts of the member's own. The local network has no
// script engine, and counts those that differ from the usual ones by space.
func TestVoteWith(t *testing.T) {
	c, k := withContract(t)
	ctx := t.Context()
	const yes, no = "\n export function vote (proposal, proposerId) { return true }\n", "export function vote (proposal, proposerId) { return false } "
	p, err := k.ProposeLogging(ctx)
	c.check(err)
	mine, theirs := c.consumer.Proposal(p.ID), c.publisher.Proposal(p.ID)
	_, err = mine.VoteWith(ctx, "")
	wantText(t, err, "the script is empty")
	_, err = mine.VoteWith(ctx, "export function vote (proposal, proposerId) { return 1 === 1 }")
	wantCode(t, err, "InvalidInput")
	_, err = c.consumer.Proposal("x").VoteWith(ctx, yes)
	wantText(t, err, "proposal id")
	for range 2 { // the same again does no harm
		if v, err := mine.VoteWith(ctx, yes); err != nil || v.State != governance.ProposalOpen || v.BallotCount != 1 {
			t.Errorf("%+v, %v", v, err)
		}
	}
	_, err = mine.VoteWith(ctx, no)
	wantCode(t, err, "VoteAlreadyExists")

	// The answer to the vote that decides is lost: the text is found.
	l := &loser{lose: 1}
	unreliable := c.client(c.publisher.Member(), l.wrap)
	governance.Hasten(unreliable)
	if v, err := unreliable.Proposal(p.ID).VoteWith(ctx, yes); err != nil || v.State != governance.ProposalAccepted {
		t.Errorf("%+v, %v", v, err)
	}
	// Another text is not taken for it, and without repetition nothing is.
	l.calls.Store(0)
	_, err = unreliable.Proposal(p.ID).VoteWith(ctx, no)
	wantCode(t, err, "ProposalNotOpen")
	_, err = theirs.VoteWith(ctx, yes)
	wantCode(t, err, "ProposalNotOpen")
}
