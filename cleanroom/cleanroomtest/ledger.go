package cleanroomtest

import (
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/internal/emulator/ccf"
)

// GenesisMember is a member that the ledger knows from its first moment, as
// the operator of a CCF network puts it into the start configuration.
type GenesisMember struct {
	// CertificatePEM is the member's identity certificate.
	CertificatePEM []byte
	// Identifier is the name of the member in its member data.
	Identifier string
}

// StartLedger starts the CCF network with the governance service on it and the
// given members, not yet active. The service is not open yet: its first member
// activates itself and proposes to open it, as on a new network. It can be
// called once.
func (e *Env) StartLedger(members ...GenesisMember) error {
	if len(members) == 0 {
		return errors.New("cleanroomtest: ledger: a network needs at least one first member")
	}
	genesis := make([]ccf.Member, len(members))
	for i, m := range members {
		genesis[i] = ccf.Member{CertificatePEM: m.CertificatePEM, Data: map[string]any{"identifier": m.Identifier}}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ledger != nil {
		return errors.New("cleanroomtest: ledger: it was started before")
	}
	s, err := ccf.New(ccf.Options{Genesis: genesis, VerifyReport: e.machine.Verify})
	if err != nil {
		return fmt.Errorf("cleanroomtest: ledger: %w", err)
	}
	e.ledger = s
	e.services.ledger = s
	return nil
}

// LedgerURL is the address of the ledger.
func (e *Env) LedgerURL() string { return "https://" + LedgerHost }

// ServiceCertificate is the ledger's service certificate in PEM, nil before
// [Env.StartLedger].
func (e *Env) ServiceCertificate() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ledger == nil {
		return nil
	}
	return e.ledger.ServiceCertificate()
}
