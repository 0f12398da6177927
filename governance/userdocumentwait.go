package governance

import (
	"context"
	"time"
)

// Wait returns once the proposal is decided, looking as [ProposalClient.Wait]
// does. Anything but acceptance comes with a [*DeniedError] beside the proposal;
// so does the end of the context, whose error it wraps: it then names the
// approvers who have not voted.
func (p *UserProposalClient) Wait(ctx context.Context) (*UserProposal, error) {
	op := "wait for user proposal " + short(p.id)
	b := newBackoff(p.wire.poll)
	var seen *UserProposal
	var content *UserProposalContent
	for {
		v, err := p.Show(ctx)
		switch {
		case seen != nil && ended(ctx, err):
			return seen, p.undecided(op, seen, content, err)
		case err != nil:
			return nil, err
		case v.State == ProposalAccepted:
			return v, nil
		case v.State != ProposalOpen:
			return v, p.undecided(op, v, nil, nil)
		}
		seen = v
		looked := time.Now()
		if content == nil {
			// Who decides never changes. It only explains: an error does not
			// end the wait, and the time for it is limited.
			limited, cancel := context.WithTimeout(ctx, max(p.wire.poll, ballotsWait))
			if content, err = p.Content(limited); err != nil {
				content = &UserProposalContent{}
			}
			cancel()
		}
		if err := p.wire.pause(ctx, max(b.step()-time.Since(looked), time.Millisecond)); err != nil {
			return seen, p.undecided(op, seen, content, err)
		}
	}
}

// undecided explains with the votes that were cast, and those that are missing
// if it is known whose they are.
func (p *UserProposalClient) undecided(op string, v *UserProposal, content *UserProposalContent, cause error) error {
	checks := []Check{stateCheck(&Proposal{State: v.State})}
	voted := map[string]bool{}
	for _, ballot := range v.Ballots {
		voted[ballot.ApproverID] = true
		who := short(ballot.ApproverID)
		c := Check{ID: "proposal.vote", Want: "accept by " + who, Got: "accept by " + who}
		if !ballot.Accept {
			c.Got, c.Err = "reject by "+who, errNotAccepted
			c.Remedy = "ask " + who + " why, then propose what all can accept"
		}
		checks = append(checks, c)
	}
	if content != nil {
		for _, a := range content.Approvers {
			if who := short(a.ID); !voted[a.ID] {
				checks = append(checks, Check{
					ID: "proposal.vote", Want: "accept by " + who, Got: "none by " + who,
					Remedy: "ask " + a.Kind + " " + who + " to vote", Err: errNotAccepted,
				})
			}
		}
	}
	return &DeniedError{Op: "governance: " + op, By: "the approvers", Checks: checks, Err: cause}
}
