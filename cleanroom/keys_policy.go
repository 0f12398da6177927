package cleanroom

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

var errNoPolicy = errors.New("no accepted policy")

// ReleasePolicyFor is the release policy of a contract: it has a branch for
// each host data of the clean room policy that the parties accepted, so that
// exactly the rooms that the governance service trusts get the keys.
//
// Without an accepted policy the error is a [*DeniedError]. ballots, if given,
// are those of the proposal that would set it
// ([governance.ProposalClient.Ballots]); they say in the error whose votes are
// missing.
func ReleasePolicyFor(accepted *governance.CleanRoomPolicy, attestationURL string, ballots ...governance.Ballot) (*skr.ReleasePolicy, error) {
	const op = "cleanroom: release policy"
	if accepted == nil {
		accepted = &governance.CleanRoomPolicy{}
	}
	hostData := accepted.HostData()
	if len(hostData) == 0 {
		return nil, check.Denied(op, "this program", []Check{policyState(accepted, ballots)}, nil)
	}
	policy, err := skr.NewReleasePolicy(attestationURL, hostData...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return policy, nil
}

// policyState says how far the parties are from a policy.
func policyState(p *governance.CleanRoomPolicy, ballots []governance.Ballot) Check {
	c := Check{
		ID: "contract.clean-room-policy", Want: governance.ContractAccepted, Got: "none",
		Remedy: "propose the clean room policy of the deployment and have every member vote; keys are bound to what was accepted, never to a proposal",
		Err:    errNoPolicy,
	}
	switch {
	case len(p.Claims) > 0:
		c.Got = "a policy without host data"
		c.Remedy = "propose a clean room policy that names the host data of the deployment"
	case len(p.ProposalIDs) > 0 || len(ballots) > 0:
		c.Got = governance.ProposalOpen + votes(ballots)
		c.Remedy = "have the missing members vote on the proposal; keys are bound to what was accepted, never to a proposal"
	}
	if len(p.ProposalIDs) > 0 {
		c.Got += ", proposal " + strings.Join(p.ProposalIDs, ", ")
	}
	return c
}

// votes counts the accepting votes among the members whose vote counts.
func votes(ballots []governance.Ballot) string {
	var needed, accepted int
	var missing []string
	for _, b := range ballots {
		switch {
		case !b.Needed:
		case b.Vote == governance.VoteAccept:
			needed, accepted = needed+1, accepted+1
		default:
			needed++
			missing = append(missing, nameOfMember(b))
		}
	}
	if needed == 0 {
		return ""
	}
	s := fmt.Sprintf(" with %d of %d votes", accepted, needed)
	if len(missing) > 0 {
		s += ", missing " + strings.Join(missing, ", ")
	}
	return s
}

func nameOfMember(b governance.Ballot) string {
	if b.Identifier != "" {
		return b.Identifier
	}
	return shorten(b.MemberID, 12)
}
