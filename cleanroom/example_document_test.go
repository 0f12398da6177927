package cleanroom_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/cleanroom-go/sdk/cleanroom"
)

// Each party writes its own document; one of them merges both. Where they say
// different things under one name, the error says who says what.
func ExampleMergeParties() {
	document := func(clientID string) *cleanroom.Specification {
		s := cleanroom.NewSpecification()
		if err := s.AddIdentity("identity", clientID, "00000000-0000-0000-0000-0000000000aa", "https://issuer.example.org"); err != nil {
			log.Fatal(err)
		}
		return s
	}
	publisher := document("00000000-0000-0000-0000-000000000001")
	if err := publisher.AllowTCP("192.0.2.10", 5432); err != nil {
		log.Fatal(err)
	}
	_, err := cleanroom.MergeParties(
		cleanroom.PartyDocument{Party: "consumer", Document: document("00000000-0000-0000-0000-000000000002")},
		cleanroom.PartyDocument{Party: "publisher", Document: publisher},
	)
	var conflict *cleanroom.MergeConflictError
	if errors.As(err, &conflict) {
		for _, c := range conflict.Conflicts {
			fmt.Printf("%s\n%s says %s\n%s says %s\n", c.Path, c.HolderParty, c.Merged, c.Party, c.Other)
		}
	}
	// Output:
	// identities[identity].clientId
	// consumer says "00000000-0000-0000-0000-000000000002"
	// publisher says "00000000-0000-0000-0000-000000000001"
}
