package ccf

import (
	"net/http"
	"slices"
	"strings"
)

// userProposal is a proposal that the approvers which it names vote on, without
// signed messages and without the constitution.
type userProposal struct {
	name            string
	approvers, args any
	proposerID      string
	state           string
	ballots         []any // in order of arrival
}

var userProposalTable = table[userProposal]("user_proposals")

// openUserProposal finds the open proposal of a user document.
func openUserProposal(x *tx, documentID any) (string, bool) {
	for _, id := range userProposalTable.keys(x) {
		if p, _ := userProposalTable.get(x, id); p.state == stateOpen && strictEqual(field(p.args, "documentId"), documentID) {
			return id, true
		}
	}
	return "", false
}

func (c *call) putUserProposal() (any, error) {
	id := c.params[0]
	if _, ok := userProposalTable.get(c.tx, id); ok {
		return nil, failure(http.StatusConflict, "ProposalAlreadyExists", "The specified proposal already exists.")
	}
	body, err := c.json()
	if err != nil {
		return nil, err
	}
	p := userProposal{approvers: field(body, "approvers"), args: field(body, "args"), proposerID: c.caller.id, state: stateOpen}
	switch approvers := p.approvers.(type) {
	case undefinedType:
		return nil, badRequest("ApproversMissing", "The approvers field is required in the proposal.")
	case nil:
		return nil, throw("TypeError: cannot read property 'length' of null")
	case []any:
		if len(approvers) == 0 {
			return nil, badRequest("EmptyApprovers", "The approvers field cannot be empty.")
		}
	}
	if p.name, _ = textField(body, "name"); p.name != "set_user_document" {
		return nil, badRequest("InvalidProposalType", "A proposal of type '"+display(field(body, "name"))+"' is not supported.")
	}
	if err := c.checkUserDocumentArgs(p.args); err != nil {
		return nil, err
	}
	userProposalTable.put(c.tx, id, p)
	return obj("proposalId", id), nil
}

func (c *call) checkUserDocumentArgs(args any) error {
	if args == nil || args == undefined {
		return throw("TypeError: cannot read property 'documentId' of %s", display(args))
	}
	documentID := field(args, "documentId")
	if documentID == undefined {
		return badRequest("InvalidUserDocumentId", "The UserDocumentId is required for set_user_document action.")
	}
	if _, ok := userDocumentTable.get(c.tx, display(documentID)); ok {
		return failure(http.StatusMethodNotAllowed, "UserDocumentAlreadyAccepted", "The specified document has already been accepted.")
	}
	if open, ok := openUserProposal(c.tx, documentID); ok {
		return failure(http.StatusConflict, "UserDocumentAlreadyProposed", `Proposal ["`+open+`"] for the specified documentId already exists.`)
	}
	return nil
}

func (c *call) findUserProposal() (string, userProposal, error) {
	id := c.params[0]
	p, ok := userProposalTable.get(c.tx, id)
	if !ok {
		return "", p, failure(http.StatusNotFound, "ProposalNotFound", "A proposal with the specified id was not found.")
	}
	return id, p, nil
}

func (c *call) showUserProposal() (any, error) {
	id, p, err := c.findUserProposal()
	if err != nil {
		return nil, err
	}
	return obj("proposalId", id, "name", p.name, "approvers", p.approvers, "args", p.args), nil
}

func (c *call) userProposalStatus() (any, error) {
	_, p, err := c.findUserProposal()
	if err != nil {
		return nil, err
	}
	return p.status(), nil
}

func (p userProposal) status() *object {
	ballots := p.ballots
	if ballots == nil {
		ballots = []any{}
	}
	return obj("proposerId", p.proposerID, "state", p.state, "ballots", ballots)
}

func (p userProposal) notOpen() error {
	return failure(http.StatusConflict, "ProposalNotOpen", "The proposal is not in an open state. State is: '"+p.state+"'.")
}

func (c *call) withdrawUserProposal() (any, error) {
	id, p, err := c.findUserProposal()
	if err != nil {
		return nil, err
	}
	if p.proposerID != c.caller.id {
		return nil, failure(http.StatusForbidden, "NotProposalOwner", "Only the proposal owner can withdraw the proposal.")
	}
	if p.state != stateOpen {
		return nil, p.notOpen()
	}
	p.state = stateWithdrawn
	userProposalTable.put(c.tx, id, p)
	return p.status(), nil
}

func (p userProposal) ballotOf(approverID any) any {
	i := slices.IndexFunc(p.ballots, func(b any) bool { return field(b, "approverId") == approverID })
	if i < 0 {
		return undefined
	}
	return field(p.ballots[i], "ballot")
}

// isApprover compares ids alone: the kind of the approver is not looked at.
func isApprover(approvers any, id string) (bool, error) {
	list, ok := approvers.([]any)
	if !ok {
		return false, throw("TypeError: not a function")
	}
	return slices.ContainsFunc(list, func(a any) bool { return field(a, "approverId") == id }), nil
}

