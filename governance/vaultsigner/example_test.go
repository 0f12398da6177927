package vaultsigner_test

import (
	"context"
	"fmt"
	"log"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/governance/vaultsigner"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Example makes a member of a key that the vault made, and lets it open a
// network. With a vault of one's own there are no client options to set.
func Example() {
	ctx := context.Background()
	env, err := cleanroomtest.Start(ctx, nil)
	must(err)
	defer env.Close()
	conn, err := env.Connect(cleanroomtest.Publisher, nil)
	must(err)
	defer conn.Close()
	party, err := env.Party(cleanroomtest.Publisher)
	must(err)

	keys, err := azkeys.NewClient(party.VaultURL, conn.Credential(), &azkeys.ClientOptions{ClientOptions: conn.ClientOptions()})
	must(err)
	_, err = keys.CreateKey(ctx, "member", azkeys.CreateKeyParameters{
		Kty: to.Ptr(azkeys.KeyTypeECHSM), Curve: to.Ptr(azkeys.CurveNameP384),
	}, nil)
	must(err)

	signer, err := vaultsigner.New(ctx, party.VaultURL+"/keys/member", conn.Credential(), &vaultsigner.Options{ClientOptions: conn.ClientOptions()})
	must(err)
	cert, err := signer.SelfSigned("publisher", 0)
	must(err)
	member, err := governance.NewMember(cert, signer)
	must(err)

	must(env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: member.CertificatePEM(), Identifier: "publisher"}))
	client, err := governance.NewClient(env.LedgerURL(), member, &governance.ClientOptions{
		ServiceCertificate: env.ServiceCertificate(), DialContext: conn.DialContext,
	})
	must(err)
	defer client.Close()
	must(client.Activate(ctx))
	proposal, err := client.Propose(ctx, governance.OpenService(env.ServiceCertificate()))
	must(err)
	proposal, err = client.Proposal(proposal.ID).Vote(ctx, true)
	must(err)
	fmt.Println(proposal.State)
	// Output: Accepted
}
