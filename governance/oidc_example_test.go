package governance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
)

// The members let the service issue tokens; each publishes the documents of the
// issuer where its own tenant reads them, and says where that is.
func ExampleClient_OIDC() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	s.accept(s.client.Propose(ctx, governance.EnableOIDCIssuer("key")))
	oidc := s.client.OIDC()
	kid, err := oidc.GenerateSigningKey(ctx)
	must(err)
	keys, err := oidc.Keys(ctx)
	must(err)
	configuration, jwks, err := governance.IssuerDocuments("https://issuer.example/collab1", keys)
	must(err)
	var document struct {
		Issuer string `json:"issuer"`
	}
	must(json.Unmarshal(configuration, &document))
	fmt.Println(kid, document.Issuer)

	// Later, whoever relies on the issuer reads both documents from its site.
	must(governance.CheckIssuerDocuments("https://issuer.example/collab1", keys, configuration, jwks))
	planted := strings.Replace(string(jwks), "]", `,{"kty":"RSA","kid":"planted","n":"AQ","e":"AQAB"}]`, 1)
	err = governance.CheckIssuerDocuments("https://issuer.example/collab1", keys, configuration, []byte(planted))
	var denied *governance.DeniedError
	fmt.Println(errors.As(err, &denied))
	// Output:
	// key-1 https://issuer.example/collab1
	// true
}

// A room leaves a secret for the other rooms of its contract.
func ExampleRoomClient_PutSecret() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	room := s.room(ctx)
	defer room.Close()
	id, err := room.PutSecret(ctx, "checkpoint", "42")
	must(err)
	secret, err := room.Secret(ctx, id)
	must(err)
	fmt.Printf("%s: %s\n", id, secret)
	// Output: cleanroom_checkpoint: 42
}
