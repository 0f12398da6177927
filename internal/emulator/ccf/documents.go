package ccf

import (
	"maps"
	"net/http"
	"slices"
)

// agreement is the content of a draft, or of an accepted document, of members.
type agreement struct {
	contractID, data any
	// The rest is of accepted documents.
	proposalID string
	finalVotes map[string]bool
}

var (
	documentDraftTable = table[agreement]("member_document_drafts")
	documentTable      = table[agreement]("accepted_member_documents")
)

// lastParam is the document's id: the contract of a nested path is not read.
func (c *call) lastParam() string { return c.params[len(c.params)-1] }

func isDocument(id any) func(action) bool {
	return func(a action) bool {
		return a.name == "set_member_document" && field(a.args, "documentId") == id
	}
}

// documentKind is what member documents and user documents do not have in
// common when a draft is written.
type documentKind struct {
	payload                 string
	acceptedCode, taken     string
	accepted, existsAlready string
}

var memberDocuments = documentKind{"document", "DocumentAlreadyAccepted", "DocumentAlreadyExists", "An accepted document cannot be changed.", "The specified document already exists."}

// checkDraft makes the checks of a draft in their order. The version is that of
// the draft that is there, empty for none.
func (c *call) checkDraft(k documentKind, accepted bool, version string) (any, error) {
	if accepted {
		return nil, failure(http.StatusMethodNotAllowed, k.acceptedCode, k.accepted)
	}
	body, err := c.json()
	if err != nil {
		return nil, err
	}
	contractID := field(body, "contractId")
	if !truthy(contractID) {
		return nil, badRequest("ContractIdMissing", "ContractId must be specified in "+k.payload+" payload.")
	}
	if !truthy(field(body, "data")) {
		return nil, badRequest("DataMissing", "data key must be present in "+k.payload+" payload.")
	}
	if _, ok := draftTable.get(c.tx, display(contractID)); !ok {
		return nil, failure(http.StatusNotFound, "ContractNotFound", "A contract with the specified id was not found.")
	}
	if version == "" {
		return body, nil
	}
	switch given := field(body, "version"); {
	case !truthy(given):
		return nil, failure(http.StatusConflict, k.taken, k.existsAlready+" To update it, send the version of the latest read.")
	case given != version:
		return nil, failure(http.StatusPreconditionFailed, "PreconditionFailed", "The version is not the current one. Read the resource again and send its version.")
	}
	return body, nil
}

// versionOf is the version of a present key, else empty.
func versionOf[V any](x *tx, t table[V], key string) string {
	if _, ok := t.get(x, key); !ok {
		return ""
	}
	return t.version(x, key)
}

func (c *call) putDocument() (any, error) {
	id := c.lastParam()
	_, accepted := documentTable.get(c.tx, id)
	body, err := c.checkDraft(memberDocuments, accepted, versionOf(c.tx, documentDraftTable, id))
	if err != nil {
		return nil, err
	}
	documentDraftTable.put(c.tx, id, agreement{contractID: field(body, "contractId"), data: field(body, "data")})
	return nil, nil
}

func (c *call) showDocument() (any, error) {
	id := c.lastParam()
	if a, ok := documentTable.get(c.tx, id); ok {
		return acceptedDocument(c.tx, id, a), nil
	}
	if ids := openWith(c.tx, isDocument(id)); len(ids) > 0 {
		p, _ := proposalTable.get(c.tx, ids[0])
		document := field(p.actions[slices.IndexFunc(p.actions, isDocument(id))].args, "document")
		return obj("id", id, "state", "Proposed", "contractId", field(document, "contractId"), "data", field(document, "data"),
			"version", field(document, "version"), "proposalId", ids[0]), nil
	}
	if d, ok := documentDraftTable.get(c.tx, id); ok {
		return obj("id", id, "state", "Draft", "version", documentDraftTable.version(c.tx, id),
			"contractId", d.contractID, "data", d.data, "proposalId", ""), nil
	}
	return nil, failure(http.StatusNotFound, "DocumentNotFound", "A document with the specified id was not found.")
}

func acceptedDocument(x *tx, id string, a agreement) *object {
	votes := []any{}
	for _, member := range slices.Sorted(maps.Keys(a.finalVotes)) {
		votes = append(votes, obj("memberId", member, "vote", a.finalVotes[member]))
	}
	return obj("id", id, "version", documentTable.version(x, id), "state", stateAccepted, "contractId", a.contractID,
		"data", a.data, "proposalId", a.proposalID, "finalVotes", votes)
}

// listDocuments shows all documents, whatever contract the path names.
func (c *call) listDocuments() (any, error) {
	list := []any{}
	for _, id := range union(documentDraftTable.keys(c.tx), documentTable.keys(c.tx)) {
		list = append(list, obj("id", id))
	}
	return list, nil
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// releaseDocument gives an accepted document to an attested room of its
// contract.
func (c *call) releaseDocument() (any, error) {
	return c.release("DocumentNotFound", func(id string) (any, *object, bool) {
		a, ok := documentTable.get(c.tx, id)
		return a.contractID, acceptedDocument(c.tx, id, a), ok
	})
}

func (c *call) release(notFound string, find func(id string) (contractID any, document *object, ok bool)) (any, error) {
	body, err := c.encryptedCall()
	if err != nil {
		return nil, err
	}
	key, err := c.attestedKey(body, c.params[0])
	if err != nil {
		return nil, err
	}
	contractID, document, ok := find(c.params[1])
	if !ok {
		return nil, failure(http.StatusNotFound, notFound, "A document with the specified id was not found or has not been accepted.")
	}
	if contractID != c.params[0] {
		return nil, badRequest("ContractIdMismatch", "The contractId of the URL, "+c.params[0]+", is not that of the document, "+display(contractID)+".")
	}
	plain, err := encodeJSON(document)
	if err != nil {
		return nil, throw("Error: %v", err)
	}
	return wrapped(key, plain)
}

// applyDocument stores the proposed copy, whatever became of the draft.
func applyDocument(a *applying, args any) error {
	id, _ := textField(args, "documentId")
	document := field(args, "document")
	documentTable.put(a.tx, id, agreement{field(document, "contractId"), field(document, "data"), a.id, a.proposal.finalVotes})
	return nil
}

// documentsFree tells whether the member documents that the actions set can
// still be set: no id twice, none accepted, none in another open proposal.
func documentsFree(x *tx, id string, actions []action) bool {
	seen := map[string]bool{}
	for _, a := range actions {
		if a.name != "set_member_document" {
			continue
		}
		document, _ := textField(a.args, "documentId")
		if seen[document] {
			return false
		}
		seen[document] = true
		if _, accepted := documentTable.get(x, document); accepted {
			return false
		}
		others := openWith(x, isDocument(document))
		if slices.ContainsFunc(others, func(other string) bool { return other != id }) {
			return false
		}
	}
	return true
}
