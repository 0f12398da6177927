package ccf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

const (
	stateOpen      = "Open"
	stateAccepted  = "Accepted"
	stateRejected  = "Rejected"
	stateWithdrawn = "Withdrawn"
	stateDropped   = "Dropped"
)

// replayWindow is how many recent proposals are remembered.
const replayWindow = 100

type proposal struct {
	proposerID string
	state      string
	// body is the signed payload; actions is what it says.
	body    []byte
	actions []action
	// ballots holds the scripts by member id.
	ballots map[string]string
	// finalVotes is nil until the proposal was resolved.
	finalVotes map[string]bool
}

type action struct {
	name string
	args any
}

var (
	proposalTable = table[proposal]("proposals")
	// recentTable maps created_at (10 digits), a colon and the digest of the
	// signature to the proposal id.
	recentTable = table[string]("recent_proposals")
)

func (p proposal) describe(id string) *object {
	o := obj("ballotCount", float64(len(p.ballots)))
	if p.finalVotes != nil {
		votes := obj()
		for _, member := range slices.Sorted(maps.Keys(p.finalVotes)) {
			votes.set(member, p.finalVotes[member])
		}
		o.set("finalVotes", votes)
	}
	o.set("proposalId", id)
	o.set("proposalState", p.state)
	o.set("proposerId", p.proposerID)
	if p.finalVotes != nil {
		o.set("voteFailures", obj()) // a canonical ballot cannot fail
	}
	return o
}

// openWith lists the open proposals with at least one action that matches.
func openWith(x *tx, match func(action) bool) []string {
	var ids []string
	for _, id := range proposalTable.keys(x) {
		p, _ := proposalTable.get(x, id)
		if p.state == stateOpen && slices.ContainsFunc(p.actions, match) {
			ids = append(ids, id)
		}
	}
	return ids
}

// openForContract lists, for an answer, the open proposals with an action of
// the name on the contract.
func openForContract(x *tx, name, contractID string) []any {
	list := []any{}
	for _, id := range openWith(x, func(a action) bool {
		return a.name == name && field(a.args, "contractId") == contractID
	}) {
		list = append(list, id)
	}
	return list
}

// parseProposal reads the actions as the constitution does, which throws on
// anything that has no list of them.
func parseProposal(body []byte) ([]action, error) {
	v, err := parseJSON(body)
	if err != nil {
		return nil, err
	}
	list, ok := field(v, "actions").([]any)
	if !ok {
		return nil, throw("TypeError: proposal.actions is not iterable")
	}
	actions := make([]action, len(list))
	for i, a := range list {
		if a == nil {
			return nil, throw("TypeError: cannot read property 'name' of null")
		}
		actions[i] = action{display(field(a, "name")), field(a, "args")}
	}
	return actions, nil
}

func internalError(what string, err error) *apiError {
	return failure(http.StatusInternalServerError, "InternalError", what+": "+err.Error())
}

func (c *call) createProposal() (any, error) {
	body := bytes.Clone(c.message.Payload)
	actions, err := parseProposal(body)
	if err != nil {
		return nil, internalError("Failed to execute validation", err)
	}
	if problems := validateActions(c.tx, actions); len(problems) > 0 {
		return nil, badRequest("ProposalFailedToValidate", "Proposal failed to validate: "+strings.Join(problems, ", "))
	}
	digest := sha256.Sum256(c.message.Signature)
	id := proposalID(c.store.root, digest)
	p := proposal{proposerID: c.message.KeyID, state: stateOpen, body: body, actions: actions}
	proposalTable.put(c.tx, id, p)
	if err := c.remember(id, digest); err != nil {
		return nil, err
	}
	p, err = c.settle(id, p)
	if err != nil {
		return nil, err
	}
	return p.describe(id), nil
}

// proposalID is SHA-256(root || SHA-256(signature)).
func proposalID(root, signatureDigest [sha256.Size]byte) string {
	d := sha256.Sum256(slices.Concat(root[:], signatureDigest[:]))
	return hex.EncodeToString(d[:])
}

