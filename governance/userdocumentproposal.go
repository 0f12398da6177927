package governance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
)

// UserProposal is the state of a proposal about a user document. It is no
// proposal of the members: its votes are not signed, and the constitution has
// no say.
type UserProposal struct {
	ID         string
	ProposerID string
	// State is [ProposalOpen], [ProposalAccepted], [ProposalRejected] or
	// [ProposalWithdrawn]. One no rejects, and all approvers' yes accepts.
	State string
	// Ballots are in order of arrival.
	Ballots []UserBallot
}

// parseUserProposal wants a state: whatever else the service answers with is no
// status.
func parseUserProposal(id string, b []byte) (*UserProposal, error) {
	var doc struct {
		ProposerID string       `json:"proposerId"`
		State      string       `json:"state"`
		Ballots    []UserBallot `json:"ballots"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	if doc.State == "" {
		return nil, fmt.Errorf("the status of user proposal %s has no state", cut(id, 80))
	}
	return &UserProposal{id, doc.ProposerID, doc.State, doc.Ballots}, nil
}

// UserProposalContent is what a proposal does if it is accepted.
type UserProposalContent struct {
	// Name is "set_user_document", the only one of release 8.0.0.
	Name string `json:"name"`
	// Approvers are those who decide, whatever the document's draft says.
	Approvers []Approver `json:"approvers"`
	// Args has documentId and document.
	Args json.RawMessage `json:"args"`
}

const setUserDocument = "set_user_document"

// UserProposalClient acts on one proposal about a user document.
type UserProposalClient struct {
	peer
	id string
}

// UserProposal gives a handle; nothing is asked yet.
func (c *Client) UserProposal(id string) *UserProposalClient {
	return &UserProposalClient{c.peer(), id}
}

// ID is the proposal's id.
func (p *UserProposalClient) ID() string { return p.id }

func (p *UserProposalClient) call(what, below string) (call, error) {
	if err := checkID("user proposal id", p.id); err != nil {
		return call{}, err
	}
	return call{op: what + " user proposal " + short(p.id), method: http.MethodPost, path: "/app/users/proposals/" + p.id + below}, nil
}

// proposeUserDocument chooses the id at random, so that a repetition which the
// service refuses as existing is the echo of its own first copy.
func (p peer) proposeUserDocument(ctx context.Context, op, documentID string, document json.RawMessage, approvers []Approver) (*UserProposal, error) {
	var random [16]byte
	rand.Read(random[:])
	id := hex.EncodeToString(random[:])
	req, err := call{op: op, method: http.MethodPut, path: "/app/users/proposals/" + id}.withJSON(map[string]any{
		"name": setUserDocument, "approvers": approvers,
		"args": map[string]any{"documentId": documentID, "document": document},
	})
	if err != nil {
		return nil, err
	}
	if _, _, err := p.wire.write(ctx, req); err != nil && (!wasRepeated(err) || !hasCode(err, "ProposalAlreadyExists")) {
		return nil, err
	}
	return (&UserProposalClient{p, id}).status(ctx, p.wire.readCommitted)
}

// Content reads what the proposal does. Arguments that could be read in two
// ways are a [*DeniedError].
func (p *UserProposalClient) Content(ctx context.Context) (*UserProposalContent, error) {
	c, err := p.call("read", "")
	if err != nil {
		return nil, err
	}
	var v UserProposalContent
	if err := p.wire.read(ctx, c, &v); err != nil {
		return nil, err
	}
	if two, err := ambiguous(v.Args); err != nil {
		return nil, fmt.Errorf("governance: %s: %w", c.op, err)
	} else if two != "" {
		return nil, denied(c.op, "this program", []Check{{
			ID: "proposal.names", Want: "one reading of the arguments", Got: "an object with the names " + two,
			Remedy: "reject the proposal: the service uses one of the two, and whoever looks may be shown the other", Err: errAmbiguous,
		}}, nil)
	}
	return &v, nil
}

// Show reads the proposal's state.
func (p *UserProposalClient) Show(ctx context.Context) (*UserProposal, error) {
	return p.status(ctx, p.wire.read)
}

func (p *UserProposalClient) status(ctx context.Context, read reader) (*UserProposal, error) {
	c, err := p.call("read status of", "/status")
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := read(ctx, c, &raw); err != nil {
		return nil, err
	}
	return p.parsed(c.op, raw)
}

func (p *UserProposalClient) parsed(op string, b []byte) (*UserProposal, error) {
	v, err := parseUserProposal(p.id, b)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	return v, nil
}

// Vote submits the caller's ballot and returns the proposal after it. A vote
// cannot be changed, nor given twice: the error has the code
// BallotAlreadySubmitted then. [UserDocumentClient.Vote] also looks at what is
// voted on.
func (p *UserProposalClient) Vote(ctx context.Context, accept bool) (*UserProposal, error) {
	ballot := ballotRejected
	if accept {
		ballot = ballotAccepted
	}
	c, err := p.call("vote on", "/ballots/submit")
	if err != nil {
		return nil, err
	}
	if c, err = c.withJSON(map[string]string{"ballot": ballot}); err != nil {
		return nil, err
	}
	a, _, err := p.wire.write(ctx, c)
	if err == nil {
		return p.parsed(c.op, a.body)
	}
	if !wasRepeated(err) || !hasCode(err, "BallotAlreadySubmitted", "ProposalNotOpen") {
		return nil, err
	}
	// The first copy of this ballot may have been the one that counted.
	me, idErr := p.peer.id(ctx)
	v, readErr := p.status(ctx, p.wire.readCommitted)
	if idErr != nil || readErr != nil {
		return nil, err
	}
	for _, b := range v.Ballots {
		if b.ApproverID == me && b.Accept == accept {
			return v, nil
		}
	}
	return nil, err
}

// Withdraw takes back a proposal that the caller made. Doing it again does no
// harm; one that was decided is an error with the code ProposalNotOpen.
func (p *UserProposalClient) Withdraw(ctx context.Context) (*UserProposal, error) {
	c, err := p.call("withdraw", "/withdraw")
	if err != nil {
		return nil, err
	}
	a, _, err := p.wire.write(ctx, c)
	if err == nil {
		return p.parsed(c.op, a.body)
	}
	if hasCode(err, "ProposalNotOpen") {
		if v, readErr := p.status(ctx, p.wire.readCommitted); readErr == nil && v.State == ProposalWithdrawn {
			return v, nil
		}
	}
	return nil, err
}
