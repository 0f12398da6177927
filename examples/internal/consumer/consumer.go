// Package consumer is the program of the party that brings the query and gets
// its result. It also founds the consortium.
package consumer

import (
	"context"
	"fmt"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/query"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/governance"
)

type consumer struct {
	*party.Party
	partner string
	weakTLS bool
	format  string
	tamper  bool
}

// Run plays the steps that args name.
func Run(ctx context.Context, args []string, o *party.Options) error {
	c := &consumer{Party: party.New(steps.Consumer, o)}
	f := c.Flags()
	f.StringVar(&c.partner, "partner-tenant", "", "Entra tenant `id` of the publisher")
	f.BoolVar(&c.weakTLS, "insecure-db-tls", false, "let the query connect to a database whose TLS proves less than verify-full")
	f.StringVar(&c.format, "format", "sealed", "`how` the output is encrypted: sealed, by the room and for programs with this SDK, or cpk, by the storage service with the key of each request")
	f.BoolVar(&c.tamper, "tamper-template", false, "propose a room that the host can enter, to see the other party refuse it")
	return c.Run(ctx, args, []party.Step{
		{Name: "keys", Help: "make the member key and share its certificate", Run: c.MakeKeys},
		{Name: "found", Help: "activate, open the ledger, let the publisher in, enable the token issuer", Needs: append([]string{"tenant", "partner-tenant"}, party.Ledger...), Run: c.found},
		{Name: "describe", Help: "make the output sink, write the document", Needs: party.Resources(append([]string{"image"}, party.Ledger...)...), Run: c.describe},
		{Name: "propose", Help: "merge both documents, propose the result as the contract and vote for it", Needs: party.Ledger, Run: c.propose},
		{Name: "deployment", Help: "generate the deployment from the accepted contract and propose it", Needs: append([]string{"image-policy"}, party.Ledger...), Run: c.deployment},
		{Name: "approve", Help: "verify the proposed deployment and vote for it", Needs: append([]string{"image-policy"}, party.Ledger...), Run: c.approve},
		{Name: "retract", Help: "withdraw the open proposals, to propose others", Needs: party.Ledger, Run: c.Retract},
		{Name: "provide", Help: "publish the issuer, import the key, wrap the data key", Needs: party.Resources(party.Ledger...), Run: c.provide},
		{Name: "plan", Help: "look for what would keep the run from succeeding", Needs: party.Resources(append([]string{"image-policy"}, party.Ledger...)...), Run: c.plan},
		{Name: "template", Help: "write the accepted template for the platform", Needs: party.Ledger, Run: c.WriteTemplate},
		{Name: "download", Help: "download the output and compare it with what the room reported", Needs: party.Ledger, Run: c.download},
	})
}

// found makes a consortium of a ledger that knows the consumer alone, so its
// vote is enough for each of the proposals.
func (c *consumer) found(ctx context.Context) error {
	if err := c.Activate(ctx); err != nil {
		return err
	}
	if err := c.OpenLedger(ctx); err != nil {
		return err
	}
	if err := c.LetIn(ctx, steps.Publisher, c.partner); err != nil {
		return err
	}
	return c.EnableIssuer(ctx)
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
	mode, ok := map[string]datasink.Mode{"sealed": datasink.Sealed, "cpk": datasink.CPK}[c.format]
	if !ok {
		return &party.UsageError{Err: fmt.Errorf("-format %q: want sealed or cpk", c.format)}
	}
	if err := c.AddSink(ctx, s, query.Output, query.Output, string(mode), s.AddDatasink); err != nil {
		return err
	}
	if err := s.AddApplication(cleanroom.ApplicationOptions{
		Name: query.Application, Image: c.Image, CPU: 0.5, MemoryInGB: 1,
		Command:     []string{"/query", fmt.Sprintf("-insecure-db-tls=%t", c.weakTLS)},
		Environment: cleanroom.Environment{{Name: query.SecretVariable, Value: governance.SecretID(publisher, party.SecretName)}},
		Datasinks:   cleanroom.Mounts{{Name: query.Output, Path: "/mnt/remote/output"}},
	}); err != nil {
		return err
	}
	if err := c.WriteDocument(s); err != nil {
		return err
	}
	c.Step(c.Name, "document written: identity, key store, encrypted output sink, the query pinned by its digest", 13, 15, 24, 28)
	return nil
}

func (c *consumer) propose(ctx context.Context) error {
	return c.ProposeContract(ctx, c.Document(), c.SharedDocument(steps.Publisher))
}

func (c *consumer) deployment(ctx context.Context) error { return c.ProposeDeployment(ctx, c.tamper) }

func (c *consumer) approve(ctx context.Context) error { return c.Approve(ctx, false) }

func (c *consumer) provide(ctx context.Context) error {
	_, err := c.Provide(ctx, query.Output, 57)
	return err
}

func (c *consumer) plan(ctx context.Context) error { return c.Plan(ctx, nil) }

func (c *consumer) download(ctx context.Context) error {
	file, err := c.Download(ctx, query.Output, query.File)
	if err != nil {
		return err
	}
	rows, err := party.CountLines(file)
	if err != nil {
		return err
	}
	events, err := c.Events(ctx)
	if err != nil {
		return err
	}
	if reported := events.Rows(); rows != reported {
		return fmt.Errorf("%s has %d rows, the room reported %d", file, rows, reported)
	}
	c.Counted(query.File, rows)
	c.Result(c.Name, fmt.Sprintf("output downloaded and decrypted: %d rows, as the room reported", rows), map[string]string{"rows": fmt.Sprint(rows)}, 67, 70)
	return nil
}
