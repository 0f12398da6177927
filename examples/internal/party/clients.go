package party

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/transport"
)

const certFile, keyFile = "member_cert.pem", "member_privk.pem"

// MakeKeys makes the member's key and certificate unless they are there, and
// shares the certificate.
func (p *Party) MakeKeys(context.Context) error {
	if err := errors.Join(os.MkdirAll(p.Dir, 0o700), os.MkdirAll(p.Share, 0o755)); err != nil {
		return err
	}
	if _, err := os.Stat(p.Own(keyFile)); errors.Is(err, fs.ErrNotExist) {
		keys, err := governance.GenerateMemberKeys(p.Name, nil)
		if err != nil {
			return err
		}
		defer keys.Close()
		if err := os.WriteFile(p.Own(certFile), keys.CertificatePEM, 0o644); err != nil {
			return err
		}
		// Last, since it is what the next run looks for.
		if err := os.WriteFile(p.Own(keyFile), keys.PrivateKeyPEM(), 0o600); err != nil {
			return err
		}
	}
	m, err := governance.LoadMember(p.Own(certFile), p.Own(keyFile))
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.Certificate(p.Name), m.CertificatePEM(), 0o644); err != nil {
		return err
	}
	p.Step(p.Name, "member key made, certificate shared; member id "+steps.Short(m.ID())+"...", 1)
	return nil
}

// Governance connects to the ledger as the party's member. All steps share one
// client, and so one connection.
func (p *Party) Governance() (*governance.Client, error) {
	if p.options.ledger != nil {
		return p.options.ledger, nil
	}
	member, err := governance.LoadMember(p.Own(certFile), p.Own(keyFile))
	if err != nil {
		return nil, err
	}
	cert, err := p.ServiceCertificate()
	if err != nil {
		return nil, err
	}
	o := &governance.ClientOptions{ServiceCertificate: cert, DialContext: p.options.DialContext}
	o.Transport = func(t http.RoundTripper) http.RoundTripper {
		if w := p.options.Wire; w != nil {
			t = w.Wrap(t)
		}
		return p.options.Record.Wrap(t)
	}
	p.options.ledger, err = governance.NewClient(p.ledgerURL, member, o)
	return p.options.ledger, err
}

// ServiceCertificate is the ledger's certificate in PEM.
func (p *Party) ServiceCertificate() ([]byte, error) {
	if p.ledgerCert == "" {
		return nil, &UsageError{errors.New("-ledger-cert is missing: the ledger is trusted by its certificate alone")}
	}
	return os.ReadFile(p.ledgerCert)
}

// Credential is the party's Azure account.
func (p *Party) Credential() (azcore.TokenCredential, error) {
	if p.options.Credential == nil {
		cred, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: transport.Harden(p.options.Client, nil), TenantID: p.Tenant})
		if err != nil {
			return nil, err
		}
		p.options.Credential = cred
	}
	return p.options.Credential, nil
}

// Keys is the client of the party's vault.
func (p *Party) Keys() (*cleanroom.Keys, error) {
	cred, err := p.Credential()
	if err != nil {
		return nil, err
	}
	return cleanroom.NewKeys(cred, &cleanroom.KeysOptions{ClientOptions: p.options.Client})
}

// DEKs are the party's data keys.
func (p *Party) DEKs() (*cleanroom.DEKStore, error) { return cleanroom.OpenDEKStore(p.Own("deks")) }

// AddSink makes the data key and the container of a sink, unless they are
// there, and adds the sink to the document with add, one of its verbs. The
// document pins the key: a room refuses another one that somebody has put into
// the vault.
func (p *Party) AddSink(ctx context.Context, s *cleanroom.Specification, name, container, mode string, add func(cleanroom.DatasinkOptions) error) error {
	deks, err := p.DEKs()
	if err != nil {
		return err
	}
	dek, err := deks.Create(container)
	if errors.Is(err, fs.ErrExist) {
		dek, err = deks.Load(container)
	}
	if err != nil {
		return err
	}
	defer dek.Close()
	o := cleanroom.DatasinkOptions{Name: name, ContainerURL: p.Storage + "/" + container, Identity: p.IdentityName(), Mode: mode, DEKDigest: dek.Digest()}
	if err := add(o); err != nil {
		return err
	}
	sink, err := p.Sink(s, name)
	if err != nil {
		return err
	}
	defer sink.Close()
	_, err = sink.CreateContainer(ctx)
	return err
}

// Sink opens a sink of the document with the party's own key.
func (p *Party) Sink(s *cleanroom.Specification, name string) (*datasink.Sink, error) {
	point, err := s.Sink(name)
	if err != nil {
		return nil, err
	}
	mode, err := point.Mode()
	if err != nil {
		return nil, err
	}
	deks, err := p.DEKs()
	if err != nil {
		return nil, err
	}
	dek, err := deks.LoadFor(point.Datastore(), datasink.Mode(mode))
	if err != nil {
		return nil, err
	}
	defer dek.Close() // the sink has its own copy
	return p.sink(point.ContainerURL(), &datasink.Options{
		Mode: datasink.Mode(mode), DEK: dek, Contract: p.ContractID, Datasink: name, Progress: p.options.progress(),
	})
}

// WebSink opens the container behind the party's static website.
func (p *Party) WebSink() (*datasink.Sink, error) {
	return p.sink(p.WebStorage+"/$web", &datasink.Options{Mode: datasink.SSE})
}

func (p *Party) sink(containerURL string, o *datasink.Options) (*datasink.Sink, error) {
	cred, err := p.Credential()
	if err != nil {
		return nil, err
	}
	o.ClientOptions = p.options.Client
	return datasink.New(containerURL, cred, o)
}

// GenerateOptions are the party's own inputs of the deployment.
func (p *Party) GenerateOptions() (cleanroom.GenerateOptions, error) {
	cert, err := p.ServiceCertificate()
	if err != nil {
		return cleanroom.GenerateOptions{}, err
	}
	o := cleanroom.GenerateOptions{ContractID: p.ContractID, GovernanceEndpoint: p.ledgerURL, ServiceCertificate: cert}
	b, err := os.ReadFile(p.images)
	if err != nil {
		return o, fmt.Errorf("-image-policy: %w", err)
	}
	if err := json.Unmarshal(b, &o.Images); err != nil {
		return o, fmt.Errorf("-image-policy: %s: %w", p.images, err)
	}
	return o, nil
}
