package governance_test

import (
	"context"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// The members write down which tenant one of them belongs to. The proposal
// replaces all data of the member, so it begins with what is there.
func ExampleClient_Members() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	members, err := s.client.Members(ctx)
	must(err)
	for _, m := range members {
		data := m.Data
		data.TenantID = "10000000-0000-4000-8000-000000000001"
		s.accept(s.client.Propose(ctx, governance.SetMemberData(m.ID, data)))
	}
	members, err = s.client.Members(ctx)
	must(err)
	for _, m := range members {
		fmt.Println(m.Name(), m.Status, m.Data.TenantID, m.Data.Votes())
	}
	// Output: consumer Active 10000000-0000-4000-8000-000000000001 true
}
