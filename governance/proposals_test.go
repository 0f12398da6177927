package governance_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// withContract is a consortium with an accepted contract, in which proposals of
// all kinds can be made.
func withContract(t testing.TB) (*consortium, *governance.ContractClient) {
	t.Helper()
	c, id := commonConsortium(t)
	c.acceptedContract(id, "data")
	return c, c.consumer.Contract(id)
}

func TestProposal(t *testing.T) {
	c, k := withContract(t)
	ctx := t.Context()
	p, err := k.ProposeTelemetry(ctx)
	c.check(err)
	if p.State != governance.ProposalOpen || p.ProposerID != c.consumer.Member().ID() || p.BallotCount != 0 || p.FinalVotes != nil {
		t.Errorf("new proposal: %+v", p)
	}
	proposal := c.publisher.Proposal(p.ID)
	actions, err := proposal.Actions(ctx)
	c.check(err)
	var args struct{ ContractID string }
	if len(actions) != 1 || actions[0].Name != "set_contract_runtime_options_enable_telemetry" || actions[0].DecodeArgs(&args) != nil || args.ContractID != k.ID() {
		t.Errorf("actions %+v", actions)
	}

	wantMissing(t, proposal, "consumer", "publisher")
	if p, err = proposal.Vote(ctx, true); err != nil || p.BallotCount != 1 {
		t.Fatalf("after a vote: %+v, %v", p, err)
	}
	if p, err = proposal.Vote(ctx, true); err != nil || p.BallotCount != 1 {
		t.Errorf("the same vote again: %+v, %v", p, err)
	}
	_, err = proposal.Vote(ctx, false)
	wantCode(t, err, "VoteAlreadyExists")
	wantMissing(t, proposal, "consumer")
	ballots, err := proposal.Ballots(ctx)
	c.check(err)
	for _, b := range ballots {
		want := governance.Ballot{MemberID: c.consumer.Member().ID(), Identifier: "consumer", Status: governance.MemberActive, Needed: true, Vote: governance.VoteNone}
		if b.Identifier == "publisher" {
			want.MemberID, want.Identifier, want.Vote = c.publisher.Member().ID(), "publisher", governance.VoteAccept
		}
		if b != want {
			t.Errorf("ballot %+v, want %+v", b, want)
		}
	}

	list, err := c.publisher.Proposals(ctx)
	c.check(err)
	found := false
	for _, q := range list {
		found = found || q.ID == p.ID && q.State == governance.ProposalOpen
	}
	if !found {
		t.Errorf("proposal is not in the list %+v", list)
	}

	c.accept(p, c.consumer)
	if p, err = proposal.Show(ctx); err != nil || len(p.FinalVotes) != 2 || !p.FinalVotes[c.consumer.Member().ID()] {
		t.Errorf("decided proposal: %+v, %v", p, err)
	}
	_, err = proposal.Vote(ctx, true)
	wantCode(t, err, "ProposalNotOpen")
	_, err = c.consumer.Proposal(p.ID).Withdraw(ctx)
	wantCode(t, err, "ProposalNotOpen")

	// A later decision makes the service forget this one.
	p2, err := k.ProposeLogging(ctx)
	c.check(err)
	c.accept(p2, c.both()...)
	_, err = proposal.Show(ctx)
	wantCode(t, err, "ProposalNotFound")
	_, err = proposal.Vote(ctx, true)
	wantCode(t, err, "ProposalNotFound")
	v, err := c.consumer.Proposal(p.ID).Withdraw(ctx)
	wantDenied(t, err, "proposal.state")
	if v == nil || v.State != governance.ProposalAccepted {
		t.Errorf("late withdrawal gave %+v", v)
	}
	if v, err = proposal.Wait(ctx); err != nil || v.State != governance.ProposalAccepted {
		t.Errorf("wait for a forgotten proposal: %+v, %v", v, err)
	}
	wantHistory(t, proposal, governance.ProposalOpen, governance.ProposalOpen, governance.ProposalAccepted)
}

func wantMissing(t *testing.T, p *governance.ProposalClient, names ...string) {
	t.Helper()
	ballots, err := p.Ballots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, b := range governance.MissingVotes(ballots) {
		got[b.Identifier] = true
	}
	for _, name := range names {
		if !got[name] {
			t.Errorf("the vote of %s is not missing", name)
		}
	}
	if len(got) != len(names) {
		t.Errorf("missing votes: %v, want %v", got, names)
	}
}

func wantHistory(t *testing.T, p *governance.ProposalClient, want ...string) {
	t.Helper()
	states, err := p.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(states) != len(want) {
		t.Fatalf("history %+v, want %v", states, want)
	}
	last := int64(0)
	for i, s := range states {
		if s.State != want[i] || s.Seqno <= last {
			t.Errorf("history entry %d: %+v, want %s after %d", i, s, want[i], last)
		}
		last = s.Seqno
	}
}

