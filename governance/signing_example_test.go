package governance_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// A room has a payload signed, and a member verifies it.
func ExampleClient_Signing() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	s.accept(s.client.Propose(ctx, governance.EnableSigning("0123456789abcdef0123456789abcdef")))
	kid, err := s.client.Signing().GenerateSigningKey(ctx)
	must(err)
	fmt.Println(kid)

	room := s.room(ctx)
	defer room.Close()
	payload := []byte("result sha256:aa of room 1")
	signature, err := room.Sign(ctx, payload)
	must(err)
	info, err := s.client.Signing().Info(ctx)
	must(err)
	fmt.Println(info.Verify(payload, signature))
	// Output:
	// 0123456789abcdef0123456789abcdef-1
	// <nil>
}

// A member looks for updates of the service before they are accepted.
func ExampleClient_Upgrade() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	_, err := s.client.Propose(ctx, governance.SetJSApp(governance.JSApp{
		Endpoints: json.RawMessage(`{}`), Modules: []governance.JSModule{{Name: "/hello.js", Script: "export {}"}},
	}))
	must(err)
	updates, err := s.client.Upgrade().Check(ctx)
	must(err)
	for _, u := range updates {
		fmt.Println(u.Action)
	}
	// Output: set_js_app
}
