package governance_test

import (
	"context"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// The members trust a provider of tokens and register one of its users, who
// then reads the contract.
func ExampleNewUserClient() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	provider, err := newProvider() // signs tokens in this example
	must(err)
	s.accept(s.client.Propose(ctx, governance.SetJWTIssuer(governance.JWTIssuer{Issuer: provider.issuer, Keys: provider.jwks})))

	token := func(context.Context) (string, error) {
		return provider.token(map[string]any{"oid": "object-id", "tid": "tenant-id"}), nil
	}
	user, err := governance.NewUserClient(s.env.LedgerURL(), token, &governance.ClientOptions{
		ServiceCertificate: s.env.ServiceCertificate(), DialContext: s.conn.DialContext,
	})
	must(err)
	defer user.Close()
	fmt.Println(user.Active(ctx))

	s.accept(s.client.Propose(ctx, governance.SetUserIdentity(governance.UserIdentity{ID: "object-id", TenantID: "tenant-id"})))
	contract, err := user.Contract(ctx, "collab1")
	must(err)
	fmt.Println(contract.State, contract.Data)
	// Output:
	// governance: ask whether the user is active: CallerNotAuthorized (403): User object-id is not authorized to invoke this endpoint.
	// 	remedy the members must register the user first, with SetUserIdentity
	// Accepted terms
}

// An invitation is for whoever has a token with its claims.
func ExampleClient_Invitation() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	s.accept(s.client.Propose(ctx, governance.SetUserInvitation("analyst", governance.InvitationUpdate{
		Type: governance.PolicyAdd, Claims: map[string][]string{"preferred_username": {"a@b.example"}, "tid": {"tenant-id"}},
	})))
	invitation, err := s.client.Invitation(ctx, "analyst")
	must(err)
	fmt.Println(invitation.Status, invitation.Claims)
	// Output: Open map[preferred_username:[a@b.example] tid:[tenant-id]]
}
