package governance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ballotsWait bounds reading the ballots during a wait where the caller polls
// more often than that.
const ballotsWait = 500 * time.Millisecond

// Wait returns once the proposal is decided: it looks after a few milliseconds,
// then at growing intervals up to [ClientOptions].PollInterval, and ends with
// the first look after the decision. Anything but acceptance comes with a
// [*DeniedError] beside the proposal; so does the end of the context, whose
// error it wraps: it then names the members whose votes are missing.
func (p *ProposalClient) Wait(ctx context.Context) (_ *Proposal, err error) {
	ctx, end := p.c.wire.tracer.Start(ctx, "Proposal.Wait")
	defer end(&err)
	op := "wait for proposal " + short(p.id)
	b := newBackoff(p.c.wire.poll)
	var seen *Proposal
	var ballots []Ballot
	known := -1 // how many ballots were cast when they were read
	for {
		v, err := p.outcome(ctx, p.c.wire.read)
		switch {
		case seen != nil && ended(ctx, err):
			return seen, notDecided(op, seen, ballots, err)
		case err != nil:
			return nil, err
		case v.State == ProposalAccepted:
			return v, nil
		case v.State != ProposalOpen:
			return v, p.notAccepted(ctx, op, v)
		}
		seen = v
		looked := time.Now()
		// The list of ballots costs a request for each member: read it when a
		// vote came in, and once at the start so that it is there when the
		// context ends. It only explains, and must not keep a decision from
		// being noticed: its time is limited, and part of the pause.
		if known != v.BallotCount {
			limited, cancel := context.WithTimeout(ctx, max(p.c.wire.poll, ballotsWait))
			if fresh, err := p.Ballots(limited); err == nil {
				ballots, known = fresh, v.BallotCount
			}
			cancel()
		}
		if err := p.c.wire.pause(ctx, max(b.step()-time.Since(looked), time.Millisecond)); err != nil {
			return seen, notDecided(op, seen, ballots, err)
		}
	}
}

// ended tells whether a call failed because the context ended, or had no time
// left for another attempt.
func ended(ctx context.Context, err error) bool {
	_, limited := ctx.Deadline()
	return err != nil && (ctx.Err() != nil || limited && errors.Is(err, context.DeadlineExceeded))
}

func notDecided(op string, v *Proposal, ballots []Ballot, cause error) error {
	return &DeniedError{
		Op:     "governance: " + op,
		By:     "the members",
		Checks: append([]Check{stateCheck(v)}, ballotChecks(ballots)...),
		Err:    cause,
	}
}

// notAccepted explains with the final votes, under the members' names if those
// can be read.
func (p *ProposalClient) notAccepted(ctx context.Context, op string, v *Proposal) error {
	names := map[string]string{}
	if members, err := p.c.Members(ctx); err == nil {
		for _, m := range members {
			names[m.ID] = m.Name()
		}
	}
	checks := []Check{stateCheck(v)}
	for _, id := range slices.Sorted(maps.Keys(v.FinalVotes)) {
		name := names[id]
		if name == "" {
			name = short(id)
		}
		c := Check{ID: "proposal.vote", Want: "accept by " + name, Got: "accept by " + name}
		if !v.FinalVotes[id] {
			c.Got = "reject by " + name
			c.Remedy = "ask " + name + " why, then propose what all can accept"
			c.Err = errNotAccepted
		}
		checks = append(checks, c)
	}
	d := &DeniedError{Op: "governance: " + op, By: "the members", Checks: checks}
	if v.Failure != nil {
		d.Err = fmt.Errorf("the service failed to carry it out: %s", cut(v.Failure.Reason, maxErrorText))
	}
	return d
}

func stateCheck(v *Proposal) Check {
	c := Check{ID: "proposal.state", Want: ProposalAccepted, Got: v.State, Err: errNotAccepted}
	switch v.State {
	case ProposalOpen:
		c.Remedy = "wait for the missing votes"
	case ProposalWithdrawn, ProposalDropped:
		c.Remedy = "propose again"
	}
	return c
}
