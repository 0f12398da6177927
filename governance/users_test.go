package governance_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// identityProvider signs tokens of users.
type identityProvider struct {
	issuer string
	key    *rsa.PrivateKey
	jwks   json.RawMessage
}

var providerKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newProvider() (*identityProvider, error) {
	key, err := providerKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "provider"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	jwks, err := json.Marshal(map[string]any{"keys": []any{map[string]any{"kid": "provider-1", "kty": "RSA", "x5c": []string{base64.StdEncoding.EncodeToString(der)}}}})
	if err != nil {
		return nil, err
	}
	return &identityProvider{"https://issuer.example", key, jwks}, nil
}

// token has the claims, and those that every token has unless they are given.
func (p *identityProvider) token(claims map[string]any) string {
	all := map[string]any{"iss": p.issuer, "nbf": time.Now().Unix() - 60, "exp": time.Now().Unix() + 600}
	for name, value := range claims {
		all[name] = value
	}
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": "provider-1"})
	must(err)
	payload, err := json.Marshal(all)
	must(err)
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, digest[:])
	must(err)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// user is a client with tokens of the claims.
func (l *ledger) user(p *identityProvider, claims map[string]any, wrap func(http.RoundTripper) http.RoundTripper) *governance.UserClient {
	l.Helper()
	u, err := governance.NewUserClient(l.env.LedgerURL(), func(context.Context) (string, error) { return p.token(claims), nil }, &governance.ClientOptions{
		ServiceCertificate: l.env.ServiceCertificate(), DialContext: l.conn("consumer").DialContext, Transport: wrap, PollInterval: 5 * time.Millisecond,
	})
	l.check(err)
	l.Cleanup(u.Close)
	return u
}

// trusted lets the members trust a provider.
func (c *consortium) trusted() *identityProvider {
	c.Helper()
	p, err := newProvider()
	c.check(err)
	c.accept(c.propose(c.consumer, governance.SetJWTIssuer(governance.JWTIssuer{Issuer: p.issuer, Keys: p.jwks})), c.both()...)
	return p
}

