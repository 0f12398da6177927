package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// States of an invitation.
const (
	InvitationOpen = "Open"
	// InvitationAccepted is one that somebody with the claims accepted.
	InvitationAccepted = "Accepted"
	// InvitationFinalized is one whose user the members registered.
	InvitationFinalized = "Finalized"
)

// Invitation lets a user ask to be registered whose token has certain claims.
type Invitation struct {
	ID          string
	AccountType string
	// Claims has the values of which one must be in the token, by name.
	Claims map[string][]string
	// Status is one of the Invitation constants.
	Status string
	// UserID and TenantID are those of the token that accepted it.
	UserID, TenantID string
}

// UnmarshalJSON reads the shape of the service.
func (i *Invitation) UnmarshalJSON(b []byte) error {
	var doc struct {
		InvitationID string              `json:"invitationId"`
		AccountType  string              `json:"accountType"`
		Claims       map[string][]string `json:"claims"`
		Status       string              `json:"status"`
		UserInfo     struct {
			UserID string `json:"userId"`
			Data   struct {
				TenantID string `json:"tenantId"`
			} `json:"data"`
		} `json:"userInfo"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return err
	}
	*i = Invitation{doc.InvitationID, doc.AccountType, doc.Claims, doc.Status, doc.UserInfo.UserID, doc.UserInfo.Data.TenantID}
	return nil
}

// Identity is the user who accepted the invitation, to be proposed with
// [SetUserIdentity]. The identifier is a name for people.
func (i *Invitation) Identity(identifier string) (UserIdentity, error) {
	if i.Status == InvitationAccepted && i.UserID == "" {
		return UserIdentity{}, fmt.Errorf("governance: make a user of invitation %s: the service does not say who accepted it", i.ID)
	}
	if i.Status != InvitationAccepted {
		return UserIdentity{}, denied("make a user of invitation "+i.ID, "this program", []Check{equalCheck("invitation.status", InvitationAccepted, i.Status,
			"the invited user accepts the invitation first, and once; a finalized one has made its user")}, nil)
	}
	return UserIdentity{ID: i.UserID, AccountType: i.AccountType, InvitationID: i.ID, TenantID: i.TenantID, Identifier: identifier}, nil
}

// InvitationUpdate changes the claims of an invitation, and makes it if it is
// new. Names are preferred_username, email, appid, tid, sub and upn. Pin the
// tenant (tid): other claims are unique within one only.
type InvitationUpdate struct {
	// Type is [PolicyAdd] or [PolicyRemove].
	Type string `json:"type"`
	// Claims by name.
	Claims map[string][]string `json:"claims"`
}

// SetUserInvitation changes an invitation that is not finalized.
func SetUserInvitation(id string, update InvitationUpdate) Action {
	return Action{"set_user_invitation_by_jwt_claims", struct {
		InvitationID string `json:"invitationId"`
		AccountType  string `json:"accountType"`
		InvitationUpdate
	}{id, accountMicrosoft, update}}
}

// RemoveUserInvitation removes an invitation; the user that it led to stays.
func RemoveUserInvitation(id string) Action {
	return Action{"remove_user_invitation_by_jwt_claims", struct {
		InvitationID string `json:"invitationId"`
	}{id}}
}

// Invitations lists the invitations.
func (c *Client) Invitations(ctx context.Context) (_ []Invitation, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "Invitations")
	defer end(&err)
	var doc struct {
		Value []Invitation `json:"value"`
	}
	if err := c.wire.get(ctx, "list invitations", "/app/users/invitations", &doc); err != nil {
		return nil, err
	}
	return doc.Value, nil
}

// Invitation reads one of them.
func (c *Client) Invitation(ctx context.Context, id string) (_ *Invitation, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "Invitation")
	defer end(&err)
	return invitation(ctx, c.wire.read, id)
}

func invitation(ctx context.Context, read reader, id string) (*Invitation, error) {
	op := "read invitation " + id
	if err := checkID("invitation id", id); err != nil {
		return nil, err
	}
	var v Invitation
	if err := read(ctx, call{op: op, method: http.MethodPost, path: "/app/users/invitations/" + id}, &v); err != nil {
		return nil, err
	}
	if v.ID != id {
		return nil, fmt.Errorf("governance: %s: the service sent the invitation %q", op, cut(v.ID, 80))
	}
	return &v, nil
}
