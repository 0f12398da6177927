package party

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/skr"
)

// PublishIssuer publishes the ledger's token keys where the party's tenant
// trusts them, and registers the address with the ledger.
func (p *Party) PublishIssuer(ctx context.Context) error {
	ledger, err := p.Governance()
	if err != nil {
		return err
	}
	keys, err := ledger.OIDC().Keys(ctx)
	if err != nil {
		return err
	}
	web, err := p.WebSink()
	if err != nil {
		return err
	}
	if _, err := web.CreateContainer(ctx); err != nil {
		return err
	}
	issuer, err := cleanroom.PublishIssuer(ctx, web, p.Issuer, keys)
	if err != nil {
		return err
	}
	if err := ledger.OIDC().SetIssuerURL(ctx, issuer); err != nil {
		return err
	}
	p.Step(p.Name, "token issuer published at "+issuer+" and set", 59)
	return nil
}

// ReleasePolicy is the policy that keys of this contract get: that of the
// rooms which the members accepted.
func (p *Party) ReleasePolicy(ctx context.Context) (*skr.ReleasePolicy, error) {
	ledger, err := p.Governance()
	if err != nil {
		return nil, err
	}
	accepted, err := ledger.Contract(p.ContractID).CleanRoomPolicy(ctx)
	if err != nil {
		return nil, err
	}
	for _, hostData := range accepted.HostData() {
		p.measured("host data accepted by the members, for which the key is released", hostData, 0)
	}
	var ballots []governance.Ballot
	if len(accepted.HostData()) == 0 && len(accepted.ProposalIDs) > 0 {
		if ballots, err = ledger.Proposal(accepted.ProposalIDs[0]).Ballots(ctx); err != nil {
			return nil, err
		}
	}
	return cleanroom.ReleasePolicyFor(accepted, p.Attestation, ballots...)
}

// Provided is what [Party.Provide] leaves for the party's own secrets.
type Provided struct {
	Keys *cleanroom.Keys
	// KEK names the party's key-encryption key, Public is its public half.
	KEK    skr.KeyRef
	Public *rsa.PublicKey
}

// Provide does what both parties do for the room once it is agreed on: publish
// the issuer, import the key-encryption key under the accepted policy, and wrap
// the data key of the party's sink. feature is the number of that last step.
func (p *Party) Provide(ctx context.Context, sink string, feature int) (*Provided, error) {
	policy, err := p.ReleasePolicy(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.PublishIssuer(ctx); err != nil {
		return nil, err
	}
	keys, err := p.Keys()
	if err != nil {
		return nil, err
	}
	kek, public, err := keys.ImportKEK(ctx, skr.KeyRef{Name: p.KEKName(), VaultURL: p.Vault, AttestationURL: p.Attestation}, policy, nil)
	if err != nil {
		return nil, err
	}
	p.Step(p.Name, "key "+kek.Name+" imported; only a room of the accepted policy can have it released", 53)
	own, err := cleanroom.ReadSpecification(p.Document())
	if err != nil {
		return nil, err
	}
	deks, err := p.DEKs()
	if err != nil {
		return nil, err
	}
	if _, err := keys.WrapDEKs(ctx, own, []string{sink}, deks, policy); err != nil {
		return nil, err
	}
	p.Step(p.Name, "data key of "+sink+" wrapped under it, stored in the vault", feature)
	return &Provided{keys, kek, public}, nil
}

// Download decrypts one file of a sink of the party's own document into the
// folder for results, and returns its path there. Whatever else a room has put
// into the sink stays where it is: its program chooses the names.
func (p *Party) Download(ctx context.Context, sink, name string) (string, error) {
	own, err := cleanroom.ReadSpecification(p.Document())
	if err != nil {
		return "", err
	}
	from, err := p.Sink(own, sink)
	if err != nil {
		return "", err
	}
	defer from.Close()
	to, err := datasink.NewWithBackend(datasink.Dir(p.Out), nil)
	if err != nil {
		return "", err
	}
	r, err := from.Open(ctx, name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	err = to.WriteFile(ctx, name, func(w io.Writer) error {
		n, err := r.WriteTo(telling(w, p.options.progress(), name, r.Size()))
		p.counted(name+", decrypted", n, "bytes")
		return err
	})
	return filepath.Join(p.Out, name), err
}

// CountLines is the number of lines of a file, of any size.
func CountLines(file string) (n int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for {
		got, err := f.Read(buf)
		n += int64(bytes.Count(buf[:got], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
