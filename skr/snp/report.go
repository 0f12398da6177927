package snp

import (
	"encoding/binary"
	"fmt"
)

// ReportSize is the length of a report in bytes (SEV-SNP ABI, table
// ATTESTATION_REPORT).
const ReportSize = 1184

// Bits of the guest policy.
const (
	policySMT       = 1 << 16
	policyMigration = 1 << 18
	policyDebug     = 1 << 19
)

// Report is a parsed report. Parsing says nothing about who signed it.
type Report struct {
	// Version is the version of the report's format.
	Version uint32
	// GuestSVN is the guest's security version number.
	GuestSVN uint32
	// VMPL is the privilege level that asked for the report, 0 to 3, 0 being
	// the highest.
	VMPL uint32
	// Policy is the guest policy; Debug, SMT and Migration are bits of it.
	Policy                uint64
	Debug, SMT, Migration bool
	FamilyID, ImageID     [16]byte
	// ReportData is what the guest had signed.
	ReportData [64]byte
	// Measurement is the launch measurement, SHA-384.
	Measurement [48]byte
	// HostData was given at launch: for a confidential container group, the
	// SHA-256 of its enforcement policy.
	HostData                     [32]byte
	IDKeyDigest, AuthorKeyDigest [48]byte
	ReportID                     [32]byte
	// The TCB versions, as the little-endian numbers that the report holds.
	CurrentTCB, ReportedTCB, CommittedTCB, LaunchTCB uint64
	// ChipID identifies the processor.
	ChipID [64]byte
	// Raw is the report itself.
	Raw []byte
}

// ParseReport reads the 1184 bytes of a report. The result keeps a copy.
func ParseReport(b []byte) (*Report, error) {
	if len(b) != ReportSize {
		return nil, fmt.Errorf("snp: parse report: it has %d bytes, want %d", len(b), ReportSize)
	}
	b = append([]byte{}, b...)
	le := binary.LittleEndian
	r := &Report{
		Version:      le.Uint32(b[0x00:]),
		GuestSVN:     le.Uint32(b[0x04:]),
		VMPL:         le.Uint32(b[0x30:]),
		Policy:       le.Uint64(b[0x08:]),
		CurrentTCB:   le.Uint64(b[0x38:]),
		ReportedTCB:  le.Uint64(b[0x180:]),
		CommittedTCB: le.Uint64(b[0x1e0:]),
		LaunchTCB:    le.Uint64(b[0x1f0:]),
		Raw:          b,
	}
	r.Debug = r.Policy&policyDebug != 0
	r.SMT = r.Policy&policySMT != 0
	r.Migration = r.Policy&policyMigration != 0
	copy(r.FamilyID[:], b[0x10:])
	copy(r.ImageID[:], b[0x20:])
	copy(r.ReportData[:], b[0x50:])
	copy(r.Measurement[:], b[0x90:])
	copy(r.HostData[:], b[0xc0:])
	copy(r.IDKeyDigest[:], b[0xe0:])
	copy(r.AuthorKeyDigest[:], b[0x110:])
	copy(r.ReportID[:], b[0x140:])
	copy(r.ChipID[:], b[0x1a0:])
	return r, nil
}
