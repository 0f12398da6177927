package governance

import (
	"context"
	"encoding/json"
	"fmt"
)

// accountMicrosoft is the only kind of account of release 8.0.0: one of Entra
// or of Microsoft's consumers.
const accountMicrosoft = "microsoft"

// UserIdentity is a user whom the members registered.
type UserIdentity struct {
	// ID is the object id (claim oid) of the user's tokens.
	ID string
	// AccountType is empty for "microsoft", which is all there is.
	AccountType string
	// InvitationID is that of the invitation that led to it, if any.
	InvitationID string
	// TenantID must be the tenant (claim tid) of the user's tokens.
	TenantID string
	// Identifier is a name for people; it may be empty.
	Identifier string
}

// userIdentityDoc is an identity on the wire, in both directions.
type userIdentityDoc struct {
	ID           string  `json:"id"`
	AccountType  string  `json:"accountType"`
	InvitationID *string `json:"invitationId"`
	Data         struct {
		TenantID   string `json:"tenantId"`
		Identifier string `json:"identifier,omitempty"`
	} `json:"data"`
}

// SetUserIdentity registers a user, who can then read what members read. It
// ends the invitation that it names.
func SetUserIdentity(u UserIdentity) Action {
	doc := userIdentityDoc{ID: u.ID, AccountType: u.AccountType}
	if doc.AccountType == "" {
		doc.AccountType = accountMicrosoft
	}
	if u.InvitationID != "" {
		doc.InvitationID = &u.InvitationID
	}
	doc.Data.TenantID, doc.Data.Identifier = u.TenantID, u.Identifier
	return Action{"set_user_identity", doc}
}

// RemoveUserIdentity removes a user.
func RemoveUserIdentity(id string) Action {
	return Action{"remove_user_identity", struct {
		ID string `json:"id"`
	}{id}}
}

// UnmarshalJSON reads the shape of the service.
func (u *UserIdentity) UnmarshalJSON(b []byte) error {
	var doc userIdentityDoc
	if err := json.Unmarshal(b, &doc); err != nil {
		return err
	}
	*u = UserIdentity{ID: doc.ID, AccountType: doc.AccountType, TenantID: doc.Data.TenantID, Identifier: doc.Data.Identifier}
	if doc.InvitationID != nil {
		u.InvitationID = *doc.InvitationID
	}
	return nil
}

// UserIdentities lists the users whom the members registered.
func (c *Client) UserIdentities(ctx context.Context) (_ []UserIdentity, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "UserIdentities")
	defer end(&err)
	var doc struct {
		Value []UserIdentity `json:"value"`
	}
	if err := c.wire.get(ctx, "list user identities", "/app/users/identities", &doc); err != nil {
		return nil, err
	}
	return doc.Value, nil
}

// UserIdentity reads one of them.
func (c *Client) UserIdentity(ctx context.Context, id string) (_ *UserIdentity, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "UserIdentity")
	defer end(&err)
	op := "read user identity " + id
	if err := checkID("user id", id); err != nil {
		return nil, err
	}
	var v UserIdentity
	if err := c.wire.post(ctx, op, "/app/users/identities/"+id, &v); err != nil {
		return nil, err
	}
	if v.ID != id {
		return nil, fmt.Errorf("governance: %s: the service sent the user %q", op, cut(v.ID, 80))
	}
	return &v, nil
}
