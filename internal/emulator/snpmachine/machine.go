package snpmachine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/cleanroom-go/sdk/internal/testpki"
	"github.com/cleanroom-go/sdk/skr"
)

// Machine is a host with one processor.
type Machine struct {
	chain       *chain
	endorser    *endorser
	chipID      [64]byte
	measurement [measurementSize]byte
	uvm         []byte
	now         func() time.Time

	mu     sync.Mutex
	guests map[string]*Guest
}

// New makes a machine with fresh keys; it takes about 0.1 s.
func New() (*Machine, error) {
	m := &Machine{guests: map[string]*Guest{}, now: time.Now}
	// Both never fail: crypto/rand ends the program instead.
	_, _ = rand.Read(m.chipID[:])
	_, _ = rand.Read(m.measurement[:])
	keys, err := rsaKeys(3)
	if err != nil {
		return nil, fmt.Errorf("snpmachine: %w", err)
	}
	if m.chain, err = newChain(keys[0], keys[1], m.chipID); err != nil {
		return nil, fmt.Errorf("snpmachine: certificate chain: %w", err)
	}
	if m.endorser, err = newEndorser(keys[2]); err != nil {
		return nil, fmt.Errorf("snpmachine: endorser: %w", err)
	}
	if m.uvm, err = m.endorser.endorse(m.measurement[:]); err != nil {
		return nil, fmt.Errorf("snpmachine: endorse measurement: %w", err)
	}
	return m, nil
}

// ARKPEM is the root of the machine's chain.
func (m *Machine) ARKPEM() []byte { return testpki.PEM(m.chain.ark) }

// ChainPEM is what vouches for the VCEK: ASK, then ARK.
func (m *Machine) ChainPEM() []byte { return testpki.PEM(m.chain.ask, m.chain.ark) }

// Verify accepts a report that this machine signed, with its certificates
// (PEM of VCEK, ASK, ARK), and, when uvm is not empty, the endorsement of the
// report's launch measurement. It says nothing about REPORT_DATA: that is for
// the caller, who knows what was to be bound.
func (m *Machine) Verify(report, certificates, uvm []byte) error {
	if err := m.verifyReport(report, certificates); err != nil {
		return fmt.Errorf("snpmachine: verify report: %w", err)
	}
	if len(uvm) == 0 {
		return nil
	}
	if err := m.endorser.verify(uvm, report[offMeasure:offMeasure+measurementSize], m.now()); err != nil {
		return fmt.Errorf("snpmachine: verify endorsement: %w", err)
	}
	return nil
}

// Launch starts a guest under a policy: its host data is the SHA-256 of the
// policy's bytes, as the container platform does it.
func (m *Machine) Launch(policy []byte) *Guest { return m.launch(policy, 0) }

// LaunchDebuggable starts a guest whose memory the host may read, which its
// reports admit.
func (m *Machine) LaunchDebuggable(policy []byte) *Guest { return m.launch(policy, policyDebug) }

func (m *Machine) launch(policy []byte, bits uint64) *Guest {
	g := &Guest{machine: m, hostData: sha256.Sum256(policy), policy: policyABI | policySMT | policyReserved | bits}
	id, secret := make([]byte, 8), make([]byte, 32)
	_, _ = rand.Read(id)
	_, _ = rand.Read(secret)
	_, _ = rand.Read(g.reportID[:])
	g.id, g.secret = hex.EncodeToString(id), hex.EncodeToString(secret)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.guests[g.id] = g
	return g
}

func (m *Machine) guest(id string) *Guest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.guests[id]
}

// Guest is a confidential VM on a [Machine].
type Guest struct {
	machine    *Machine
	hostData   [32]byte
	policy     uint64
	reportID   [32]byte
	id, secret string
}

var _ skr.Attester = (*Guest)(nil)

// ID names the guest at its machine.
func (g *Guest) ID() string { return g.id }

// Secret lets another process ask for this guest's reports over HTTP. It takes
// the place of the hardware's own boundary: on a real machine nobody but the
// guest can open its device.
func (g *Guest) Secret() string { return g.secret }

// HostData is the SHA-256 of the launch policy.
func (g *Guest) HostData() [32]byte { return g.hostData }

// Attest returns a report whose REPORT_DATA is the SHA-256 of the runtime data
// followed by zeros.
func (g *Guest) Attest(ctx context.Context, runtimeData []byte) (*skr.Evidence, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var data [64]byte
	digest := sha256.Sum256(runtimeData)
	copy(data[:], digest[:])
	report, err := g.machine.report(g, data)
	if err != nil {
		return nil, err
	}
	return &skr.Evidence{
		Report:          report,
		Certificates:    testpki.PEM(g.machine.certificates()...),
		UVMEndorsements: append([]byte{}, g.machine.uvm...),
		RuntimeData:     append([]byte{}, runtimeData...),
	}, nil
}

func (m *Machine) certificates() []*x509.Certificate {
	return []*x509.Certificate{m.chain.vcek, m.chain.ask, m.chain.ark}
}
