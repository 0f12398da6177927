package governance_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// The founder of a network activates itself, opens the service, and proposes a
// contract that it then votes for. The network of this example runs on
// loopback; for a genuine one leave DialContext out.
func Example() {
	ctx := context.Background()
	keys, err := governance.GenerateMemberKeys("consumer", nil)
	if err != nil {
		log.Fatal(err)
	}
	env, err := cleanroomtest.Start(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer env.Close()
	if err := env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: keys.CertificatePEM, Identifier: "consumer"}); err != nil {
		log.Fatal(err)
	}
	conn, err := env.Connect(cleanroomtest.Consumer, nil)
	if err != nil {
		log.Fatal(err)
	}

	member, err := keys.Member()
	if err != nil {
		log.Fatal(err)
	}
	client, err := governance.NewClient(env.LedgerURL(), member, &governance.ClientOptions{
		ServiceCertificate: env.ServiceCertificate(),
		DialContext:        conn.DialContext,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := client.Activate(ctx); err != nil {
		log.Fatal(err)
	}
	opening, err := client.Propose(ctx, governance.OpenService(env.ServiceCertificate()))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("opening:", opening.State) // to propose is not to vote
	if opening, err = client.Proposal(opening.ID).Vote(ctx, true); err != nil {
		log.Fatal(err)
	}
	fmt.Println("opening:", opening.State)

	contract := client.Contract("collab1")
	version, err := contract.Create(ctx, "what the parties agree on")
	if err != nil {
		log.Fatal(err)
	}
	proposal, err := contract.Propose(ctx, version)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := contract.Vote(ctx, proposal.ID, true); err != nil {
		log.Fatal(err)
	}
	accepted, err := contract.Get(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s: %s\n", accepted.ID, accepted.State, accepted.Data)

	_, err = contract.Create(ctx, "something else")
	fmt.Println(err)
	// Output:
	// opening: Open
	// opening: Accepted
	// collab1: Accepted: what the parties agree on
	// governance: create contract collab1: ContractAlreadyAccepted (405): An accepted contract cannot be changed.
	// 	remedy an accepted contract cannot be changed; make a new one under another id
}