func TestWithdraw(t *testing.T) {
	c, k := withContract(t)
	ctx := t.Context()
	p, err := k.ProposeLogging(ctx)
	c.check(err)
	_, err = c.publisher.Proposal(p.ID).Withdraw(ctx)
	wantCode(t, err, "AuthorizationFailed")
	mine := c.consumer.Proposal(p.ID)
	for range 2 {
		if p, err = mine.Withdraw(ctx); err != nil || p.State != governance.ProposalWithdrawn {
			t.Fatalf("withdrawn: %+v, %v", p, err)
		}
	}
	status, err := k.Option(ctx, governance.Logging)
	c.check(err)
	if status.Enabled || len(status.ProposalIDs) != 0 {
		t.Errorf("logging: %+v", status)
	}
	// Forgotten by now, and still withdrawn.
	c.propose(c.consumer, governance.DisableLogging(k.ID()))
	if p, err = mine.Withdraw(ctx); err != nil || p.State != governance.ProposalWithdrawn {
		t.Errorf("withdrawn and forgotten: %+v, %v", p, err)
	}
	if p, err = mine.Wait(ctx); p == nil || p.State != governance.ProposalWithdrawn {
		t.Errorf("wait: %+v, %v", p, err)
	}
	wantDenied(t, err, "proposal.state")

	unknown := "00000000000000000000000000000000000000000000000000000000000000ff"
	_, err = c.consumer.Proposal(unknown).Withdraw(ctx)
	wantCode(t, err, "ProposalNotFound")
	wantHistory(t, c.consumer.Proposal(unknown))
	_, err = c.consumer.Proposal("FF").Show(ctx)
	wantText(t, err, "governance: proposal id", "64 lower case hex digits")
}

func TestWait(t *testing.T) {
	c, k := withContract(t)
	ctx := t.Context()
	wait := func(ctx context.Context, id string) func() (*governance.Proposal, error) {
		type result struct {
			p   *governance.Proposal
			err error
		}
		done := make(chan result, 1)
		go func() {
			p, err := c.consumer.Proposal(id).Wait(ctx)
			done <- result{p, err}
		}()
		return func() (*governance.Proposal, error) { r := <-done; return r.p, r.err }
	}

	p, err := k.ProposeLogging(ctx)
	c.check(err)
	result := wait(ctx, p.ID)
	c.accept(p, c.both()...)
	if p, err = result(); err != nil || p.State != governance.ProposalAccepted {
		t.Errorf("accepted: %+v, %v", p, err)
	}

	p, err = k.ProposeTelemetry(ctx)
	c.check(err)
	result = wait(ctx, p.ID)
	_, err = c.publisher.Proposal(p.ID).Vote(ctx, false)
	c.check(err)
	p, err = result()
	d := wantDenied(t, err, "proposal.vote")
	if p == nil || p.State != governance.ProposalRejected {
		t.Errorf("rejected: %+v", p)
	}
	wantText(t, d, "reject by publisher")

	// The end of the context names those who did not vote.
	p, err = k.ProposeTelemetry(ctx)
	c.check(err)
	_, err = c.consumer.Proposal(p.ID).Vote(ctx, true)
	c.check(err)
	ending, cancel := context.WithCancel(ctx)
	watcher := c.client(c.consumer.Member(), beforeCall("/proposals/"+p.ID, 2, cancel))
	p, err = watcher.Proposal(p.ID).Wait(ending)
	if p == nil || p.State != governance.ProposalOpen {
		t.Errorf("not decided: %+v", p)
	}
	wantDenied(t, err, "proposal.vote")
	wantText(t, err, "accept by publisher", "ask publisher to vote")
	wantDenied(t, err, "proposal.state")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error does not wrap the context's: %v", err)
	}
}

func TestRejectedAtOnce(t *testing.T) {
	c, k := withContract(t)
	// It is accepted already.
	p, err := c.consumer.Propose(t.Context(), governance.SetContract(k.ID(), map[string]string{"data": "other"}))
	wantDenied(t, err, "proposal.created")
	if p == nil || p.State != governance.ProposalRejected || p.ID == "" {
		t.Errorf("proposal: %+v", p)
	}
	wantHistory(t, c.consumer.Proposal(p.ID), governance.ProposalRejected)
}

func TestProposeRefused(t *testing.T) {
	c, _ := commonConsortium(t)
	ctx := t.Context()
	if _, err := c.consumer.Propose(ctx); err == nil {
		t.Error("an empty proposal passed: the service would accept it without a vote")
	}
	_, err := c.consumer.Propose(ctx, governance.Action{Name: "no_such_action", Args: map[string]any{}})
	wantCode(t, err, "ProposalFailedToValidate")
	_, err = c.consumer.Propose(ctx, governance.EnableLogging("no-contract"))
	wantCode(t, err, "ProposalFailedToValidate")
	_, err = c.consumer.Propose(ctx, governance.Action{Name: "x", Args: func() {}})
	wantText(t, err, "governance: propose x: ")

	// The service cannot carry this out; nothing stays of it.
	p := c.propose(c.consumer, governance.SetMemberData("00000000000000000000000000000000000000000000000000000000000000ff", governance.MemberData{}))
	_, err = c.publisher.Proposal(p.ID).Vote(ctx, true)
	c.check(err)
	_, err = c.consumer.Proposal(p.ID).Vote(ctx, true)
	wantCode(t, err, "InternalError")
	if p, err = c.consumer.Proposal(p.ID).Show(ctx); err != nil || p.State != governance.ProposalOpen || p.BallotCount != 1 {
		t.Errorf("after the failure: %+v, %v", p, err)
	}
}

func TestDecodeArgs(t *testing.T) {
	var v struct {
		Type   string
		Claims map[string]any
	}
	a := governance.SetCleanRoomPolicy("k", governance.HostDataPolicy("ab"))
	if err := a.DecodeArgs(&v); err != nil || v.Type != governance.PolicyAdd || v.Claims[governance.ClaimHostData] != "ab" {
		t.Errorf("%+v, %v", v, err)
	}
	wantText(t, governance.Action{Name: "x", Args: json.RawMessage(`[]`)}.DecodeArgs(&v), "governance: action x: arguments: ")
	wantText(t, governance.Action{Name: "x", Args: func() {}}.DecodeArgs(&v), "governance: action x: ")
}