func TestUsers(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	ctx := t.Context()
	const id = "k"
	room := c.agreedRoom(id, nil)
	claims := map[string]any{"oid": "user-1", "tid": "tenant-1", "preferred_username": "user@tenant-1.example"}

	p, err := newProvider()
	c.check(err)
	user := c.user(p, claims, nil)
	wantCode(t, user.Active(ctx), "InvalidAuthenticationInfo")
	c.trusted()
	wantCode(t, user.Active(ctx), "CallerNotAuthorized")
	_, err = user.Contract(ctx, id)
	wantCode(t, err, "CallerNotAuthorized")

	// The invitation, its acceptance, and the registration.
	update := governance.InvitationUpdate{Type: governance.PolicyAdd, Claims: map[string][]string{"preferred_username": {"user@tenant-1.example"}, "tid": {"tenant-1", "tenant-2"}}}
	wantCode(t, user.AcceptInvitation(ctx, "welcome"), "InvitationNotFound")
	c.accept(c.propose(c.consumer, governance.SetUserInvitation("welcome", update)), c.both()...)
	invitation, err := user.Invitation(ctx, "welcome")
	c.check(err)
	if invitation.Status != governance.InvitationOpen || len(invitation.Claims["tid"]) != 2 || invitation.AccountType != "microsoft" {
		t.Errorf("open: %+v", invitation)
	}
	_, err = invitation.Identity("name")
	wantDenied(t, err, "invitation.status")
	for code, other := range map[string]map[string]any{
		"TokenClaimMissing":  {"oid": "x", "tid": "tenant-1"},
		"TokenClaimMismatch": {"oid": "x", "tid": "tenant-3", "preferred_username": "user@tenant-1.example"},
		"OidClaimMissing":    {"tid": "tenant-1"},
	} {
		wantCode(t, c.user(p, other, nil).AcceptInvitation(ctx, "welcome"), code)
	}
	c.check(user.AcceptInvitation(ctx, "welcome"))
	wantCode(t, user.AcceptInvitation(ctx, "welcome"), "InvitationNotOpen")
	wantCode(t, user.Active(ctx), "CallerNotAuthorized")
	invitation, err = c.publisher.Invitation(ctx, "welcome")
	c.check(err)
	if invitation.Status != governance.InvitationAccepted || invitation.UserID != "user-1" || invitation.TenantID != "tenant-1" {
		t.Errorf("accepted: %+v", invitation)
	}
	identity, err := invitation.Identity("User One")
	c.check(err)
	c.accept(c.propose(c.publisher, governance.SetUserIdentity(identity)), c.both()...)
	c.check(user.Active(ctx))
	list, err := c.publisher.Invitations(ctx)
	if err != nil || len(list) != 1 || list[0].Status != governance.InvitationFinalized {
		t.Errorf("invitations %+v, %v", list, err)
	}
	_, err = c.consumer.Propose(ctx, governance.SetUserInvitation("welcome", update))
	wantCode(t, err, "ProposalFailedToValidate")
	identities, err := c.publisher.UserIdentities(ctx)
	want := governance.UserIdentity{ID: "user-1", AccountType: "microsoft", InvitationID: "welcome", TenantID: "tenant-1", Identifier: "User One"}
	if err != nil || !slices.Equal(identities, []governance.UserIdentity{want}) {
		t.Errorf("identities %+v, %v", identities, err)
	}
	if one, err := c.publisher.UserIdentity(ctx, "user-1"); err != nil || *one != want {
		t.Errorf("identity %+v, %v", one, err)
	}
	_, err = c.publisher.UserIdentity(ctx, "user-2")
	wantCode(t, err, "UserIdentityNotFound")

	// What a registered user can do.
	contract, err := user.Contract(ctx, id)
	if err != nil || contract.State != governance.ContractAccepted {
		t.Errorf("%+v, %v", contract, err)
	}
	if ids, err := contractIDs(user.Contracts(ctx, nil)); err != nil || !slices.Equal(ids, []string{id}) {
		t.Errorf("contracts %q, %v", ids, err)
	}
	secretID, err := user.PutSecret(ctx, id, "name", "value")
	c.check(err)
	if secretID != governance.SecretID("user-1", "name") {
		t.Errorf("secret id %s", secretID)
	}
	if secret, err := room.Secret(ctx, secretID); err != nil || string(secret) != "value" {
		t.Errorf("secret of %d bytes, %v", len(secret), err)
	}
	version, err := user.UserDocument("d").Create(ctx, governance.UserDocumentDraft{ContractID: id, Data: "SELECT 1", Labels: map[string]string{"kind": "query"}})
	c.check(err)
	me := governance.Approver{ID: "user-1", Kind: governance.ApproverUser}
	proposal, err := user.UserDocument("d").Propose(ctx, version, me, approver(c.publisher))
	c.check(err)
	if proposal.ProposerID != "user-1" {
		t.Errorf("proposer %s", proposal.ProposerID)
	}
	_, err = c.publisher.UserDocument("d").Vote(ctx, proposal.ID, true)
	c.check(err)
	l := &loser{lose: 3} // read, read content, vote
	_, err = c.user(p, claims, l.wrap).UserDocument("d").Vote(ctx, proposal.ID, true)
	c.check(err)
	if d, err := room.UserDocument(ctx, "d"); err != nil || !d.FinalVotes["user-1"] || len(d.FinalVotes) != 2 {
		t.Errorf("document %+v, %v", d, err)
	}
	if docs, err := user.UserDocuments(ctx, map[string]string{"kind": "query"}); err != nil || len(docs) != 1 {
		t.Errorf("documents %+v, %v", docs, err)
	}
	if shown, err := user.UserProposal(proposal.ID).Show(ctx); err != nil || shown.State != governance.ProposalAccepted {
		t.Errorf("proposal %+v, %v", shown, err)
	}

	// Another tenant, another time, and the end of it.
	wantCode(t, c.user(p, map[string]any{"oid": "user-1", "tid": "tenant-2"}, nil).Active(ctx), "CallerTenantNotAuthorized")
	wantCode(t, c.user(p, map[string]any{"oid": "user-1", "tid": "tenant-1", "exp": 1}, nil).Active(ctx), "InvalidAuthenticationInfo")
	wantCode(t, c.user(p, map[string]any{"oid": "user-1", "tid": "tenant-1", "iss": "https://other.example"}, nil).Active(ctx), "InvalidAuthenticationInfo")
	wantCode(t, c.user(p, map[string]any{"tid": "tenant-1"}, nil).Active(ctx), "InternalError")
	c.accept(c.propose(c.publisher, governance.RemoveUserIdentity("user-1"), governance.RemoveUserInvitation("welcome")), c.both()...)
	wantCode(t, user.Active(ctx), "CallerNotAuthorized")
	_, err = user.Invitation(ctx, "welcome")
	wantCode(t, err, "InvitationNotFound")
}

