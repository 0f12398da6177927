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
	level  tcb
	// keys are the processor's by TCB, of each level that the machine had.
	keys map[tcb]*endorsedKey
}

// New makes a machine with fresh keys; it takes about 0.1 s.
func New() (*Machine, error) {
	m := &Machine{guests: map[string]*Guest{}, keys: map[tcb]*endorsedKey{}, now: time.Now}
	// Both never fail: crypto/rand ends the program instead.
	_, _ = rand.Read(m.chipID[:])
	_, _ = rand.Read(m.measurement[:])
	keys, err := rsaKeys(3)
	if err != nil {
		return nil, fmt.Errorf("snpmachine: %w", err)
	}
	if m.chain, err = newChain(keys[0], keys[1]); err != nil {
		return nil, fmt.Errorf("snpmachine: certificate chain: %w", err)
	}
	if err := m.Update(initialTCB.number()); err != nil {
		return nil, err
	}
	if m.endorser, err = newEndorser(keys[2]); err != nil {
		return nil, fmt.Errorf("snpmachine: endorser: %w", err)
	}
	if m.uvm, err = m.endorser.endorse(m.measurement[:]); err != nil {
		return nil, fmt.Errorf("snpmachine: endorse measurement: %w", err)
	}
	return m, nil
}

// Update installs firmware of another TCB while guests run, in the form of a
// report's reported_tcb read as a little-endian number. From now on reports are
// signed with another key.
func (m *Machine) Update(tcb uint64) error {
	level := tcbOf(tcb)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys[level] == nil {
		key, err := m.chain.endorse(level, m.chipID)
		if err != nil {
			return fmt.Errorf("snpmachine: VCEK for TCB %016x: %w", tcb, err)
		}
		m.keys[level] = key
	}
	m.level = level
	return nil
}

// TCB is the level of the firmware that runs now.
func (m *Machine) TCB() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.level.number()
}

// Product is the machine's product line.
func (m *Machine) Product() string { return productLine }

// ChipID names the machine's processor.
func (m *Machine) ChipID() [64]byte { return m.chipID }

// VCEK is the certificate of the processor at a TCB that the machine has or
// had; nil for any other.
func (m *Machine) VCEK(tcb uint64) *x509.Certificate {
	m.mu.Lock()
	defer m.mu.Unlock()
	if key := m.keys[tcbOf(tcb)]; key != nil {
		return key.cert
	}
	return nil
}

// Issuers are the certificates above a VCEK: ASK and ARK.
func (m *Machine) Issuers() (ask, ark *x509.Certificate) { return m.chain.ask, m.chain.ark }

// current is what reports are made with now.
func (m *Machine) current() (tcb, *endorsedKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.level, m.keys[m.level]
}

// UVMIssuer is the did:x509 of the signer of endorsements.
func (m *Machine) UVMIssuer() string { return m.endorser.issuer() }

// NewerEndorsement endorses the machine's utility VM in the newer form, with
// the claims of a CBOR web token; guests have the older one.
func (m *Machine) NewerEndorsement() ([]byte, error) {
	return m.endorser.endorseClaims(m.measurement[:])
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
	level, key := g.machine.current()
	report, err := g.machine.report(g, data, level, key)
	if err != nil {
		return nil, err
	}
	return &skr.Evidence{
		Report:          report,
		Certificates:    testpki.PEM(key.cert, g.machine.chain.ask, g.machine.chain.ark),
		UVMEndorsements: append([]byte{}, g.machine.uvm...),
		RuntimeData:     append([]byte{}, runtimeData...),
	}, nil
}

// Report is what the guest's device answers: a report with this REPORT_DATA,
// and nothing that vouches for it.
func (g *Guest) Report(reportData [64]byte) ([]byte, error) {
	level, key := g.machine.current()
	return g.machine.report(g, reportData, level, key)
}
