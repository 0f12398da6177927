package ccf

import (
	"net/http"
	"slices"
	"strings"
)

// userDocument is a draft, or an accepted document, that approvers vote on.
type userDocument struct {
	contractID, data, labels, approvers any
	// The rest is of accepted documents.
	proposalID, proposerID string
	finalVotes             []any
}

var (
	userDraftTable    = table[userDocument]("user_document_drafts")
	userDocumentTable = table[userDocument]("accepted_user_documents")
)

var userDocuments = documentKind{"UserDocument", "UserDocumentAlreadyAccepted", "UserDocumentAlreadyExists", "The specified document has already been accepted.", "The specified document already exists."}

func (c *call) putUserDocument() (any, error) {
	id := c.lastParam()
	_, accepted := userDocumentTable.get(c.tx, id)
	body, err := c.checkDraft(userDocuments, accepted, versionOf(c.tx, userDraftTable, id))
	if err != nil {
		return nil, err
	}
	userDraftTable.put(c.tx, id, userDocument{
		contractID: field(body, "contractId"), data: field(body, "data"), labels: field(body, "labels"), approvers: field(body, "approvers"),
	})
	return nil, nil
}

func (c *call) showUserDocument() (any, error) {
	id := c.lastParam()
	if d, ok := userDocumentTable.get(c.tx, id); ok {
		return acceptedUserDocument(c.tx, id, d), nil
	}
	if proposalID, ok := openUserProposal(c.tx, id); ok {
		p, _ := userProposalTable.get(c.tx, proposalID)
		document := field(p.args, "document")
		return userDocument{
			contractID: field(document, "contractId"), data: field(document, "data"), labels: field(document, "labels"), approvers: p.approvers,
			proposalID: proposalID, proposerID: p.proposerID,
		}.describe(id, field(document, "version"), "Proposed"), nil
	}
	if d, ok := userDraftTable.get(c.tx, id); ok {
		return d.describe(id, userDraftTable.version(c.tx, id), "Draft"), nil
	}
	return nil, failure(http.StatusNotFound, "UserDocumentNotFound", "A document with the specified id was not found.")
}

func (d userDocument) describe(id string, version any, state string) *object {
	return obj("id", id, "contractId", d.contractID, "version", version, "state", state, "data", d.data,
		"labels", d.labels, "approvers", d.approvers, "proposalId", d.proposalID, "proposerId", d.proposerID)
}

func acceptedUserDocument(x *tx, id string, d userDocument) *object {
	o := d.describe(id, userDocumentTable.version(x, id), stateAccepted)
	o.set("finalVotes", d.finalVotes)
	return o
}

func (c *call) releaseUserDocument() (any, error) {
	return c.release("UserDocumentNotFound", func(id string) (any, *object, bool) {
		d, ok := userDocumentTable.get(c.tx, id)
		return d.contractID, acceptedUserDocument(c.tx, id, d), ok
	})
}

// listUserDocuments filters by the labels k:v,k2:v2 of the query, all of which
// must match.
func (c *call) listUserDocuments() (any, error) {
	text, _ := c.query("labelSelector")
	selector, err := parseSelector(text)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, id := range union(userDraftTable.keys(c.tx), userDocumentTable.keys(c.tx)) {
		d, ok := userDocumentTable.get(c.tx, id)
		if !ok {
			d, _ = userDraftTable.get(c.tx, id)
		}
		if !slices.ContainsFunc(selector, func(l [2]string) bool { return field(d.labels, l[0]) != l[1] }) {
			list = append(list, obj("id", id, "labels", d.labels))
		}
	}
	return obj("value", list), nil
}

func parseSelector(text string) (labels [][2]string, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(part, ":")
		if !ok || name == "" || value == "" {
			return nil, badRequest("InvalidParameter", "The labelSelector query parameter must be of the form key:value,key:value.")
		}
		labels = append(labels, [2]string{name, value})
	}
	return labels, nil
}
