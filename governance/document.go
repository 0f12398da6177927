package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"
)

// States of a document, of members and of users.
const (
	DocumentDraft    = "Draft"
	DocumentProposed = "Proposed"
	DocumentAccepted = "Accepted"
)

// ErrDocumentModified says that a document has another version than the one the
// caller looked at.
var ErrDocumentModified = errors.New("the document has another version")

// Document is an agreement of the members beside a contract: the accepted one
// if there is one, else the one of an open proposal, else the draft. A room of
// the contract reads it once it is accepted.
type Document struct {
	ID string
	// ContractID is the contract whose rooms may read it.
	ContractID string
	// State is one of the Document constants.
	State string
	// Version names the transaction of the last write, for instance "2.31".
	Version string
	// Data is the document's text. Data that is not a JSON string, which others
	// may have written, is given as JSON in one canonical form.
	Data string
	// ProposalID is that of the open or the accepting proposal, else empty.
	ProposalID string
	// FinalVotes has the votes by member id once the document is accepted.
	FinalVotes map[string]bool

	raw json.RawMessage
}

// parseDocument keeps the whole object: it is what a proposal carries.
func parseDocument(b []byte) (*Document, error) {
	c, err := parseContract(b)
	if err != nil {
		return nil, err
	}
	var doc struct {
		ContractID string `json:"contractId"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	return &Document{c.ID, doc.ContractID, c.State, c.Version, c.Data, c.ProposalID, c.FinalVotes, c.raw}, nil
}

// SetMemberDocument accepts the document's content, an object with at least
// data and contractId. [DocumentClient.Propose] sends what the service answered
// for the draft.
func SetMemberDocument(documentID string, document any) Action {
	return Action{"set_member_document", struct {
		DocumentID string `json:"documentId"`
		Document   any    `json:"document"`
	}{documentID, document}}
}

// Documents lists the ids of the members' documents, drafts and accepted ones,
// of all contracts.
func (c *Client) Documents(ctx context.Context) (_ []string, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "Documents")
	defer end(&err)
	var doc []struct {
		ID string `json:"id"`
	}
	if err := c.wire.get(ctx, "list documents", "/app/memberdocuments", &doc); err != nil {
		return nil, err
	}
	ids := make([]string, len(doc))
	for i, v := range doc {
		ids[i] = v.ID
	}
	return ids, nil
}

// DocumentClient acts on one document of the members.
type DocumentClient struct {
	c  *Client
	id string
}

// Document gives a handle; nothing is asked yet. An id has letters, digits and
// . _ ~ : - and is one of the whole service, not of a contract.
func (c *Client) Document(id string) *DocumentClient { return &DocumentClient{c, id} }

// ID is the document's id.
func (d *DocumentClient) ID() string { return d.id }

func (d *DocumentClient) op(what string) string { return what + " document " + d.id }

func documentPath(collection, id string) (string, error) {
	if err := checkID("document id", id); err != nil {
		return "", err
	}
	return "/app/" + collection + "/" + id, nil
}

// Get reads the document.
func (d *DocumentClient) Get(ctx context.Context) (_ *Document, err error) {
	ctx, end := d.c.wire.tracer.Start(ctx, "Document.Get")
	defer end(&err)
	return d.get(ctx, d.c.wire.read)
}

func (d *DocumentClient) get(ctx context.Context, read reader) (*Document, error) {
	op := d.op("read")
	path, err := documentPath("memberdocuments", d.id)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := read(ctx, call{op: op, method: http.MethodGet, path: path}, &raw); err != nil {
		return nil, err
	}
	v, err := parseDocument(raw)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	if err := ownDocument(op, d.id, v.ID); err != nil {
		return nil, err
	}
	return v, nil
}

// ownDocument makes sure that an answer is about the document that was asked
// for.
func ownDocument(op, want, got string) error {
	if want != got {
		return fmt.Errorf("governance: %s: the service sent the document %q", op, cut(got, 80))
	}
	return nil
}

// Create makes a draft for a contract, which needs at least a draft itself, and
// returns the draft's version. The data is text and comes back to the byte.
func (d *DocumentClient) Create(ctx context.Context, contractID, data string) (version string, err error) {
	ctx, end := d.c.wire.tracer.Start(ctx, "Document.Create")
	defer end(&err)
	return d.put(ctx, d.op("create"), contractID, data, "")
}

// Update replaces the draft if it still has the version, and returns the new
// one; otherwise the error is [ErrDocumentModified]. A draft can be changed
// while it is proposed; the proposal keeps its copy.
func (d *DocumentClient) Update(ctx context.Context, contractID, data, version string) (newVersion string, err error) {
	ctx, end := d.c.wire.tracer.Start(ctx, "Document.Update")
	defer end(&err)
	if version == "" {
		return "", fmt.Errorf("governance: %s: the version is empty; read the document first", d.op("update"))
	}
	return d.put(ctx, d.op("update"), contractID, data, version)
}

type documentDraft struct {
	ContractID string `json:"contractId"`
	Data       string `json:"data"`
	Version    string `json:"version,omitempty"`
}

func (p documentDraft) validate() error {
	if err := checkID("contract id", p.ContractID); err != nil {
		return err
	}
	if !utf8.ValidString(p.Data) {
		return errors.New("governance: document: the data is not valid UTF-8 and would not come back as it is")
	}
	return nil
}

func (d *DocumentClient) put(ctx context.Context, op, contractID, data, version string) (string, error) {
	path, err := documentPath("memberdocuments", d.id)
	if err != nil {
		return "", err
	}
	body := documentDraft{contractID, data, version}
	if err := body.validate(); err != nil {
		return "", err
	}
	return putDraft(ctx, d.c.wire, op, path, body, func() (string, bool) {
		v, err := d.get(ctx, d.c.wire.readCommitted)
		if err != nil || v.State != DocumentDraft || v.Data != data || v.ContractID != contractID {
			return "", false
		}
		return v.Version, true
	})
}

// putDraft writes a draft and returns its version. Where an answer was lost and
// the repetition is refused, written reads back whether the first copy was the
// one that wrote.
func putDraft(ctx context.Context, w *wire, op, path string, body any, written func() (version string, ok bool)) (string, error) {
	req, err := call{op: op, method: http.MethodPut, path: path}.withJSON(body)
	if err != nil {
		return "", err
	}
	_, id, err := w.write(ctx, req)
	if err == nil {
		// The version of an entry is the transaction that wrote it.
		return id, nil
	}
	if wasRepeated(err) && hasCode(err, "DocumentAlreadyExists", "UserDocumentAlreadyExists", "PreconditionFailed") {
		if version, ok := written(); ok {
			return version, nil
		}
	}
	return "", err
}

// Propose proposes the draft to the members if it has the version that the
// caller looked at; otherwise the error is [ErrDocumentModified]. The service
// itself would not compare.
func (d *DocumentClient) Propose(ctx context.Context, version string) (_ *Proposal, err error) {
	ctx, end := d.c.wire.tracer.Start(ctx, "Document.Propose")
	defer end(&err)
	v, err := d.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkDraft(d.op("propose"), v.State, v.ProposalID, v.Version, version); err != nil {
		return nil, err
	}
	return d.c.Propose(ctx, SetMemberDocument(d.id, v.raw))
}

// checkDraft wants a draft of the version that the caller looked at.
func checkDraft(op, state, proposalID, got, want string) error {
	switch {
	case state != DocumentDraft:
		return &DeniedError{
			Op: "governance: " + op, By: "this program",
			Checks: []Check{{
				ID: "document.state", Want: DocumentDraft, Got: state,
				Remedy: "vote on its proposal " + proposalID + ", or make a document under another id",
				Err:    errNoDocumentDraft,
			}},
		}
	case want == "" || got != want:
		return fmt.Errorf("governance: %s: %w: it is %q, not %q; read the document again and decide anew", op, ErrDocumentModified, got, want)
	}
	return nil
}

var errNoDocumentDraft = errors.New("the document is no draft")

// Vote votes on the document's proposal, after making sure that this is the
// document's open proposal. A yes also wants it to do nothing but set the
// document to what the service shows; what does not is a [*DeniedError]. Read
// the document first: that is what the vote is on.
func (d *DocumentClient) Vote(ctx context.Context, proposalID string, accept bool) (_ *Proposal, err error) {
	ctx, end := d.c.wire.tracer.Start(ctx, "Document.Vote")
	defer end(&err)
	if err := checkDigest("proposal id", proposalID); err != nil {
		return nil, err
	}
	v, err := d.Get(ctx)
	if err != nil {
		return nil, err
	}
	checks := []Check{equalCheck("document.proposal", proposalID, v.ProposalID, "read the document again, and vote on the proposal that it names")}
	proposal := d.c.Proposal(proposalID)
	if accept {
		actions, err := proposal.Actions(ctx)
		if err != nil {
			return nil, err
		}
		checks = append(checks, v.checkProposed(actions)...)
	}
	if err := denied(d.op("vote on"), "this program", checks, nil); err != nil {
		return nil, err
	}
	return proposal.Vote(ctx, accept)
}

// proposedDocument is a document as the arguments of a proposal have it.
type proposedDocument struct {
	DocumentID string `json:"documentId"`
	Document   struct {
		ContractID string          `json:"contractId"`
		Data       json.RawMessage `json:"data"`
	} `json:"document"`
}

// checkProposed compares the document with the actions of its proposal.
func (d *Document) checkProposed(actions []Action) []Check {
	var args proposedDocument
	got := fmt.Sprintf("%d actions", len(actions))
	if len(actions) == 1 {
		got = actions[0].Name
		if err := actions[0].DecodeArgs(&args); err == nil {
			got += " " + args.DocumentID
		}
	}
	return append([]Check{
		equalCheck("proposal.action", "set_member_document "+d.ID, got, "reject the proposal: it is not about this document alone"),
	}, args.checks(d.ContractID, d.Data)...)
}

func (p proposedDocument) checks(contractID, data string) []Check {
	return []Check{
		equalCheck("proposal.contract", contractID, p.Document.ContractID, "reject the proposal: it gives the document to the rooms of another contract"),
		equalCheck("proposal.data", digest(data), digest(dataText(p.Document.Data)), "reject the proposal: it sets other data than the service shows"),
	}
}
