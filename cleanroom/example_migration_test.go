package cleanroom_test

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/skr"
)

// docs/MIGRATION.md shows the lines of these functions, in this order. A test
// compares them.

func migrateMember(ctx context.Context, partnerCert, serviceCert []byte) (*governance.Client, error) {
	member, err := governance.LoadMember("consumer_cert.pem", "consumer_privk.pem")
	if err != nil {
		return nil, err
	}
	client, err := governance.NewClient("https://ledger.example.org", member, &governance.ClientOptions{ServiceCertificate: serviceCert})
	if err != nil {
		return nil, err
	}
	if err := client.Activate(ctx); err != nil {
		return nil, err
	}
	partner := governance.MemberData{Identifier: "publisher", TenantID: "00000000-0000-0000-0000-000000000002"}
	proposal, err := client.Propose(ctx, governance.SetMember(partnerCert, partner))
	if err != nil {
		return nil, err
	}
	_, err = client.Proposal(proposal.ID).Vote(ctx, true)
	return client, err
}

func migrateDocument(deks *cleanroom.DEKStore, clientID, tenantID, issuer string) error {
	s := cleanroom.NewSpecification()
	if err := s.AddIdentity("consumer-identity", clientID, tenantID, issuer); err != nil {
		return err
	}
	if err := s.SetKEK(cleanroom.KEKStore{Key: "consumer-kek", VaultURL: "https://consumerkv.vault.azure.net", AttestationURL: "https://sharedneu.neu.attest.azure.net"}); err != nil {
		return err
	}
	dek, err := deks.Create("consumer-output") // never overwrites a key
	if err != nil {
		return err
	}
	defer dek.Close()
	if err := s.AddDatasink(cleanroom.DatasinkOptions{
		Name: "consumer-output", ContainerURL: "https://consumersa.blob.core.windows.net/consumer-output",
		Identity: "consumer-identity", Mode: string(datasink.Sealed), DEKDigest: dek.Digest(),
	}); err != nil {
		return err
	}
	return s.WriteFile("consumer.yaml")
}

func migrateContract(ctx context.Context, client *governance.Client, contractID string, own *cleanroom.Specification) error {
	contract := client.Contract(contractID)
	c, err := contract.Get(ctx)
	if err != nil {
		return err
	}
	proposed, err := cleanroom.ParseSpecification([]byte(c.Data))
	if err != nil {
		return err
	}
	review, err := proposed.ReviewFor(own) // an error if something of ours is missing, or used by others
	if err != nil {
		return err
	}
	fmt.Println("the others bring", review.Applications, review.Datasinks, review.Network) // look at it
	_, err = contract.Vote(ctx, c.ProposalID, true)
	return err
}

func migrateDeployment(ctx context.Context, client *governance.Client, spec *cleanroom.Specification, options cleanroom.GenerateOptions) error {
	proposals, err := cleanroom.ReadProposals(ctx, client, options.ContractID)
	if err != nil {
		return err
	}
	if _, err := cleanroom.VerifyProposals(cleanroom.VerifyInput{
		Specification: spec, GenerateOptions: options,
		ProposedTemplate: proposals.Template, ProposedPolicy: proposals.Policy,
	}); err != nil {
		return err // a *DeniedError names each difference: vote no
	}
	for _, id := range []string{proposals.TemplateID, proposals.PolicyID} {
		if _, err := client.Proposal(id).Vote(ctx, true); err != nil {
			return err
		}
	}
	return nil
}

func migrateKeys(ctx context.Context, client *governance.Client, cred azcore.TokenCredential, contractID string, kek skr.KeyRef, own *cleanroom.Specification, deks *cleanroom.DEKStore) (*cleanroom.Keys, skr.KeyRef, *rsa.PublicKey, error) {
	fail := func(err error) (*cleanroom.Keys, skr.KeyRef, *rsa.PublicKey, error) {
		return nil, skr.KeyRef{}, nil, err
	}
	accepted, err := client.Contract(contractID).CleanRoomPolicy(ctx)
	if err != nil {
		return fail(err)
	}
	policy, err := cleanroom.ReleasePolicyFor(accepted, kek.AttestationURL)
	if err != nil {
		return fail(err)
	}
	keys, err := cleanroom.NewKeys(cred, nil)
	if err != nil {
		return fail(err)
	}
	kek, public, err := keys.ImportKEK(ctx, kek, policy, nil)
	if err != nil {
		return fail(err) // a *KEKPolicyError if a key is there under another policy
	}
	if _, err := keys.WrapDEKs(ctx, own, []string{"consumer-output"}, deks, policy); err != nil {
		return fail(err)
	}
	return keys, kek, public, nil
}

func migrateSecret(ctx context.Context, client *governance.Client, contractID string, keys *cleanroom.Keys, ref skr.SecretRef, public *rsa.PublicKey, password []byte, db dbsecret.Document) (string, error) {
	var err error
	if db.Password, err = keys.WrapSecret(ctx, ref, public, password); err != nil {
		return "", err
	}
	document, err := db.Encode()
	if err != nil {
		return "", err
	}
	return client.Contract(contractID).PutSecret(ctx, "db-config", document) // returns the id, MEMBER_db-config
}

func migrateRun(ctx context.Context, client *governance.Client, contractID, group string, azure *cleanroom.Provisioner) error {
	in, err := cleanroom.ReadPlan(ctx, client, contractID)
	if err != nil {
		return err
	}
	findings, err := cleanroom.Plan(ctx, in) // a *PlanError if the run cannot succeed
	if err != nil {
		return err
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	if _, err := azure.Deploy(ctx, group, "room", in.Template, nil); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	return azure.WaitRoom(ctx, group, "room", nil) // an *ExitError if the program failed
}

func migrateResult(ctx context.Context, client *governance.Client, contractID string, sink *datasink.Sink) error {
	if _, err := sink.Download(ctx, "result", nil); err != nil {
		return err
	}
	for event, err := range client.Contract(contractID).Events(ctx, nil) {
		if err != nil {
			return err
		}
		fmt.Printf("%s %s\n", event.Time, event.Data)
	}
	return nil
}

// The steps of a party that comes from the command line, in their order.
func Example_migration() {
	var (
		ctx      = context.Background()
		own      *cleanroom.Specification
		deks     *cleanroom.DEKStore
		cred     azcore.TokenCredential
		azure    *cleanroom.Provisioner
		output   *datasink.Sink
		kek      skr.KeyRef
		ref      skr.SecretRef
		password []byte
	)
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	client, err := migrateMember(ctx, nil, nil)
	must(err)
	must(migrateDocument(deks, "", "", ""))
	must(migrateContract(ctx, client, "collab1", own))
	must(migrateDeployment(ctx, client, own, cleanroom.GenerateOptions{ContractID: "collab1"}))
	keys, kek, public, err := migrateKeys(ctx, client, cred, "collab1", kek, own, deks)
	must(err)
	ref.KEK = kek
	_, err = migrateSecret(ctx, client, "collab1", keys, ref, public, password, dbsecret.Document{})
	must(err)
	must(migrateRun(ctx, client, "collab1", "consumer-rg", azure))
	must(migrateResult(ctx, client, "collab1", output))
}