// TestLostAcceptance loses the answer of an accepted invitation.
func TestLostAcceptance(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	p := c.trusted()
	update := governance.InvitationUpdate{Type: governance.PolicyAdd, Claims: map[string][]string{"tid": {"t"}}}
	c.accept(c.propose(c.consumer, governance.SetUserInvitation("i", update)), c.both()...)
	l := &loser{lose: 1}
	c.check(c.user(p, map[string]any{"oid": "one", "tid": "t"}, l.wrap).AcceptInvitation(t.Context(), "i"))
	l.calls.Store(0)
	wantCode(t, c.user(p, map[string]any{"oid": "two", "tid": "t"}, l.wrap).AcceptInvitation(t.Context(), "i"), "InvitationNotOpen")
}

func TestUserClientInput(t *testing.T) {
	c, _ := commonConsortium(t)
	ctx := t.Context()
	opts := &governance.ClientOptions{ServiceCertificate: c.env.ServiceCertificate(), DialContext: c.conn("consumer").DialContext}
	if _, err := governance.NewUserClient(c.env.LedgerURL(), nil, opts); err == nil {
		t.Error("a client without tokens was made")
	}
	failure := errors.New("no login")
	for _, test := range []struct {
		token string
		err   error
		says  string
	}{
		{"", failure, "get token: no login"},
		{"", nil, "no JWT"},
		{"a.b", nil, "no JWT"},
		{"a.b.c\r\nX-Other: y", nil, "no JWT"},
	} {
		calls := 0
		u, err := governance.NewUserClient(c.env.LedgerURL(), func(context.Context) (string, error) { calls++; return test.token, test.err }, opts)
		c.check(err)
		defer u.Close()
		err = u.Active(ctx)
		wantText(t, err, "governance: ask whether the user is active: ", test.says)
		if test.err != nil && !errors.Is(err, test.err) {
			t.Errorf("the cause is lost: %v", err)
		}
		if calls != 1 {
			t.Errorf("%q was asked for %d times", test.token, calls)
		}
		if _, err := u.ID(ctx); err == nil {
			t.Errorf("%q has an id", test.token)
		}
	}
	_, err := c.consumer.UserIdentity(ctx, "a/b")
	wantText(t, err, `user id "a/b"`)
	_, err = c.consumer.Invitation(ctx, "a/b")
	wantText(t, err, `invitation id "a/b"`)
	u := c.user(&identityProvider{}, nil, nil)
	wantText(t, u.AcceptInvitation(ctx, "a/b"), `invitation id "a/b"`)
}

// TestTokenIsNotLogged looks for the token in what a failing user gets to see.
func TestTokenIsNotLogged(t *testing.T) {
	c, _ := commonConsortium(t)
	p, err := newProvider()
	c.check(err)
	var tokens []string
	u, err := governance.NewUserClient(c.env.LedgerURL(), func(context.Context) (string, error) {
		tokens = append(tokens, p.token(map[string]any{"oid": "canary"}))
		return tokens[len(tokens)-1], nil
	}, &governance.ClientOptions{ServiceCertificate: c.env.ServiceCertificate(), DialContext: c.conn("consumer").DialContext})
	c.check(err)
	defer u.Close()
	err = u.Active(t.Context())
	wantCode(t, err, "InvalidAuthenticationInfo")
	for _, token := range tokens {
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%v", err)
			}
		}
	}
	if len(tokens) != 1 {
		t.Errorf("%d tokens", len(tokens))
	}
}
