package ccf

import (
	"net/http"
	"regexp"
	"slices"
)

// invitation lets in whoever comes with a token that has its claims.
type invitation struct {
	accountType string
	claims      *object
}

// invitationAnswer is who accepted an invitation.
type invitationAnswer struct {
	userID string
	tenant any
}

var (
	invitationTable       = table[invitation]("user_invitations")
	invitationAnswerTable = table[invitationAnswer]("user_invitation_answers")
	// finalTable names the invitations whose users the members registered.
	finalTable = table[string]("finalized_invitations")
)

var invitationClaims = []string{"preferred_username", "email", "appid", "tid", "sub", "upn"}

func validateInvitation(x *tx, args any) error {
	if err := checkAll(args, []rule{is("string", "invitationId"), oneOf("type", "add", "remove"), oneOf("accountType", "microsoft"), is("object", "claims")}); err != nil {
		return err
	}
	if claims, ok := field(args, "claims").(*object); ok {
		for _, name := range claims.ordered() {
			if !slices.Contains(invitationClaims, name) {
				return throw("Error: The claim '%s' is not an allowed invitation claim", name)
			}
		}
	}
	id, _ := textField(args, "invitationId")
	if _, final := finalTable.get(x, id); final {
		return throw("Error: Invitation '%s' has already been finalized", id)
	}
	return nil
}

func applyInvitation(a *applying, args any) error {
	id, _ := textField(args, "invitationId")
	account, _ := textField(args, "accountType")
	old, _ := invitationTable.get(a.tx, id)
	claims, err := updatedPolicy(old.claims, args)
	if err != nil {
		return err
	}
	invitationTable.put(a.tx, id, invitation{account, claims})
	return nil
}

func applyRemoveInvitation(a *applying, args any) error {
	id, _ := textField(args, "invitationId")
	invitationTable.remove(a.tx, id)
	invitationAnswerTable.remove(a.tx, id)
	finalTable.remove(a.tx, id)
	return nil
}

func (c *call) listInvitations() (any, error) {
	list := []any{}
	for _, id := range invitationTable.keys(c.tx) {
		i, _ := invitationTable.get(c.tx, id)
		list = append(list, i.describe(c.tx, id))
	}
	return obj("value", list), nil
}

func (i invitation) describe(x *tx, id string) *object {
	o := obj("invitationId", id, "accountType", i.accountType, "claims", sortedClaims(i.claims))
	status := "Open"
	if answer, ok := invitationAnswerTable.get(x, id); ok {
		o.set("userInfo", obj("userId", answer.userID, "data", obj("tenantId", answer.tenant)))
		status = "Accepted"
	}
	if _, final := finalTable.get(x, id); final {
		status = "Finalized"
	}
	o.set("status", status)
	return o
}

func (c *call) findInvitation() (string, invitation, error) {
	id := c.params[0]
	i, ok := invitationTable.get(c.tx, id)
	if !ok {
		return "", i, failure(http.StatusNotFound, "InvitationNotFound", "Invitation with ID "+id+" not found.")
	}
	return id, i, nil
}

func (c *call) showInvitation() (any, error) {
	id, i, err := c.findInvitation()
	if err != nil {
		return nil, err
	}
	return i.describe(c.tx, id), nil
}

func (c *call) acceptInvitation() (any, error) {
	id, i, err := c.findInvitation()
	if err != nil {
		return nil, err
	}
	if _, answered := invitationAnswerTable.get(c.tx, id); answered {
		return nil, failure(http.StatusConflict, "InvitationNotOpen", "Invitation with ID "+id+" is not open. Status is: Accepted")
	}
	oid, ok := textField(c.caller.claims, "oid")
	if !ok {
		return nil, failure(http.StatusNotFound, "OidClaimMissing", "Incoming token must have oid claim.")
	}
	if len(i.claims.keys) == 0 {
		return nil, throw("Error: The invitation claims is missing. Please update the invitation with a few claims.")
	}
	for _, name := range i.claims.ordered() {
		if err := c.invited(name, i.claims.values[name]); err != nil {
			return nil, err
		}
	}
	invitationAnswerTable.put(c.tx, id, invitationAnswer{oid, field(c.caller.claims, "tid")})
	return nil, nil
}

// invited compares one claim of the invitation with the caller's token. Tokens
// of Entra's first version have the user's name under another claim.
func (c *call) invited(name string, values any) error {
	incoming := name
	if name == "preferred_username" && field(c.caller.claims, "ver") == "1.0" && c.fromEntra() {
		incoming = "upn"
	}
	got := field(c.caller.claims, incoming)
	if got == undefined {
		return failure(http.StatusForbidden, "TokenClaimMissing", "Missing claim in incoming token: "+incoming)
	}
	list, _ := values.([]any)
	if !containsValue(list, got) {
		return failure(http.StatusForbidden, "TokenClaimMismatch", "Incoming claim "+name+", value "+display(got)+" does not match expected values: "+display(list))
	}
	return nil
}

var entraIssuer = regexp.MustCompile(`^https://(?:login\.microsoftonline\.com/([^/]+)/v2\.0|sts\.windows\.net/([^/]+)/)$`)

func (c *call) fromEntra() bool {
	iss, _ := textField(c.caller.claims, "iss")
	m := entraIssuer.FindStringSubmatch(iss)
	if m == nil {
		return false
	}
	tenant := field(c.caller.claims, "tid")
	return m[1] == "common" || m[1] == "organizations" || tenant == m[1]+m[2]
}

func (c *call) showIdentity() (any, error) {
	id := c.params[0]
	u, ok := tokenUserTable.get(c.tx, id)
	if !ok {
		return nil, failure(http.StatusNotFound, "UserIdentityNotFound", "User identity with ID "+id+" not found.")
	}
	return u.describe(id), nil
}

func (u tokenUser) describe(id string) *object {
	return obj("id", id, "accountType", u.accountType, "invitationId", u.invitationID, "data", u.data)
}

// activeUser is reached by registered users alone.
func (c *call) activeUser() (any, error) { return obj("active", true), nil }
