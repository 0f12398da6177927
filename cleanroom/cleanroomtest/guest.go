package cleanroomtest

import (
	"context"

	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
	"github.com/cleanroom-go/sdk/skr"
)

// Guest is a confidential container group on the environment's SNP machine.
type Guest struct {
	env   *Env
	guest *snpmachine.Guest
}

var _ skr.Attester = (*Guest)(nil)

// Launch starts a guest under a confidential computing enforcement policy. Its
// reports carry the SHA-256 of exactly these bytes as host data, whatever the
// parties agreed on: launching is the untrusted host's part.
func (e *Env) Launch(policy []byte) *Guest {
	return &Guest{env: e, guest: e.machine.Launch(policy)}
}

// HostData is the SHA-256 of the policy that the guest was launched with.
func (g *Guest) HostData() [32]byte { return g.guest.HostData() }

// Attest implements skr.Attester.
func (g *Guest) Attest(ctx context.Context, runtimeData []byte) (*skr.Evidence, error) {
	return g.guest.Attest(ctx, runtimeData)
}

// WriteJoinFile writes what a process in this guest needs to reach the
// environment: addresses, the certificate authority and its device. A guest
// has no account.
func (g *Guest) WriteJoinFile(name string) error {
	f := g.env.joinFile()
	f.Guest = &guestRecord{ID: g.guest.ID(), Secret: g.guest.Secret()}
	return writeJoinFile(name, f)
}

// Connect is the guest's way into the environment from this process.
func (g *Guest) Connect(opts *ConnOptions) (*Conn, error) {
	f := g.env.joinFile()
	f.Guest = &guestRecord{ID: g.guest.ID(), Secret: g.guest.Secret()}
	return connect(f, opts)
}

// WriteJoinFile writes what a process of the party needs to reach the
// environment: addresses, certificate authorities and the party's account.
func (e *Env) WriteJoinFile(name, party string) error {
	f, err := e.partyFile(party)
	if err != nil {
		return err
	}
	return writeJoinFile(name, f)
}

// Connect is the party's way into the environment from this process.
func (e *Env) Connect(party string, opts *ConnOptions) (*Conn, error) {
	f, err := e.partyFile(party)
	if err != nil {
		return nil, err
	}
	return connect(f, opts)
}

func (e *Env) partyFile(party string) (joinFile, error) {
	p, err := e.Party(party)
	if err != nil {
		return joinFile{}, err
	}
	f := e.joinFile()
	f.Account = &accountRecord{TenantID: p.TenantID, ClientID: p.AccountID, Secret: p.secret}
	return f, nil
}

func (e *Env) joinFile() joinFile {
	return joinFile{Address: e.addr, CA: string(e.ca.RootPEM()), Ledger: string(e.ServiceCertificate())}
}

// ResetVault empties a party's vault, as if another one had been put behind
// its name: a room that had agreed on keys must notice.
func (e *Env) ResetVault(party string) error {
	if _, err := e.Party(party); err != nil {
		return err
	}
	e.vaults.Reset(vaultHost(party))
	e.hsms.Reset(hsmHost(party))
	return nil
}