// remember checks the message's created_at against the recent proposals, and
// puts it among them.
func (c *call) remember(id string, digest [sha256.Size]byte) error {
	created := fmt.Sprintf("%010d", c.message.CreatedAt)
	if len(created) > 10 {
		return badRequest("InvalidCreatedAt", "Header parameter created_at value is too large")
	}
	key := created + ":" + hex.EncodeToString(digest[:])
	if earlier, ok := recentTable.get(c.tx, key); ok {
		return badRequest("ProposalReplay", "Proposal submission replay, already exists as proposal "+earlier)
	}
	recent := recentTable.keys(c.tx)
	if len(recent) > 0 {
		if median, _, _ := strings.Cut(recent[len(recent)/2], ":"); created < median {
			return badRequest("ProposalCreatedTooLongAgo", "Proposal created too long ago, created_at must be greater than "+median)
		}
	}
	for len(recent) >= replayWindow {
		recentTable.remove(c.tx, recent[0])
		recent = recent[1:]
	}
	recentTable.put(c.tx, key, id)
	return nil
}

// settle resolves an open proposal and applies it if it is accepted.
func (c *call) settle(id string, p proposal) (proposal, error) {
	votes, err := countVotes(p)
	if err != nil {
		return p, err
	}
	state, err := resolve(c.tx, id, p, votes)
	if err != nil {
		return p, internalError("Failed to resolve()", err)
	}
	if state == stateOpen {
		return p, nil
	}
	p.state, p.finalVotes = state, votes
	proposalTable.put(c.tx, id, p)
	pruneOthers(c.tx, id)
	if state == stateAccepted {
		if err := applyActions(&applying{c.Service, c.tx, id, p}); err != nil {
			return p, internalError("Failed to apply()", err)
		}
	}
	return p, nil
}

// pruneOthers deletes every other proposal that is no longer open, so that at
// most one finished proposal is seen.
func pruneOthers(x *tx, id string) {
	for _, other := range proposalTable.keys(x) {
		if p, _ := proposalTable.get(x, other); other != id && p.state != stateOpen {
			proposalTable.remove(x, other)
		}
	}
}

// findProposal returns the proposal that the path names.
func (c *call) findProposal() (string, proposal, error) {
	id, err := c.entityID(0, "proposal")
	if err != nil {
		return "", proposal{}, err
	}
	p, ok := proposalTable.get(c.tx, id)
	if !ok {
		return "", proposal{}, failure(http.StatusNotFound, "ProposalNotFound", "Could not find proposal "+id+".")
	}
	return id, p, nil
}

func (c *call) listProposals() (any, error) {
	list := []any{}
	for _, id := range proposalTable.keys(c.tx) {
		p, _ := proposalTable.get(c.tx, id)
		list = append(list, p.describe(id))
	}
	return obj("value", list), nil
}

func (c *call) showProposal() (any, error) {
	id, p, err := c.findProposal()
	if err != nil {
		return nil, err
	}
	return p.describe(id), nil
}

// showActions answers with the bytes that were signed.
func (c *call) showActions() (any, error) {
	_, p, err := c.findProposal()
	if err != nil {
		return nil, err
	}
	return text{"", p.body}, nil
}

// signedFor checks that the message was signed for the proposal in the path.
func (c *call) signedFor() error {
	id, err := c.entityID(0, "proposal")
	if err != nil {
		return err
	}
	if c.message.ProposalID != id {
		return badRequest("InvalidResourceName", "Authenticated proposal id does not match URL")
	}
	return nil
}

func (c *call) withdraw() (any, error) {
	if err := c.signedFor(); err != nil {
		return nil, err
	}
	id := c.params[0]
	p, ok := proposalTable.get(c.tx, id)
	if !ok {
		c.status = http.StatusNoContent
		return nil, nil
	}
	if p.proposerID != c.message.KeyID {
		return nil, failure(http.StatusForbidden, "AuthorizationFailed", "Proposal "+id+" can only be withdrawn by proposer "+p.proposerID+", not caller "+c.message.KeyID+".")
	}
	switch p.state {
	case stateWithdrawn:
	case stateOpen:
		p.state = stateWithdrawn
		proposalTable.put(c.tx, id, p)
		pruneOthers(c.tx, id)
	default:
		return nil, badRequest("ProposalNotOpen", "Proposal "+id+" is currently in state "+p.state+" and cannot be withdrawn.")
	}
	return p.describe(id), nil
}
