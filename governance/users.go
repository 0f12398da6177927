package governance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
)

// TokenSource gives a bearer token for one request: a JWT of an issuer that the
// members trust (see [SetJWTIssuer]). It is asked for each request and should
// keep a token while that is valid.
type TokenSource func(ctx context.Context) (string, error)

// UserClient acts for a user, who is known by the object id (claim oid) of a
// token and by its tenant, and whom the members registered with
// [SetUserIdentity]. A user reads what members read, keeps secrets, and agrees
// on user documents; users neither propose to members nor vote with them. It is
// safe for concurrent use.
type UserClient struct {
	wire  *wire
	token TokenSource
}

// NewUserClient makes a client for the service at endpoint, https://host[:port].
// Nothing is sent yet. The token goes to the service whose certificate the
// options have, and to nobody else.
func NewUserClient(endpoint string, token TokenSource, opts *ClientOptions) (*UserClient, error) {
	if token == nil {
		return nil, errors.New("governance: a user client needs a source of tokens")
	}
	w, err := newWire(endpoint, nil, opts)
	if err != nil {
		return nil, err
	}
	w.authorize = func(ctx context.Context, r *http.Request) error {
		t, err := token(ctx)
		if err != nil {
			return fmt.Errorf("get token: %w", err)
		}
		if strings.Count(t, ".") != 2 || strings.ContainsAny(t, " \t\r\n") {
			return errors.New("get token: what was given is no JWT")
		}
		r.Header.Set("Authorization", "Bearer "+t)
		return nil
	}
	return &UserClient{w, token}, nil
}

// Close closes idle connections.
func (u *UserClient) Close() { u.wire.close() }

// ID is the object id of the user's token, which members and approvers know the
// user by. The token's signature is for the service to verify.
func (u *UserClient) ID(ctx context.Context) (_ string, err error) {
	ctx, end := u.wire.tracer.Start(ctx, "User.ID")
	defer end(&err)
	t, err := u.token(ctx)
	if err != nil {
		return "", fmt.Errorf("governance: user id: get token: %w", err)
	}
	id, err := objectID(t)
	if err != nil {
		return "", fmt.Errorf("governance: user id: %w", err)
	}
	return id, nil
}

// objectID never puts a part of the token into an error.
func objectID(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("the token is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", errors.New("the token is no JWT: its claims are not base64url")
	}
	var claims struct {
		OID string `json:"oid"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.OID == "" {
		return "", errors.New("the token has no claim oid; the service knows users by it")
	}
	return claims.OID, nil
}

func (u *UserClient) peer() peer { return peer{u.wire, u.ID} }

// reader is a client without a member, for what members and users read alike.
func (u *UserClient) reader() *Client { return &Client{wire: u.wire} }

// Active asks whether the service knows the user: nil says that it does, and
// the code CallerNotAuthorized that the members have not registered the user.
func (u *UserClient) Active(ctx context.Context) (err error) {
	ctx, end := u.wire.tracer.Start(ctx, "User.Active")
	defer end(&err)
	const op = "ask whether the user is active"
	var doc struct {
		Active bool `json:"active"`
	}
	if err := u.wire.post(ctx, op, "/app/users/identities/self/status", &doc); err != nil {
		return err
	}
	if !doc.Active {
		return errors.New("governance: " + op + ": the service says no")
	}
	return nil
}

// Contracts gives the ids of contracts, as [Client.Contracts] does.
func (u *UserClient) Contracts(ctx context.Context, opts *ContractsOptions) iter.Seq2[string, error] {
	return u.reader().Contracts(ctx, opts)
}

// Contract reads a contract.
func (u *UserClient) Contract(ctx context.Context, id string) (_ *Contract, err error) {
	ctx, end := u.wire.tracer.Start(ctx, "User.Contract")
	defer end(&err)
	return u.reader().Contract(id).Get(ctx)
}

// PutSecret stores a secret for the contract's clean rooms and returns the id
// under which they read it: the user's id, an underscore and the name.
func (u *UserClient) PutSecret(ctx context.Context, contractID, name, value string) (id string, err error) {
	ctx, end := u.wire.tracer.Start(ctx, "User.PutSecret")
	defer end(&err)
	return u.reader().Contract(contractID).PutSecret(ctx, name, value)
}

// UserDocuments lists the user documents that have all the labels; nil means
// all documents.
func (u *UserClient) UserDocuments(ctx context.Context, labels map[string]string) (_ []UserDocumentEntry, err error) {
	ctx, end := u.wire.tracer.Start(ctx, "User.UserDocuments")
	defer end(&err)
	return u.peer().userDocuments(ctx, labels)
}

// UserDocument gives a handle; nothing is asked yet.
func (u *UserClient) UserDocument(id string) *UserDocumentClient {
	return &UserDocumentClient{u.peer(), id}
}

// UserProposal gives a handle; nothing is asked yet.
func (u *UserClient) UserProposal(id string) *UserProposalClient {
	return &UserProposalClient{u.peer(), id}
}

// Invitation reads an invitation, also one for a user whom the members have not
// registered yet.
func (u *UserClient) Invitation(ctx context.Context, id string) (_ *Invitation, err error) {
	ctx, end := u.wire.tracer.Start(ctx, "User.Invitation")
	defer end(&err)
	return invitation(ctx, u.wire.read, id)
}

// AcceptInvitation accepts an invitation for the user of the token, which must
// have every claim of the invitation. A member then proposes
// [Invitation.Identity].
func (u *UserClient) AcceptInvitation(ctx context.Context, id string) (err error) {
	ctx, end := u.wire.tracer.Start(ctx, "User.AcceptInvitation")
	defer end(&err)
	op := "accept invitation " + id
	if err := checkID("invitation id", id); err != nil {
		return err
	}
	_, _, err = u.wire.write(ctx, call{op: op, method: http.MethodPost, path: "/app/users/invitations/" + id + "/accept"})
	if !wasRepeated(err) || !hasCode(err, "InvitationNotOpen") {
		return err
	}
	// The first copy of this call may have been the one that accepted.
	me, idErr := u.ID(ctx)
	i, readErr := invitation(ctx, u.wire.readCommitted, id)
	if idErr == nil && readErr == nil && i.UserID == me {
		return nil
	}
	return err
}
