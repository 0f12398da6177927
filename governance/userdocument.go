package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Kinds of approvers.
const (
	ApproverMember = "member"
	ApproverUser   = "user"
)

// Approver is one of those whose votes decide about a user document.
type Approver struct {
	// ID is a member's id, or the object id of a user's token.
	ID string `json:"approverId"`
	// Kind is one of the Approver constants.
	Kind string `json:"approverIdType"`
}

// UserDocument is an agreement of the approvers that its proposer chose, who
// may be users and members. They vote without signed messages: what says that
// they did is the service alone.
type UserDocument struct {
	ID string
	// ContractID is the contract whose rooms may read it.
	ContractID string
	// State is one of the Document constants.
	State string
	// Version names the transaction of the last write, for instance "2.31".
	Version string
	// Data is the document's text, as in [Document].
	Data string
	// Labels and Approvers are those that were given. The approvers of a
	// proposed or accepted document are those of its proposal.
	Labels    map[string]string
	Approvers []Approver
	// ProposalID is that of the open or the accepting proposal, and ProposerID
	// who made it; both are empty for a draft.
	ProposalID, ProposerID string
	// FinalVotes has the votes by approver id once the document is accepted.
	FinalVotes map[string]bool

	raw json.RawMessage
}

// UserDocumentDraft is what a draft is made of.
type UserDocumentDraft struct {
	// ContractID is required; the contract needs at least a draft.
	ContractID string
	// Data is text and comes back to the byte; it is required.
	Data string
	// Labels may be empty. Names and values have letters, digits and . _ ~ -
	// and so can be searched for.
	Labels map[string]string
	// Approvers may be empty; [UserDocumentClient.Propose] then chooses.
	Approvers []Approver
}

// ballots of user proposals.
const (
	ballotAccepted = "accepted"
	ballotRejected = "rejected"
)

// UserBallot is one approver's vote.
type UserBallot struct {
	ApproverID string
	Accept     bool
}

// UnmarshalJSON fails closed: what is not "accepted" is a no.
func (b *UserBallot) UnmarshalJSON(text []byte) error {
	var doc struct {
		ApproverID string `json:"approverId"`
		Ballot     string `json:"ballot"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return err
	}
	*b = UserBallot{doc.ApproverID, doc.Ballot == ballotAccepted}
	return nil
}

func parseUserDocument(b []byte) (*UserDocument, error) {
	var doc struct {
		ID         string            `json:"id"`
		ContractID string            `json:"contractId"`
		Version    string            `json:"version"`
		State      string            `json:"state"`
		Data       json.RawMessage   `json:"data"`
		Labels     map[string]string `json:"labels"`
		Approvers  []Approver        `json:"approvers"`
		ProposalID string            `json:"proposalId"`
		ProposerID string            `json:"proposerId"`
		FinalVotes []UserBallot      `json:"finalVotes"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	d := &UserDocument{
		ID: doc.ID, ContractID: doc.ContractID, State: doc.State, Version: doc.Version, Data: dataText(doc.Data), Labels: doc.Labels,
		Approvers: doc.Approvers, ProposalID: doc.ProposalID, ProposerID: doc.ProposerID, raw: b,
	}
	if len(doc.FinalVotes) > 0 {
		d.FinalVotes = make(map[string]bool, len(doc.FinalVotes))
		for _, v := range doc.FinalVotes {
			d.FinalVotes[v.ApproverID] = v.Accept
		}
	}
	return d, nil
}

// peer is who calls what members and users share.
type peer struct {
	wire *wire
	// id is the id by which approvers name the caller.
	id func(context.Context) (string, error)
}

func (c *Client) peer() peer {
	return peer{c.wire, func(context.Context) (string, error) { return c.member.id, nil }}
}

// UserDocumentEntry is a document in a list.
type UserDocumentEntry struct {
	ID     string            `json:"id"`
	Labels map[string]string `json:"labels"`
}

// UserDocuments lists the user documents of all contracts, drafts and accepted
// ones, that have all the labels; nil means all documents.
func (c *Client) UserDocuments(ctx context.Context, labels map[string]string) (_ []UserDocumentEntry, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "UserDocuments")
	defer end(&err)
	return c.peer().userDocuments(ctx, labels)
}

func (p peer) userDocuments(ctx context.Context, labels map[string]string) ([]UserDocumentEntry, error) {
	const op = "list user documents"
	c := call{op: op, method: http.MethodGet, path: "/app/userdocuments"}
	if len(labels) > 0 {
		if err := checkLabels(labels); err != nil {
			return nil, err
		}
		pairs := make([]string, 0, len(labels))
		for name, value := range labels {
			pairs = append(pairs, name+":"+value)
		}
		slices.Sort(pairs)
		c.query = "labelSelector=" + strings.Join(pairs, ",")
	}
	var doc struct {
		Value []UserDocumentEntry `json:"value"`
	}
	if err := p.wire.read(ctx, c, &doc); err != nil {
		return nil, err
	}
	return doc.Value, nil
}

// checkLabels accepts what a query carries as it stands, and what the service's
// own splitting on colons and commas leaves alone.
func checkLabels(labels map[string]string) error {
	for name, value := range labels {
		for _, text := range []string{name, value} {
			if text == "" || len(text) > maxID || strings.ContainsFunc(text, func(r rune) bool { return !idRune(r) || r == ':' }) {
				return fmt.Errorf("governance: label %q: %q: use A-Z a-z 0-9 . _ ~ -", cut(name, 80), cut(value, 80))
			}
		}
	}
	return nil
}

func checkApprovers(list []Approver) error {
	seen := map[string]bool{}
	for _, a := range list {
		if err := checkID("approver id", a.ID); err != nil {
			return err
		}
		if a.Kind != ApproverMember && a.Kind != ApproverUser {
			return fmt.Errorf("governance: approver %s: the kind %q is not %s or %s", a.ID, cut(a.Kind, 40), ApproverMember, ApproverUser)
		}
		if seen[a.ID] {
			return fmt.Errorf("governance: approver %s is named twice", a.ID)
		}
		seen[a.ID] = true
	}
	return nil
}

var errNoApprovers = errors.New("nobody would vote: the draft names no approvers, and there is no active member with a vote")

// defaultApprovers are the active members whose votes count, as upstream's own
// client chooses them.
func (p peer) defaultApprovers(ctx context.Context, op string) ([]Approver, error) {
	members, err := listMembers(ctx, p.wire)
	if err != nil {
		return nil, err
	}
	var list []Approver
	for _, m := range members {
		if m.Status == MemberActive && m.Data.Votes() {
			list = append(list, Approver{m.ID, ApproverMember})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("governance: %s: %w", op, errNoApprovers)
	}
	return list, nil
}

// listMembers needs no member: the list is public.
func listMembers(ctx context.Context, w *wire) ([]MemberInfo, error) {
	return (&Client{wire: w}).Members(ctx)
}
