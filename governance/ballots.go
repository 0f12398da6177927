package governance

import (
	"context"
	"net/http"
	"strings"
)

// Vote is what a member's ballot says.
type Vote string

const (
	// VoteNone is a member who has not voted.
	VoteNone Vote = "none"
	// VoteAccept and VoteReject are the ballots of [ProposalClient.Vote], which
	// other clients of the service cast as well.
	VoteAccept Vote = "accept"
	VoteReject Vote = "reject"
	// VoteScript is a ballot with a script of the member's own.
	VoteScript Vote = "script"
)

// Ballot is one member's part in a proposal.
type Ballot struct {
	MemberID string
	// Identifier is the name in the member's data, or the beginning of the id.
	Identifier string
	// Status is the member's, Active or Accepted.
	Status string
	// Needed says that the proposal does not pass without this member's yes.
	Needed bool
	Vote   Vote
}

// Ballots tells who voted what on an open proposal, and who is still missing,
// in the order of the service's list of members.
func (p *ProposalClient) Ballots(ctx context.Context) (_ []Ballot, err error) {
	ctx, end := p.c.wire.tracer.Start(ctx, "Proposal.Ballots")
	defer end(&err)
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	actions, err := p.Actions(ctx)
	if err != nil {
		return nil, err
	}
	members, err := p.c.Members(ctx)
	if err != nil {
		return nil, err
	}
	// A contract also waits for the members that have not activated themselves.
	pending := false
	for _, a := range actions {
		pending = pending || a.Name == "set_contract"
	}
	list := make([]Ballot, 0, len(members))
	for _, m := range members {
		b := Ballot{MemberID: m.ID, Identifier: m.Name(), Status: m.Status}
		b.Needed = m.Data.Votes() && (m.Status == MemberActive || pending)
		if b.Vote, err = p.ballot(ctx, path, m.ID); err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, nil
}

func (p *ProposalClient) ballot(ctx context.Context, path, memberID string) (Vote, error) {
	script, err := p.ballotScript(ctx, path, memberID)
	if hasCode(err, "VoteNotFound") {
		return VoteNone, nil
	}
	if err != nil {
		return "", err
	}
	switch strings.TrimSpace(script) {
	case acceptBallot:
		return VoteAccept, nil
	case rejectBallot:
		return VoteReject, nil
	}
	return VoteScript, nil
}

func (p *ProposalClient) ballotScript(ctx context.Context, path, memberID string) (string, error) {
	a, err := p.c.wire.do(ctx, call{
		op: "read ballot of " + short(memberID), method: http.MethodGet,
		path: path + "/ballots/" + memberID, query: apiQuery,
	})
	if err != nil {
		return "", err
	}
	return string(a.body), nil
}

// MissingVotes picks the ballots without which the proposal does not pass.
func MissingVotes(ballots []Ballot) []Ballot {
	var missing []Ballot
	for _, b := range ballots {
		if b.Needed && b.Vote == VoteNone {
			missing = append(missing, b)
		}
	}
	return missing
}

// ballotChecks has one check for each needed member.
func ballotChecks(ballots []Ballot) []Check {
	var checks []Check
	for _, b := range ballots {
		if !b.Needed {
			continue
		}
		c := Check{ID: "proposal.vote", Want: "accept by " + b.Identifier, Got: string(b.Vote) + " by " + b.Identifier}
		switch {
		case b.Vote == VoteAccept && b.Status == MemberActive:
		case b.Status != MemberActive:
			c.Got = b.Identifier + " is not active"
			c.Remedy = b.Identifier + " activates itself, then votes"
			c.Err = errNotAccepted
		case b.Vote == VoteNone:
			c.Remedy = "ask " + b.Identifier + " to vote"
			c.Err = errNotAccepted
		default:
			c.Remedy = "ask " + b.Identifier + " why; a vote cannot be changed, only a new proposal can"
			c.Err = errNotAccepted
		}
		checks = append(checks, c)
	}
	return checks
}
