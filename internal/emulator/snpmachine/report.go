package snpmachine

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

// Layout of an attestation report (AMD 56860, ATTESTATION_REPORT). Integers are
// little endian.
const (
	reportSize   = 1184
	signedSize   = 672
	offVersion   = 0
	offGuestSVN  = 4
	offPolicy    = 8
	offVMPL      = 48
	offSignAlgo  = 52
	offTCB       = 56
	offPlatform  = 64
	offData      = 80
	offMeasure   = 144
	offHostData  = 192
	offReportID  = 320
	offReportTCB = 384
	offCPUID     = 392
	offChipID    = 416
	offCommitTCB = 480
	offLaunchTCB = 496
	offSigR      = 672
	offSigS      = 744
	sigPart      = 72
)

// Bits of the guest policy: ABI 0.31 as Azure launches with, simultaneous
// multi-threading allowed, the reserved bit that must be one, debugging.
const (
	policyABI      = 0x1f
	policySMT      = 1 << 16
	policyReserved = 1 << 17
	policyDebug    = 1 << 19
)

const (
	reportVersion   = 3
	algoECDSAP384   = 1
	guestSVN        = 2
	milanFamily     = 0x19
	milanModel      = 0x01
	milanStepping   = 0x01
	platformSMTBit  = 1
	reportedVMPL    = 0
	measurementSize = 48
)

// report signs a version 3 report of a guest.
func (m *Machine) report(g *Guest, reportData [64]byte, level tcb, key *endorsedKey) ([]byte, error) {
	r := make([]byte, reportSize)
	le := binary.LittleEndian
	le.PutUint32(r[offVersion:], reportVersion)
	le.PutUint32(r[offGuestSVN:], guestSVN)
	le.PutUint64(r[offPolicy:], g.policy)
	le.PutUint32(r[offVMPL:], reportedVMPL)
	le.PutUint32(r[offSignAlgo:], algoECDSAP384)
	le.PutUint64(r[offPlatform:], platformSMTBit)
	for _, off := range []int{offTCB, offReportTCB, offCommitTCB, offLaunchTCB} {
		copy(r[off:], level[:])
	}
	copy(r[offData:], reportData[:])
	copy(r[offMeasure:], m.measurement[:])
	copy(r[offHostData:], g.hostData[:])
	copy(r[offReportID:], g.reportID[:])
	copy(r[offCPUID:], []byte{milanFamily, milanModel, milanStepping})
	copy(r[offChipID:], m.chipID[:])

	digest := sha512.Sum384(r[:signedSize])
	rr, ss, err := ecdsa.Sign(rand.Reader, key.key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("snpmachine: sign report: %w", err)
	}
	putLittleEndian(r[offSigR:offSigR+sigPart], rr)
	putLittleEndian(r[offSigS:offSigS+sigPart], ss)
	return r, nil
}

func putLittleEndian(dst []byte, n *big.Int) {
	n.FillBytes(dst)
	reverse(dst)
}

func littleEndian(src []byte) *big.Int {
	b := bytes.Clone(src)
	reverse(b)
	return new(big.Int).SetBytes(b)
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}

// verifyReport checks signature, TCB and chip id of a report against this
// machine's chain.
func (m *Machine) verifyReport(report, certificates []byte) error {
	if len(report) != reportSize {
		return fmt.Errorf("report has %d bytes, not %d", len(report), reportSize)
	}
	if algo := binary.LittleEndian.Uint32(report[offSignAlgo:]); algo != algoECDSAP384 {
		return fmt.Errorf("signature algorithm %d is not ECDSA P-384", algo)
	}
	vcek, err := m.chain.verify(certificates, m.now())
	if err != nil {
		return err
	}
	pub, ok := vcek.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("VCEK holds a %T", vcek.PublicKey)
	}
	digest := sha512.Sum384(report[:signedSize])
	if !ecdsa.Verify(pub, digest[:], littleEndian(report[offSigR:offSigR+sigPart]), littleEndian(report[offSigS:offSigS+sigPart])) {
		return errors.New("signature does not fit the report")
	}
	vouched, err := level(vcek)
	if err != nil {
		return err
	}
	if !bytes.Equal(vouched[:], report[offReportTCB:offReportTCB+len(vouched)]) {
		return errors.New("reported TCB is not the VCEK's")
	}
	if !bytes.Equal(extension(vcek, oidChipID), report[offChipID:offChipID+64]) {
		return errors.New("chip id is not the VCEK's")
	}
	return nil
}
