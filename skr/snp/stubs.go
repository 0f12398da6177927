// Package snp reads, verifies and makes SEV-SNP attestation reports.
package snp

import (
	"errors"
	"time"

	"github.com/cleanroom-go/sdk/skr"
)

type Report struct {
	Version, GuestSVN, VMPL      uint32
	Policy                       uint64
	Debug, SMT, Migration        bool
	FamilyID, ImageID            [16]byte
	ReportData                   [64]byte
	Measurement                  [48]byte
	HostData                     [32]byte
	IDKeyDigest, AuthorKeyDigest [48]byte
	ReportID                     [32]byte
	CurrentTCB, ReportedTCB      uint64
	CommittedTCB, LaunchTCB      uint64
	ChipID                       [64]byte
	Raw                          []byte
}

func ParseReport(b []byte) (*Report, error) { return nil, errors.ErrUnsupported }

type VerifierOptions struct{ Now func() time.Time }
type Verifier struct{}

func NewVerifier(opts *VerifierOptions) *Verifier { return nil }
func NewVerifierWithTestRoots(arkAndASK []byte, opts *VerifierOptions) (*Verifier, error) {
	return nil, errors.ErrUnsupported
}

type Result struct {
	Report *Report
	Checks []skr.Check
}

func (v *Verifier) Verify(ev *skr.Evidence) (*Result, error) { return nil, errors.ErrUnsupported }

type ValidateOptions struct {
	HostData   [][]byte
	AllowDebug bool
	MaxVMPL    uint32
}

func Validate(r *Report, opts *ValidateOptions) ([]skr.Check, error) {
	return nil, errors.ErrUnsupported
}

type DeviceOptions struct{}

func OpenDevice(opts *DeviceOptions) (skr.Attester, error) { return nil, errors.ErrUnsupported }
