package snp

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/go-sev-guest/abi"
)

// ReportSize is the length of a report in bytes.
const ReportSize = abi.ReportSize

// Layout of a report: AMD 56860, SEV-SNP firmware ABI, table 23. Integers are
// little endian.
const (
	offVersion      = 0
	offGuestSVN     = 4
	offPolicy       = 8
	offFamilyID     = 16
	offImageID      = 32
	offVMPL         = 48
	offSigner       = 72
	offCurrentTCB   = 56
	offReportData   = 80
	offMeasurement  = 144
	offHostData     = 192
	offIDKey        = 224
	offAuthorKey    = 272
	offReportID     = 320
	offReportedTCB  = 384
	offFamily       = 392
	offModel        = 393
	offChipID       = 416
	offCommittedTCB = 480
	offLaunchTCB    = 496

	policySMT       = 1 << 16
	policyMigration = 1 << 18
	policyDebug     = 1 << 19

	minVersion, maxVersion = 2, 5
	// cpuidVersion is the first version that names the processor's family.
	cpuidVersion = 3
)

// Report is an attestation report in fields. ParseReport does not verify it.
type Report struct {
	// Version is the version of the report's format.
	Version uint32
	// GuestSVN is the guest's security version, from its launch endorsement.
	GuestSVN uint32
	// VMPL is the privilege level that asked; 0 is the most privileged.
	VMPL uint32
	// Policy is the guest policy; the three flags below are bits of it.
	Policy uint64
	// Debug means that the host may read the guest's memory.
	Debug bool
	// SMT means that the guest may share a core's threads.
	SMT bool
	// Migration means that a migration agent may be associated.
	Migration bool

	FamilyID, ImageID [16]byte
	// ReportData is what the guest bound: for clean rooms the SHA-256 of the
	// runtime data and 32 zero bytes.
	ReportData [64]byte
	// Measurement is the launch digest of the utility VM.
	Measurement [48]byte
	// HostData is the SHA-256 of the container group's security policy.
	HostData                     [32]byte
	IDKeyDigest, AuthorKeyDigest [48]byte
	ReportID                     [32]byte
	// The TCB versions, one byte per component: boot loader lowest, microcode
	// highest. The VCEK is that of ReportedTCB.
	CurrentTCB, ReportedTCB, CommittedTCB, LaunchTCB uint64
	// ChipID names the processor; zeros if the host hides it. Turin uses the
	// first 8 bytes.
	ChipID [64]byte
	// SigningKey is the kind of key that signed the report: 0 is a VCEK, the
	// only one that is verified here, 1 a VLEK, 7 none.
	SigningKey uint8
	// Product is the product line by the processor's family and model: "Milan",
	// "Genoa" or "Turin"; empty before version 3, and for any other.
	Product string
	// Raw is the whole report of 1184 bytes.
	Raw []byte
}

// ParseReport reads a report of exactly 1184 bytes and of a version from 2 to
// 5. It copies b.
func ParseReport(b []byte) (*Report, error) {
	if len(b) != ReportSize {
		return nil, fmt.Errorf("skr/snp: parse report: %d bytes, want %d", len(b), ReportSize)
	}
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
	u64 := func(off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
	r := &Report{
		Version:      u32(offVersion),
		GuestSVN:     u32(offGuestSVN),
		VMPL:         u32(offVMPL),
		Policy:       u64(offPolicy),
		CurrentTCB:   u64(offCurrentTCB),
		ReportedTCB:  u64(offReportedTCB),
		CommittedTCB: u64(offCommittedTCB),
		LaunchTCB:    u64(offLaunchTCB),
		Raw:          slices.Clone(b),
	}
	if r.Version < minVersion || r.Version > maxVersion {
		return nil, fmt.Errorf("skr/snp: parse report: version %d, want %d to %d", r.Version, minVersion, maxVersion)
	}
	r.Debug = r.Policy&policyDebug != 0
	r.SMT = r.Policy&policySMT != 0
	r.Migration = r.Policy&policyMigration != 0
	copy(r.FamilyID[:], b[offFamilyID:])
	copy(r.ImageID[:], b[offImageID:])
	copy(r.ReportData[:], b[offReportData:])
	copy(r.Measurement[:], b[offMeasurement:])
	copy(r.HostData[:], b[offHostData:])
	copy(r.IDKeyDigest[:], b[offIDKey:])
	copy(r.AuthorKeyDigest[:], b[offAuthorKey:])
	copy(r.ReportID[:], b[offReportID:])
	copy(r.ChipID[:], b[offChipID:])
	r.SigningKey = uint8(u32(offSigner) >> 2 & 7)
	if r.Version >= cpuidVersion {
		r.Product = productOf(b[offFamily], b[offModel])
	}
	return r, nil
}

// productOf is the product line of a family and model (AMD 57230, section
// 3.1). Models of Zen 4 that are sold under other names have Genoa's chain.
func productOf(family, model byte) string {
	switch {
	case family == 0x19 && model <= 0x0f:
		return Milan
	case family == 0x19 && (model >= 0x10 && model <= 0x1f || model >= 0xa0 && model <= 0xaf):
		return Genoa
	case family == 0x1a && model <= 0x1f:
		return Turin
	}
	return ""
}
