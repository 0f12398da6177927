package ccf

import (
	"maps"
	"net/http"
	"strings"
)

// The two ballots that members' tools send, and all that is understood here.
const (
	ballotYes = "export function vote (proposal, proposerId) { return true }"
	ballotNo  = "export function vote (proposal, proposerId) { return false }"
)

// readBallot says how a ballot votes. There is no script engine, so any other
// script has no answer.
func readBallot(script string) (vote, ok bool) {
	switch strings.TrimSpace(script) {
	case ballotYes:
		return true, true
	case ballotNo:
		return false, true
	}
	return false, false
}

// countVotes runs all stored ballots.
func countVotes(p proposal) (map[string]bool, error) {
	votes := map[string]bool{}
	for member, script := range p.ballots {
		vote, ok := readBallot(script)
		if !ok {
			return nil, internalError("Failed to run ballot", throw("Error: not a canonical ballot"))
		}
		votes[member] = vote
	}
	return votes, nil
}

func (c *call) submitBallot() (any, error) {
	if err := c.signedFor(); err != nil {
		return nil, err
	}
	memberID, err := c.entityID(1, "member")
	if err != nil {
		return nil, err
	}
	if memberID != c.message.KeyID {
		return nil, badRequest("InvalidResourceName", "Authenticated member id does not match URL")
	}
	id, p, err := c.findProposal()
	if err != nil {
		return nil, err
	}
	if p.state != stateOpen {
		return nil, badRequest("ProposalNotOpen", "Proposal "+id+" is currently in state "+p.state+" - only Open proposals can receive votes")
	}
	payload, err := parseJSON(c.message.Payload)
	script, ok := textField(payload, "ballot")
	if err != nil || !ok {
		return nil, badRequest("InvalidInput", "Signed request body is not a JSON object containing required string field \"ballot\"")
	}
	if earlier, voted := p.ballots[memberID]; voted {
		if earlier != script {
			return nil, badRequest("VoteAlreadyExists", "Different ballot already submitted by "+memberID+" for "+id+".")
		}
		return p.describe(id), nil
	}
	if _, ok := readBallot(script); !ok {
		return nil, badRequest("InvalidInput", "This emulated network has no script engine. The only ballots that it counts are: "+ballotYes+" and: "+ballotNo)
	}
	p.ballots = maps.Clone(p.ballots)
	if p.ballots == nil {
		p.ballots = map[string]string{}
	}
	p.ballots[memberID] = script
	proposalTable.put(c.tx, id, p)
	if p, err = c.settle(id, p); err != nil {
		return nil, err
	}
	return p.describe(id), nil
}

func (c *call) showBallot() (any, error) {
	id, p, err := c.findProposal()
	if err != nil {
		return nil, err
	}
	member, err := c.entityID(1, "member")
	if err != nil {
		return nil, err
	}
	script, ok := p.ballots[member]
	if !ok {
		return nil, failure(http.StatusNotFound, "VoteNotFound", "Member "+member+" has not voted for proposal "+id+".")
	}
	return text{"text/javascript", []byte(script)}, nil
}