func (c *call) submitUserBallot() (any, error) {
	id, p, err := c.findUserProposal()
	if err != nil {
		return nil, err
	}
	approver, err := isApprover(p.approvers, c.caller.id)
	switch {
	case err != nil:
		return nil, err
	case !approver:
		return nil, failure(http.StatusForbidden, "NotProposalApprover", "The caller is not an approver for this proposal.")
	case p.state != stateOpen:
		return nil, p.notOpen()
	case p.ballotOf(c.caller.id) != undefined:
		return nil, failure(http.StatusConflict, "BallotAlreadySubmitted", "The ballot has already been submitted.")
	}
	body, err := c.json()
	if err != nil {
		return nil, err
	}
	ballot := field(body, "ballot")
	if ballot != "accepted" && ballot != "rejected" {
		return nil, badRequest("InvalidBallotValue", "The ballot value must be either 'accepted' or 'rejected'.")
	}
	p.ballots = append(slices.Clone(p.ballots), obj("approverId", c.caller.id, "ballot", ballot))
	missing := func(a any) bool { return p.ballotOf(field(a, "approverId")) != "accepted" }
	switch approvers, _ := p.approvers.([]any); {
	case ballot == "rejected":
		p.state = stateRejected
	case !slices.ContainsFunc(approvers, missing):
		p.state = stateAccepted
		c.acceptUserDocument(id, p)
	}
	userProposalTable.put(c.tx, id, p)
	return p.status(), nil
}

func (c *call) acceptUserDocument(proposalID string, p userProposal) {
	document := field(p.args, "document")
	userDocumentTable.put(c.tx, display(field(p.args, "documentId")), userDocument{
		contractID: field(document, "contractId"), data: field(document, "data"), labels: field(document, "labels"),
		approvers: p.approvers, proposalID: proposalID, proposerID: p.proposerID, finalVotes: p.ballots,
	})
}

// userOptionTable holds one approver's word on an option of a document.
var userOptionTable = table[string]("user_document_options")

func isUserOption(option string) bool { return option == "execution" || option == "telemetry" }

var errUserOption = badRequest("InvalidUserDocumentRuntimeOption", "UserDocument runtime option must be either 'execution' or 'telemetry'.")

func (c *call) userOptionStatus() (any, error) {
	contractID, id, option := c.params[0], c.params[1], c.params[2]
	if c.caller.kind == "" {
		body, err := c.json()
		if err != nil {
			return nil, err
		}
		if !truthy(field(body, "attestation")) {
			return nil, errAttestationMissing
		}
		if _, err := c.attested(body, contractID, contractMismatch); err != nil {
			return nil, err
		}
	}
	d, ok := userDocumentTable.get(c.tx, id)
	switch {
	case !ok:
		return disabled("UserDocumentNotAccepted", "UserDocument "+id+" does not exist or has not been accepted."), nil
	case !isUserOption(option):
		return nil, errUserOption
	case d.contractID != contractID:
		return nil, badRequest("ContractIdMismatch", "The contractId of the URL, "+contractID+", is not that of the UserDocument, "+display(d.contractID)+".")
	}
	var against []string
	for _, key := range userOptionTable.keys(c.tx) {
		who, of, _ := strings.Cut(key, "/")
		if status, _ := userOptionTable.get(c.tx, key); of == id+"_"+option && status == "disabled" {
			against = append(against, who)
		}
	}
	if len(against) == 0 {
		return obj("status", "enabled"), nil
	}
	return disabled("UserDocumentRuntimeOptionDisabled", "UserDocument runtime option '"+option+"' for document "+id+" has been disabled by the following approver(s): m["+strings.Join(against, ",")+"]."), nil
}

func (c *call) enableUserOption() (any, error)  { return c.setUserOption("enabled") }
func (c *call) disableUserOption() (any, error) { return c.setUserOption("disabled") }

func (c *call) setUserOption(status string) (any, error) {
	id, option := c.params[1], c.params[2]
	d, ok := userDocumentTable.get(c.tx, id)
	if !ok {
		return nil, badRequest("UserDocumentNotAccepted", "UserDocument "+id+" does not exist or has not been accepted.")
	}
	approver, err := isApprover(d.approvers, c.caller.id)
	switch {
	case err != nil:
		return nil, err
	case !approver:
		return nil, failure(http.StatusForbidden, "NotUserDocumentApprover", "The caller is not an approver for this UserDocument.")
	case !isUserOption(option):
		return nil, errUserOption
	}
	// Ids of callers have no slash: they are digests, or would not fit in a path.
	userOptionTable.put(c.tx, c.caller.id+"/"+id+"_"+option, status)
	return nil, nil
}
