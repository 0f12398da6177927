package governance_test

import (
	"context"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// A program in a room asks for consent, then reads a secret. The attester of
// this example is the machine of the local environment; a genuine room has a
// device.
func ExampleNewRoomClient() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	attester := guest{s.env.Launch([]byte("package policy\n"))}
	s.accept(s.client.Contract("collab1").ProposeCleanRoomPolicy(ctx, governance.HostDataPolicy(attester.hostData())))
	id, err := s.client.Contract("collab1").PutSecret(ctx, "greeting", "hello")
	must(err)

	room, err := governance.NewRoomClient(s.env.LedgerURL(), "collab1", attester, &governance.RoomClientOptions{
		ServiceCertificate: s.env.ServiceCertificate(), DialContext: s.conn.DialContext,
	})
	must(err)
	defer room.Close()
	consent, err := room.Consent(ctx, governance.Execution)
	must(err)
	must(consent.Err())
	secret, err := room.Secret(ctx, id)
	must(err)
	fmt.Printf("%s\n", secret)
	// Output: hello
}
