package governancetest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// history compares the states that a proposal went through.
func history(ctx context.Context, t *testing.T, p *governance.ProposalClient, want ...string) {
	t.Helper()
	list, err := p.History(ctx)
	check(t, err)
	var got []string
	for i, s := range list {
		got = append(got, s.State)
		if i > 0 && s.Seqno <= list[i-1].Seqno {
			t.Errorf("history goes back at entry %d", i)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("history %q, want %q", got, want)
	}
}

// proposals takes proposals through every state.
func (s *suite) proposals(ctx context.Context, t *testing.T) {
	s.contract = s.name("agreed")
	s.agree(ctx, t, s.contract)
	s.ballots(ctx, t)
	s.ends(ctx, t)
	s.badProposals(ctx, t)
}

func (s *suite) ballots(ctx context.Context, t *testing.T) {
	// A no does not end a proposal about a member.
	data := governance.MemberData{Identifier: s.name("newcomer"), Extra: map[string]json.RawMessage{"note": json.RawMessage(`"kept"`)}}
	p := propose(ctx, t, s.founder, governance.SetMemberData(s.newcomer.Member().ID(), data))
	equal(t, "state of a new proposal", p.State, governance.ProposalOpen)
	equal(t, "ballots of a new proposal", p.BallotCount, 0)
	equal(t, "proposer", p.ProposerID, s.founder.Member().ID())
	list, err := s.newcomer.Proposals(ctx)
	check(t, err)
	if !slices.ContainsFunc(list, func(q governance.Proposal) bool { return q.ID == p.ID }) {
		t.Error("the list of proposals lacks a new one")
	}
	actions, err := s.newcomer.Proposal(p.ID).Actions(ctx)
	check(t, err)
	if len(actions) != 1 || actions[0].Name != "set_member_data" {
		t.Errorf("actions: %+v", actions)
	}

	theirs := s.newcomer.Proposal(p.ID)
	q, err := theirs.Vote(ctx, false)
	check(t, err)
	equal(t, "ballots after a vote", q.BallotCount, 1)
	equal(t, "state after a no that is no veto", q.State, governance.ProposalOpen)
	q, err = theirs.Vote(ctx, false)
	check(t, err)
	equal(t, "ballots after the same vote again", q.BallotCount, 1)
	_, err = theirs.Vote(ctx, true)
	s.refuses(t, err, "VoteAlreadyExists")
	ballots, err := theirs.Ballots(ctx)
	check(t, err)
	missing := governance.MissingVotes(ballots)
	if len(missing) != 1 || missing[0].MemberID != s.founder.Member().ID() {
		t.Errorf("missing votes: %+v", missing)
	}
	_, err = theirs.Withdraw(ctx)
	s.refuses(t, err, "AuthorizationFailed")
	for range 2 { // the second time does no harm
		withdraw(ctx, t, s.founder, p.ID)
	}
	_, err = theirs.Vote(ctx, false)
	s.refuses(t, err, "ProposalNotOpen")
	history(ctx, t, theirs, governance.ProposalOpen, governance.ProposalOpen, governance.ProposalWithdrawn)
}

// ends has the ways in which members decide.
func (s *suite) ends(ctx context.Context, t *testing.T) {
	k := s.founder.Contract(s.contract)
	p, err := k.ProposeTelemetry(ctx)
	check(t, err)
	p, err = s.newcomer.Proposal(p.ID).Vote(ctx, false)
	check(t, err)
	equal(t, "state after a veto", p.State, governance.ProposalRejected)
	rejected := p.ID
	q, err := s.founder.Proposal(rejected).Wait(ctx)
	denies(t, err, "proposal.vote")
	if q == nil || q.FinalVotes[s.newcomer.Member().ID()] {
		t.Errorf("rejected proposal: %+v", q)
	}

	p, err = k.ProposeTelemetry(ctx)
	check(t, err)
	accept(ctx, t, p, s.both()...)
	q, err = s.founder.Proposal(p.ID).Wait(ctx)
	check(t, err)
	equal(t, "state of an accepted proposal", q.State, governance.ProposalAccepted)
	_, err = s.founder.Proposal(p.ID).Withdraw(ctx)
	s.refuses(t, err, "ProposalNotOpen")
	history(ctx, t, s.newcomer.Proposal(p.ID), governance.ProposalOpen, governance.ProposalOpen, governance.ProposalAccepted)

	// One decided proposal is shown, the ones before are history.
	_, err = s.newcomer.Proposal(rejected).Show(ctx)
	s.refuses(t, err, "ProposalNotFound")
	_, err = s.newcomer.Proposal(rejected).Vote(ctx, true)
	s.refuses(t, err, "ProposalNotFound")
	history(ctx, t, s.newcomer.Proposal(rejected), governance.ProposalOpen, governance.ProposalRejected)
	_, err = s.founder.Proposal(strings.Repeat("0", 63) + "1").Show(ctx)
	s.refuses(t, err, "ProposalNotFound")
}

// badProposals has what cannot be proposed, or not be carried out.
func (s *suite) badProposals(ctx context.Context, t *testing.T) {
	if _, err := s.founder.Propose(ctx); err == nil {
		t.Error("an empty proposal was sent")
	}
	for _, a := range []governance.Action{
		{Name: "no_such_action", Args: map[string]any{}},
		{Name: "set_member_data", Args: map[string]any{"member_id": "short", "member_data": map[string]any{}}},
		{Name: "set_contract", Args: map[string]any{"contractId": 1, "contract": map[string]any{}}},
		governance.EnableLogging(s.name("unknown")),
	} {
		_, err := s.founder.Propose(ctx, a)
		s.refuses(t, err, "ProposalFailedToValidate")
	}
	nobody := strings.Repeat("0", 63) + "1"
	p := propose(ctx, t, s.founder, governance.SetMemberData(nobody, governance.MemberData{}))
	_, err := s.newcomer.Proposal(p.ID).Vote(ctx, true)
	check(t, err)
	_, err = s.founder.Proposal(p.ID).Vote(ctx, true)
	s.refuses(t, err, "InternalError")
	p, err = s.founder.Proposal(p.ID).Show(ctx)
	check(t, err)
	equal(t, "state of a proposal that cannot be carried out", p.State, governance.ProposalOpen)
	equal(t, "ballots of a proposal that cannot be carried out", p.BallotCount, 1)
	withdraw(ctx, t, s.founder, p.ID)
}
