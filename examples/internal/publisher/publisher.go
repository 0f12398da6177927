// Package publisher is the program of the party that owns the database.
package publisher

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/examples/internal/party"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/skr"
)

type publisher struct {
	*party.Party
	db       dbsecret.Document
	dbCA     string
	withhold bool
	stored   map[string]*dbsecret.Document // by the id of the secret
}

// Run plays the steps that args name. The password of the database comes from
// the environment variable PGPASSWORD.
func Run(ctx context.Context, args []string, o *party.Options) error {
	p := &publisher{Party: party.New(steps.Publisher, o)}
	p.Environment = "environment: PGPASSWORD, the database's password, for the step provide\n"
	f := p.Flags()
	f.StringVar(&p.db.Endpoint, "db-host", "", "`host` of the database, as in its certificate")
	f.IntVar(&p.db.Port, "db-port", dbsecret.DefaultPort, "`port` of the database")
	f.StringVar(&p.db.Name, "db-name", "", "`name` of the database")
	f.StringVar(&p.db.User, "db-user", "", "`user` of the database")
	f.StringVar(&p.db.SSLMode, "db-sslmode", "verify-full", "TLS `mode` of the database")
	f.StringVar(&p.dbCA, "db-ca", "", "PEM `file` with the authority of its certificate (default: the system's)")
	f.BoolVar(&p.withhold, "withhold-policy-vote", false, "do not vote for the clean room policy")
	return p.Run(ctx, args, []party.Step{
		{Name: "keys", Help: "make the member key and share its certificate", Run: p.MakeKeys},
		{Name: "join", Help: "become an active member, once the consumer has let the publisher in", Needs: party.Ledger, Run: p.Activate},
		{Name: "describe", Help: "make the log sink, write and share the document", Needs: party.Resources("db-host", "db-name", "db-user"), Run: p.describe},
		{Name: "accept", Help: "review the consumer's contract and vote for it", Needs: append([]string{"image"}, party.Ledger...), Run: p.Accept},
		{Name: "approve", Help: "verify the proposed deployment and vote for it", Needs: append([]string{"image-policy"}, party.Ledger...), Run: p.approve},
		{Name: "provide", Help: "publish the issuer, import the key, wrap and store the secrets", Needs: party.Resources(party.Ledger...), Run: p.provide},
		{Name: "plan", Help: "look for what would keep the run from succeeding", Needs: party.Resources(append([]string{"image-policy"}, party.Ledger...)...), Run: p.plan},
		{Name: "withdraw", Help: "withdraw the consent to execution", Needs: party.Ledger, Run: p.withdraw},
		{Name: "logs", Help: "download the room's log and list the audit events", Needs: party.Ledger, Run: p.logs},
	})
}

func (p *publisher) describe(ctx context.Context) error {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.db.Endpoint)
	if err != nil {
		return err
	}
	s := cleanroom.NewSpecification()
	if err := s.AddIdentity(p.IdentityName(), p.Identity, p.Tenant, p.Issuer); err != nil {
		return err
	}
	if err := s.SetKEK(cleanroom.KEKStore{Key: p.KEKName(), VaultURL: p.Vault, AttestationURL: p.Attestation}); err != nil {
		return err
	}
	for _, a := range addresses {
		if err := s.AllowTCP(a.Unmap().String(), p.db.Port); err != nil {
			return err
		}
	}
	if err := p.AddSink(ctx, s, cleanroom.ApplicationTelemetry, "publisher-logs", "", s.SetLogging); err != nil {
		return err
	}
	if err := p.WriteDocument(s); err != nil {
		return err
	}
	p.Step(p.Name, "document shared: identity, key store, encrypted log sink, and the database as the only address that the query needs", 12, 14, 17, 21, 23)
	return nil
}

func (p *publisher) approve(ctx context.Context) error { return p.Approve(ctx, p.withhold) }

func (p *publisher) provide(ctx context.Context) error {
	password := []byte(os.Getenv("PGPASSWORD"))
	defer clear(password)
	if len(password) == 0 {
		return &party.UsageError{Err: errors.New("PGPASSWORD is not set; it is the database's password, which will be wrapped for the room")}
	}
	provided, err := p.Provide(ctx, cleanroom.ApplicationTelemetry, 56)
	if err != nil {
		return err
	}
	ref := skr.SecretRef{Name: "publisher-db-password", ClientID: p.Identity, TenantID: p.Tenant, VaultURL: p.Vault, KEK: provided.KEK}
	if p.db.Password, err = provided.Keys.WrapSecret(ctx, ref, provided.Public, password); err != nil {
		return err
	}
	p.Step(p.Name, "database password wrapped under "+ref.KEK.Name+", in the vault", 54)
	if p.dbCA != "" {
		pem, err := os.ReadFile(p.dbCA)
		if err != nil {
			return err
		}
		p.db.SSLRootCert = string(pem)
	}
	document, err := p.db.Encode()
	if err != nil {
		return err
	}
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	id, err := ledger.Contract(p.ContractID).PutSecret(ctx, party.SecretName, document)
	if err != nil {
		return err
	}
	p.stored = map[string]*dbsecret.Document{id: &p.db}
	p.Step(p.Name, "database described in the ledger's secret "+steps.Short(id)+"..._"+party.SecretName+", for attested rooms alone", 19, 20, 55)
	return nil
}

func (p *publisher) plan(ctx context.Context) error { return p.Plan(ctx, p.stored) }

func (p *publisher) withdraw(ctx context.Context) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	if err := ledger.Contract(p.ContractID).DisableExecution(ctx); err != nil {
		return err
	}
	p.Step(p.Name, "consent to execution withdrawn", 50)
	return nil
}

func (p *publisher) logs(ctx context.Context) error {
	file, err := p.Download(ctx, cleanroom.ApplicationTelemetry, party.LogFile)
	if err != nil {
		return err
	}
	p.Step(p.Name, "room's log downloaded and decrypted: "+filepath.Base(file), 68)
	events, err := p.Events(ctx)
	for _, e := range events {
		p.Step(p.Name, "audit event "+e.String(), 70, 71)
	}
	return err
}
