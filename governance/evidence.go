package governance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/internal/check"
)

// Evidence is the hardware's statement about a clean room.
type Evidence struct {
	// Report is the raw SEV-SNP report, 1184 bytes.
	Report []byte
	// Certificates are VCEK, ASK and ARK in PEM, in this order.
	Certificates []byte
	// UVMEndorsements is the signed statement about the utility VM; it may be
	// empty.
	UVMEndorsements []byte
}

// Attester makes evidence whose report data begin with the SHA-256 of
// runtimeData, followed by zeros.
type Attester interface {
	Evidence(ctx context.Context, runtimeData []byte) (*Evidence, error)
}

// The layout of a report, as far as this package reads it (AMD SEV-SNP ABI,
// publication 56860, attestation report).
const (
	reportSize      = 1184
	offsetPolicy    = 0x08
	offsetVMPL      = 0x30
	offsetData      = 0x50
	offsetMeasure   = 0x90
	offsetHostData  = 0xC0
	policyDebugBit  = 19
	reportDataBytes = 64
	measureBytes    = 48
	hostDataBytes   = 32
)

// checkEvidence refuses what the service would refuse less clearly.
func checkEvidence(op string, e *Evidence, runtimeData []byte) error {
	if e == nil || len(e.Report) != reportSize {
		n := 0
		if e != nil {
			n = len(e.Report)
		}
		return fmt.Errorf("governance: %s: the attester gave a report of %d bytes, not %d", op, n, reportSize)
	}
	if len(e.Certificates) == 0 {
		return errors.New("governance: " + op + ": the attester gave no certificates; without the chain nobody can verify the report")
	}
	var want [reportDataBytes]byte
	sum := sha256.Sum256(runtimeData)
	copy(want[:], sum[:])
	if got := e.Report[offsetData : offsetData+reportDataBytes]; !bytes.Equal(got, want[:]) {
		return denied(op, "this program", []Check{check.Equal("evidence.report-data", hex.EncodeToString(want[:]), hex.EncodeToString(got),
			"the attester must put the SHA-256 of the runtime data into the report, and zeros behind it")}, nil)
	}
	return nil
}

func (e *Evidence) hostData() string {
	return hex.EncodeToString(e.Report[offsetHostData : offsetHostData+hostDataBytes])
}

// claims are the ones that a clean room policy usually names, as text.
func (e *Evidence) claims() string {
	debug := binary.LittleEndian.Uint64(e.Report[offsetPolicy:])>>policyDebugBit&1 == 1
	return fmt.Sprintf("%s=%s %s=%t %s=%s %s=%d",
		ClaimHostData, e.hostData(), ClaimDebuggable, debug,
		ClaimMeasurement, hex.EncodeToString(e.Report[offsetMeasure:offsetMeasure+measureBytes]),
		ClaimVMPL, binary.LittleEndian.Uint32(e.Report[offsetVMPL:]))
}

// evidenceDoc is evidence on the wire.
type evidenceDoc struct {
	Evidence        string `json:"evidence"`
	Endorsements    string `json:"endorsements"`
	UVMEndorsements string `json:"uvm_endorsements,omitempty"`
}

func (e *Evidence) doc() evidenceDoc {
	return evidenceDoc{
		Evidence:        base64.StdEncoding.EncodeToString(e.Report),
		Endorsements:    base64.StdEncoding.EncodeToString(e.Certificates),
		UVMEndorsements: base64.StdEncoding.EncodeToString(e.UVMEndorsements),
	}
}

// platform is the kind of evidence that this package sends.
const platform = "snp-caci"
