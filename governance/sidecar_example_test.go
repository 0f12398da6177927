package governance_test

import (
	"context"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// ExampleNewSidecarRoom reads a secret through the platform's sidecar. In a room
// the first argument is empty: the sidecar is where it always is.
func ExampleNewSidecarRoom() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	g := guest{s.env.Launch([]byte("package policy\n"))}
	s.accept(s.client.Contract("collab1").ProposeCleanRoomPolicy(ctx, governance.HostDataPolicy(g.hostData())))
	id, err := s.client.Contract("collab1").PutSecret(ctx, "greeting", "hello")
	must(err)
	sidecar, err := g.GovernanceSidecar("collab1")
	must(err)
	defer sidecar.Close()

	room, err := governance.NewSidecarRoom(sidecar.URL, "collab1", nil)
	must(err)
	defer room.Close()
	secret, err := room.Secret(ctx, id)
	must(err)
	fmt.Printf("%s\n", secret)
	// Output: hello
}
