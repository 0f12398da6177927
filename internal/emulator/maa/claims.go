package maa

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// Layout of the attestation report as far as claims are made of it; integers
// are little endian.
const (
	reportSize      = 1184
	offGuestSVN     = 4
	offPolicy       = 8
	offFamilyID     = 16
	offImageID      = 32
	offVMPL         = 48
	offReportData   = 80
	offMeasurement  = 144
	offHostData     = 192
	offIDKeyDigest  = 224
	offAuthorDigest = 272
	offReportID     = 320
	offTCB          = 384
)

// Bits of the guest policy.
const (
	policySMT       = 1 << 16
	policyMigration = 1 << 18
	policyDebug     = 1 << 19
)

// tokenLifetime is the service's default.
const tokenLifetime = 8 * time.Hour

// instancePolicy is what [Server.compliant] does, in words; its digest stands in
// every token.
const instancePolicy = "version=1.0; azure-compliant-uvm: endorsed measurement, not debuggable, vmpl 0"

func header(issuer string) map[jose.HeaderKey]any {
	return map[jose.HeaderKey]any{"jku": issuer + "/certs"}
}

// claims describe a verified report.
func (s *Server) claims(q *request) map[string]any {
	now := s.now()
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	policyHash := sha256.Sum256([]byte(instancePolicy))

	field := func(off, n int) string { return hex.EncodeToString(q.report[off : off+n]) }
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(q.report[off:]) }
	policy := binary.LittleEndian.Uint64(q.report[offPolicy:])
	c := map[string]any{
		"iss": s.issuer(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(tokenLifetime).Unix(),
		"jti":                             hex.EncodeToString(id),
		"x-ms-ver":                        "1.0",
		"x-ms-attestation-type":           "sevsnpvm",
		"x-ms-policy-hash":                wire.Encode64(policyHash[:]),
		"x-ms-sevsnpvm-hostdata":          field(offHostData, 32),
		"x-ms-sevsnpvm-reportdata":        field(offReportData, 64),
		"x-ms-sevsnpvm-launchmeasurement": field(offMeasurement, 48),
		"x-ms-sevsnpvm-idkeydigest":       field(offIDKeyDigest, 48),
		"x-ms-sevsnpvm-authorkeydigest":   field(offAuthorDigest, 48),
		"x-ms-sevsnpvm-familyId":          field(offFamilyID, 16),
		"x-ms-sevsnpvm-imageId":           field(offImageID, 16),
		"x-ms-sevsnpvm-reportid":          field(offReportID, 32),
		"x-ms-sevsnpvm-vmpl":              u32(offVMPL),
		"x-ms-sevsnpvm-guestsvn":          u32(offGuestSVN),
		"x-ms-sevsnpvm-bootloader-svn":    q.report[offTCB],
		"x-ms-sevsnpvm-tee-svn":           q.report[offTCB+1],
		"x-ms-sevsnpvm-snpfw-svn":         q.report[offTCB+6],
		"x-ms-sevsnpvm-microcode-svn":     q.report[offTCB+7],
		"x-ms-sevsnpvm-is-debuggable":     policy&policyDebug != 0,
		"x-ms-sevsnpvm-smt-allowed":       policy&policySMT != 0,
		"x-ms-sevsnpvm-migration-allowed": policy&policyMigration != 0,
	}
	if s.compliant(q, policy, u32(offVMPL)) {
		c["x-ms-compliance-status"] = "azure-compliant-uvm"
	}
	if q.nonce != "" {
		c["nonce"] = q.nonce
	}
	switch {
	case q.runtimeJSON:
		c["x-ms-runtime"] = json.RawMessage(q.runtime)
	case q.runtime != nil:
		c["maa-ehd"] = wire.Encode64(q.runtime)
	}
	return c
}

func (s *Server) compliant(q *request, policy uint64, vmpl uint32) bool {
	return policy&policyDebug == 0 && vmpl == 0 && s.endorsed(q)
}
