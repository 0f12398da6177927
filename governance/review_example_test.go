package governance_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// A member looks at a proposal before it votes. The policy that is proposed
// names the container policy alone, which the review finds fault with.
func ExampleProposalClient_Review() {
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
	client, err := openService(ctx, env, keys) // as in the example of the package
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	contract := client.Contract("collab1")
	version, err := contract.Create(ctx, "the terms\n")
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

	proposal, err = contract.ProposeCleanRoomPolicy(ctx, governance.HostDataPolicy("5f3c0e8f6fbe9ff8a29a7a6d6ee1a0b8ad6ac9c5a5d5b1ffb0d9ae8f9b6a7c11"))
	if err != nil {
		log.Fatal(err)
	}
	review, err := client.Proposal(proposal.ID).Review(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, change := range review.Changes {
		fmt.Println(change.Subject)
		for _, d := range change.Differences {
			fmt.Printf("  %s becomes %s\n", d.Path, d.After)
		}
	}
	for _, w := range review.Warnings {
		fmt.Println("warning:", w.ID)
	}
	// Output:
	// clean room policy of contract collab1
	//   x-ms-sevsnpvm-hostdata becomes ["5f3c0e8f6fbe9ff8a29a7a6d6ee1a0b8ad6ac9c5a5d5b1ffb0d9ae8f9b6a7c11"]
	//   x-ms-sevsnpvm-is-debuggable becomes [false]
	// warning: policy.launch-measurement
	// warning: policy.vmpl
}

// openService starts the ledger, activates its founder and opens it.
func openService(ctx context.Context, env *cleanroomtest.Env, keys *governance.MemberKeys) (*governance.Client, error) {
	if err := env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: keys.CertificatePEM, Identifier: "consumer"}); err != nil {
		return nil, err
	}
	conn, err := env.Connect(cleanroomtest.Consumer, nil)
	if err != nil {
		return nil, err
	}
	member, err := keys.Member()
	if err != nil {
		return nil, err
	}
	client, err := governance.NewClient(env.LedgerURL(), member, &governance.ClientOptions{ServiceCertificate: env.ServiceCertificate(), DialContext: conn.DialContext})
	if err != nil {
		return nil, err
	}
	if err := client.Activate(ctx); err != nil {
		return nil, err
	}
	opening, err := client.Propose(ctx, governance.OpenService(env.ServiceCertificate()))
	if err != nil {
		return nil, err
	}
	_, err = client.Proposal(opening.ID).Vote(ctx, true)
	return client, err
}
