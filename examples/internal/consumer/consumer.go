// Package consumer is the program of the party that brings the query and gets
// its result. It also founds the consortium.
package consumer

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/query"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/governance"
)

type consumer struct {
	*party.Party
	partner, image string
	weakTLS        bool
}

// Run plays the steps that args name.
func Run(ctx context.Context, args []string, o *party.Options) error {
	c := &consumer{Party: party.New(steps.Consumer, o)}
	f := c.Flags()
	f.StringVar(&c.partner, "partner-tenant", "", "Entra tenant `id` of the publisher")
	f.StringVar(&c.image, "image", "", "`reference` of the query's image, registry/repository@sha256:DIGEST")
	f.BoolVar(&c.weakTLS, "insecure-db-tls", false, "let the query connect to a database whose TLS proves less than verify-full")
	return c.Run(ctx, args, []party.Step{
		{Name: "keys", Help: "make the member key and share its certificate", Run: c.MakeKeys},
		{Name: "found", Help: "activate, open the ledger, let the publisher in, enable the token issuer", Run: c.found},
		{Name: "describe", Help: "make the output sink, write the document", Run: c.describe},
		{Name: "propose", Help: "merge both documents, propose the result as the contract and vote for it", Run: func(ctx context.Context) error {
			return c.ProposeContract(ctx, c.Document(), c.Shared(steps.Publisher+"-config.yaml"))
		}},
		{Name: "deployment", Help: "generate the deployment from the accepted contract and propose it", Run: c.ProposeDeployment},
		{Name: "approve", Help: "verify the proposed deployment and vote for it", Run: func(ctx context.Context) error { return c.Approve(ctx, false) }},
		{Name: "provide", Help: "publish the issuer, import the key, wrap the data key", Run: c.provide},
		{Name: "template", Help: "write the accepted template for the platform", Run: c.WriteTemplate},
		{Name: "download", Help: "download the output and compare it with what the room reported", Run: c.download},
	})
}

// found makes a consortium of a ledger that knows the consumer alone, so its
// vote is enough for each of the proposals.
func (c *consumer) found(ctx context.Context) error {
	if err := c.Activate(ctx); err != nil {
		return err
	}
	ledger, err := c.Governance()
	if err != nil {
		return err
	}
	service, err := c.ServiceCertificate()
	if err != nil {
		return err
	}
	if err := c.Pass(ctx, governance.OpenService(service)); err != nil {
		return err
	}
	if err := ledger.WaitReady(ctx); err != nil {
		return err
	}
	partner, err := os.ReadFile(c.Certificate(steps.Publisher))
	if err != nil {
		return err
	}
	if err := c.Pass(ctx,
		governance.SetMemberData(ledger.Member().ID(), governance.MemberData{Identifier: c.Name, TenantID: c.Tenant}),
		governance.SetMember(partner, governance.MemberData{Identifier: steps.Publisher, TenantID: c.partner}),
	); err != nil {
		return err
	}
	c.Step(steps.Governance, "service open; members: consumer, active, and publisher, accepted", 6)
	if err := c.Pass(ctx, governance.EnableOIDCIssuer(rand.Text())); err != nil {
		return err
	}
	kid, err := ledger.OIDC().GenerateSigningKey(ctx)
	if err == nil {
		c.Step(steps.Governance, "token issuer enabled, its key made inside the service: "+steps.Short(kid)+"...", 59)
	}
	return err
}

func (c *consumer) describe(ctx context.Context) error {
	publisher, err := c.MemberID(ctx, steps.Publisher)
	if err != nil {
		return err
	}
	s := cleanroom.NewSpecification()
	if err := s.AddIdentity(c.IdentityName(), c.Identity, c.Tenant, c.Issuer); err != nil {
		return err
	}
	if err := s.SetKEK(cleanroom.KEKStore{Key: c.KEKName(), VaultURL: c.Vault, AttestationURL: c.Attestation}); err != nil {
		return err
	}
	if err := s.AddDatasink(cleanroom.DatasinkOptions{Name: query.Output, ContainerURL: c.Storage + "/" + query.Output, Identity: c.IdentityName()}); err != nil {
		return err
	}
	if err := s.AddApplication(cleanroom.ApplicationOptions{
		Name: query.Application, Image: c.image, CPU: 0.5, MemoryInGB: 1,
		Command:     []string{"/query", fmt.Sprintf("-insecure-db-tls=%t", c.weakTLS)},
		Environment: cleanroom.Environment{{Name: query.SecretVariable, Value: governance.SecretID(publisher, party.SecretName)}},
		Datasinks:   cleanroom.Mounts{{Name: query.Output, Path: "/mnt/remote/output"}},
	}); err != nil {
		return err
	}
	if err := c.MakeSink(ctx, s, query.Output); err != nil {
		return err
	}
	if err := s.WriteFile(c.Document()); err != nil {
		return err
	}
	c.Step(c.Name, "document written: identity, key store, encrypted output sink, the query pinned by its digest", 13, 15, 24, 28)
	return nil
}

func (c *consumer) provide(ctx context.Context) error {
	_, _, _, err := c.Provide(ctx, query.Output, 57)
	return err
}

func (c *consumer) download(ctx context.Context) error {
	files, err := c.Download(ctx, query.Output)
	if err != nil {
		return err
	}
	rows, err := party.CountLines(files[0].Path)
	if err != nil {
		return err
	}
	events, err := c.Events(ctx)
	if err != nil {
		return err
	}
	reported := int64(-1)
	for _, e := range events {
		if e.Rows != nil {
			reported = *e.Rows
		}
	}
	if rows != reported {
		return fmt.Errorf("%s has %d rows, the room reported %d", files[0].Path, rows, reported)
	}
	c.Result(c.Name, fmt.Sprintf("output downloaded and decrypted: %d rows, as the room reported", rows), map[string]string{"rows": fmt.Sprint(rows)}, 67, 70)
	return nil
}
