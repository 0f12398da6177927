package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// UserDocumentClient acts on one user document.
type UserDocumentClient struct {
	peer
	id string
}

// UserDocument gives a handle; nothing is asked yet. An id has letters, digits
// and . _ ~ : - and is one of the whole service, not of a contract.
func (c *Client) UserDocument(id string) *UserDocumentClient {
	return &UserDocumentClient{c.peer(), id}
}

// ID is the document's id.
func (d *UserDocumentClient) ID() string { return d.id }

func (d *UserDocumentClient) op(what string) string { return what + " user document " + d.id }

// Get reads the document.
func (d *UserDocumentClient) Get(ctx context.Context) (*UserDocument, error) {
	return d.get(ctx, d.wire.read)
}

func (d *UserDocumentClient) get(ctx context.Context, read reader) (*UserDocument, error) {
	op := d.op("read")
	path, err := documentPath("userdocuments", d.id)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := read(ctx, call{op: op, method: http.MethodGet, path: path}, &raw); err != nil {
		return nil, err
	}
	v, err := parseUserDocument(raw)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	if err := ownDocument(op, d.id, v.ID); err != nil {
		return nil, err
	}
	return v, nil
}

// Create makes a draft and returns its version.
func (d *UserDocumentClient) Create(ctx context.Context, draft UserDocumentDraft) (version string, err error) {
	return d.put(ctx, d.op("create"), draft, "")
}

// Update replaces the draft, all of it, if it still has the version, and
// returns the new one; otherwise the error is [ErrDocumentModified].
func (d *UserDocumentClient) Update(ctx context.Context, draft UserDocumentDraft, version string) (newVersion string, err error) {
	if version == "" {
		return "", fmt.Errorf("governance: %s: the version is empty; read the document first", d.op("update"))
	}
	return d.put(ctx, d.op("update"), draft, version)
}

func (d *UserDocumentClient) put(ctx context.Context, op string, draft UserDocumentDraft, version string) (string, error) {
	path, err := documentPath("userdocuments", d.id)
	if err != nil {
		return "", err
	}
	body := struct {
		documentDraft
		Labels    map[string]string `json:"labels,omitempty"`
		Approvers []Approver        `json:"approvers,omitempty"`
	}{documentDraft{draft.ContractID, draft.Data, version}, draft.Labels, draft.Approvers}
	for _, err := range []error{body.validate(), checkLabels(draft.Labels), checkApprovers(draft.Approvers)} {
		if err != nil {
			return "", err
		}
	}
	return putDraft(ctx, d.wire, op, path, body, func() (string, bool) {
		v, err := d.get(ctx, d.wire.readCommitted)
		if err != nil || v.State != DocumentDraft || v.Data != draft.Data || v.ContractID != draft.ContractID ||
			!maps.Equal(v.Labels, draft.Labels) || !slices.Equal(v.Approvers, draft.Approvers) {
			return "", false
		}
		return v.Version, true
	})
}

// Propose proposes the draft to its approvers if it has the version that the
// caller looked at; otherwise the error is [ErrDocumentModified]. The service
// itself would not compare. Approvers that are given here, and then those alone,
// decide in place of the draft's; a draft without any goes to the active members
// whose votes count.
func (d *UserDocumentClient) Propose(ctx context.Context, version string, approvers ...Approver) (*UserProposal, error) {
	op := d.op("propose")
	v, err := d.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkDraft(op, v.State, v.ProposalID, v.Version, version); err != nil {
		return nil, err
	}
	if len(approvers) == 0 {
		approvers = v.Approvers
	}
	if len(approvers) == 0 {
		if approvers, err = d.defaultApprovers(ctx, op); err != nil {
			return nil, err
		}
	}
	if err := checkApprovers(approvers); err != nil {
		return nil, err
	}
	return d.peer.proposeUserDocument(ctx, op, d.id, v.raw, approvers)
}

// Vote votes on the document's proposal, after making sure that this is the
// document's open proposal. A yes also wants the proposal to hold what the
// service shows of the document; what does not is a [*DeniedError]. Read the
// document first: that is what the vote is on.
func (d *UserDocumentClient) Vote(ctx context.Context, proposalID string, accept bool) (*UserProposal, error) {
	if err := checkID("user proposal id", proposalID); err != nil {
		return nil, err
	}
	v, err := d.Get(ctx)
	if err != nil {
		return nil, err
	}
	checks := []Check{equalCheck("document.proposal", proposalID, v.ProposalID, "read the document again, and vote on the proposal that it names")}
	proposal := &UserProposalClient{d.peer, proposalID}
	if accept {
		content, err := proposal.Content(ctx)
		if err != nil {
			return nil, err
		}
		checks = append(checks, v.checkProposed(content)...)
	}
	if err := denied(d.op("vote on"), "this program", checks, nil); err != nil {
		return nil, err
	}
	return proposal.Vote(ctx, accept)
}

func (d *UserDocument) checkProposed(content *UserProposalContent) []Check {
	var args proposedDocument
	got := content.Name
	if err := json.Unmarshal(content.Args, &args); err == nil {
		got += " " + args.DocumentID
	}
	return append([]Check{
		equalCheck("proposal.action", setUserDocument+" "+d.ID, got, "reject the proposal: it is not about this document"),
		equalCheck("proposal.approvers", fmt.Sprintf("%q", d.Approvers), fmt.Sprintf("%q", content.Approvers), "reject the proposal: others decide than the service shows"),
	}, args.checks(d.ContractID, d.Data)...)
}

func (d *UserDocumentClient) optionPath(contractID string, o RuntimeOption, verb string) (string, error) {
	if err := checkID("document id", d.id); err != nil {
		return "", err
	}
	return userOptionPath(contractID, d.id, o, verb)
}

func userOptionPath(contractID, documentID string, o RuntimeOption, verb string) (string, error) {
	if err := checkID("contract id", contractID); err != nil {
		return "", err
	}
	if err := checkID("runtime option", string(o)); err != nil {
		return "", err
	}
	return "/app/contracts/" + contractID + "/userdocuments/" + documentID + "/runtimeoptions/" + string(o) + "/" + verb, nil
}

// Option reads whether the approvers consent to [Execution] or [Telemetry] of
// the document in a room of its contract. Both are on for an accepted document
// until an approver disables them.
func (d *UserDocumentClient) Option(ctx context.Context, contractID string, o RuntimeOption) (*OptionStatus, error) {
	path, err := d.optionPath(contractID, o, "status")
	if err != nil {
		return nil, err
	}
	var doc optionDoc
	if err := d.wire.post(ctx, d.op("read consent to "+string(o)+" of"), path, &doc); err != nil {
		return nil, err
	}
	return doc.documentStatus(contractID, d.id, o), nil
}

// EnableOption takes back the caller's own DisableOption; that of others stays.
// The service knows a document by its id alone: whichever contract is named.
func (d *UserDocumentClient) EnableOption(ctx context.Context, contractID string, o RuntimeOption) error {
	return d.setOption(ctx, contractID, o, "enable")
}

// DisableOption withdraws the caller's consent at once and alone. Approvers
// alone can.
func (d *UserDocumentClient) DisableOption(ctx context.Context, contractID string, o RuntimeOption) error {
	return d.setOption(ctx, contractID, o, "disable")
}

func (d *UserDocumentClient) setOption(ctx context.Context, contractID string, o RuntimeOption, verb string) error {
	path, err := d.optionPath(contractID, o, verb)
	if err != nil {
		return err
	}
	_, _, err = d.wire.write(ctx, call{op: d.op(verb + " " + string(o) + " of"), method: http.MethodPost, path: path})
	return err
}
