package governancetest

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// contractIDs is the list of contracts in the state, or of all.
func contractIDs(ctx context.Context, c *governance.Client, state string) ([]string, error) {
	var ids []string
	for id, err := range c.Contracts(ctx, &governance.ContractsOptions{State: state}) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// inState wants the contract in the list of that state and of no other.
func inState(ctx context.Context, t *testing.T, c *governance.Client, id, state string) {
	t.Helper()
	for _, listed := range []string{"", governance.ContractDraft, governance.ContractProposed, governance.ContractAccepted} {
		ids, err := contractIDs(ctx, c, listed)
		check(t, err)
		if got := slices.Contains(ids, id); got != (listed == "" || listed == state) {
			t.Errorf("a contract that is %s, in the list of state %q: %t", state, listed, got)
		}
	}
}

// contracts takes one contract from its draft to its acceptance.
func (s *suite) contracts(ctx context.Context, t *testing.T) {
	id := s.name("contract")
	mine, theirs := s.founder.Contract(id), s.newcomer.Contract(id)
	_, err := mine.Get(ctx)
	s.refuses(t, err, "ContractNotFound")
	_, err = mine.Propose(ctx, "2.1")
	s.refuses(t, err, "ContractNotFound")
	_, err = mine.Create(ctx, "")
	s.refuses(t, err, "DataMissing")
	_, err = s.stranger.Contract(id).Create(ctx, "terms")
	s.refuses(t, err, "InvalidAuthenticationInfo")

	text := "datasinks: []\n# \u00fc \U0001f512 <&> \\u0041 \"quoted\"\n\ttab"
	first, err := mine.Create(ctx, text)
	check(t, err)
	v, err := theirs.Get(ctx)
	check(t, err)
	equal(t, "state of a draft", v.State, governance.ContractDraft)
	equal(t, "version of a draft", v.Version, first)
	equal(t, "text of a draft", v.Data, text)
	equal(t, "proposal of a draft", v.ProposalID, "")
	inState(ctx, t, s.newcomer, id, governance.ContractDraft)
	_, err = theirs.Create(ctx, "other terms")
	s.refuses(t, err, "ContractAlreadyExists")
	second, err := theirs.Update(ctx, "the terms", first)
	check(t, err)
	_, err = mine.Update(ctx, "other terms", first)
	s.refuses(t, err, "PreconditionFailed")
	if !errors.Is(err, governance.ErrContractModified) {
		t.Errorf("an old version is no ErrContractModified: %v", err)
	}
	if _, err := mine.Update(ctx, "other terms", ""); err == nil {
		t.Error("an update without a version was sent")
	}
	if _, err := mine.Propose(ctx, first); !errors.Is(err, governance.ErrContractModified) {
		t.Errorf("an old version was proposed: %v", err)
	}
	s.vote(ctx, t, id, second)
}

// vote has a proposal of the contract rejected, and the next one accepted.
func (s *suite) vote(ctx context.Context, t *testing.T, id, version string) {
	mine, theirs := s.founder.Contract(id), s.newcomer.Contract(id)
	p, err := mine.Propose(ctx, version)
	check(t, err)
	v, err := theirs.Get(ctx)
	check(t, err)
	equal(t, "state of a proposed contract", v.State, governance.ContractProposed)
	equal(t, "proposal of a proposed contract", v.ProposalID, p.ID)
	equal(t, "version of a proposed contract", v.Version, version)
	inState(ctx, t, s.newcomer, id, governance.ContractProposed)
	_, err = theirs.Propose(ctx, version)
	denies(t, err, "contract.state")
	_, err = s.newcomer.Propose(ctx, governance.SetContract(id, map[string]string{"data": "other terms"}))
	denies(t, err, "proposal.created")
	_, err = theirs.Vote(ctx, strings.Repeat("0", 63)+"1", true)
	s.refuses(t, err, "ProposalNotFound")
	_, err = theirs.Vote(ctx, strings.Repeat("0", 63)+"1", false)
	denies(t, err, "contract.proposal")

	// The draft goes on, the proposal stays what it is.
	third, err := mine.Update(ctx, "later terms", version)
	check(t, err)
	v, err = theirs.Get(ctx)
	check(t, err)
	equal(t, "text of a proposed contract", v.Data, "the terms")
	later := &governance.Contract{ID: id, Version: third, Data: "later terms"}
	r, err := s.newcomer.Proposal(p.ID).Review(ctx, &governance.ReviewOptions{Drafts: []*governance.Contract{later}})
	check(t, err)
	if len(r.Changes) != 1 || !strings.Contains(r.Changes[0].TextDiff, "+the terms") || len(r.Warnings) != 1 || r.Warnings[0].ID != "contract.draft-changed" {
		t.Errorf("review:\n%s", r)
	}
	p, err = theirs.Vote(ctx, p.ID, false)
	check(t, err)
	equal(t, "state after a veto", p.State, governance.ProposalRejected)
	v, err = mine.Get(ctx)
	check(t, err)
	equal(t, "state after the rejection", v.State, governance.ContractDraft)
	equal(t, "text after the rejection", v.Data, "later terms")

	p, err = mine.Propose(ctx, third)
	check(t, err)
	for _, c := range s.both() {
		p, err = c.Contract(id).Vote(ctx, p.ID, true)
		check(t, err)
	}
	equal(t, "state after both votes", p.State, governance.ProposalAccepted)
	s.accepted(ctx, t, id, p)
}

func (s *suite) accepted(ctx context.Context, t *testing.T, id string, p *governance.Proposal) {
	v, err := s.newcomer.Contract(id).Get(ctx)
	check(t, err)
	equal(t, "state of an accepted contract", v.State, governance.ContractAccepted)
	equal(t, "text of an accepted contract", v.Data, "later terms")
	equal(t, "proposal of an accepted contract", v.ProposalID, p.ID)
	votes := map[string]bool{s.founder.Member().ID(): true, s.newcomer.Member().ID(): true}
	if !reflect.DeepEqual(v.FinalVotes, votes) {
		t.Errorf("votes of an accepted contract: %v", v.FinalVotes)
	}
	_, err = s.founder.Contract(id).Create(ctx, "other terms")
	s.refuses(t, err, "ContractAlreadyAccepted")
	_, err = s.founder.Contract(id).Update(ctx, "other terms", v.Version)
	s.refuses(t, err, "ContractAlreadyAccepted")
	_, err = s.founder.Propose(ctx, governance.SetContract(id, map[string]string{"data": "other terms"}))
	denies(t, err, "proposal.created")
	_, err = s.founder.Proposal(p.ID).Vote(ctx, true)
	if err == nil {
		t.Error("an accepted proposal took a vote")
	}
	inState(ctx, t, s.newcomer, id, governance.ContractAccepted)
	_, err = contractIDs(ctx, s.newcomer, "accepted")
	s.refuses(t, err, "InvalidParameter")
}

// deployment has the template that the members agree on.
func (s *suite) deployment(ctx context.Context, t *testing.T) {
	mine, theirs := s.founder.Contract(s.contract), s.newcomer.Contract(s.contract)
	spec, err := theirs.DeploymentSpec(ctx)
	check(t, err)
	equal(t, "template before the first", string(spec.Data), "{}")
	template := `{"resources":[{"name":"room","properties":{"cpu":1.5,"tags":[],"none":null}}]}`
	p, err := mine.ProposeDeploymentSpec(ctx, json.RawMessage(template))
	check(t, err)
	spec, err = theirs.DeploymentSpec(ctx)
	check(t, err)
	if !slices.Equal(spec.ProposalIDs, []string{p.ID}) {
		t.Errorf("open proposals of a template: %q", spec.ProposalIDs)
	}
	r, err := s.newcomer.Proposal(p.ID).Review(ctx, nil)
	check(t, err)
	if len(r.Changes) != 1 || len(r.Changes[0].Differences) != 4 {
		t.Errorf("review:\n%s", r)
	}
	accept(ctx, t, p, s.both()...)
	spec, err = theirs.DeploymentSpec(ctx)
	check(t, err)
	var got, want any
	check(t, json.Unmarshal(spec.Data, &got))
	check(t, json.Unmarshal([]byte(template), &want))
	if !reflect.DeepEqual(got, want) || len(spec.ProposalIDs) != 0 {
		t.Errorf("accepted template: %s, open proposals %q", spec.Data, spec.ProposalIDs)
	}
	_, err = s.founder.Contract(s.name("unknown")).ProposeDeploymentSpec(ctx, json.RawMessage(template))
	s.refuses(t, err, "ProposalFailedToValidate")
}
