package governance_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// A room lets a helper report events, and a member sees that it did.
func ExampleRoomClient_SetDelegatePolicy() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	room := s.room(ctx)
	defer room.Close()
	helper := governance.HostDataPolicy("73973b78d70cc68353426de188db5dfc57e5b766e399935fb73a61127ea26d20")
	must(room.SetDelegatePolicy(ctx, governance.EventDelegate(), helper))

	contract := s.client.Contract("collab1")
	delegates, err := contract.Delegates(ctx)
	must(err)
	for _, d := range delegates {
		claims, err := contract.DelegatePolicy(ctx, d)
		must(err)
		fmt.Println(d, claims[governance.ClaimHostData])
	}
	// Output: events/writer [73973b78d70cc68353426de188db5dfc57e5b766e399935fb73a61127ea26d20]
}

// The members agree on where their room runs.
func ExampleContractClient_ProposeDeploymentInfo() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	contract := s.client.Contract("collab1")
	s.accept(contract.ProposeDeploymentInfo(ctx, json.RawMessage(`{"endpoint":"https://room.example"}`)))
	info, err := contract.DeploymentInfo(ctx)
	must(err)
	fmt.Println(string(info.Data))
	// Output: {"endpoint":"https://room.example"}
}
