package snp

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
)

// Product lines, as they stand behind "ARK-" and "SEV-" in AMD's certificates.
const (
	Milan = "Milan"
	Genoa = "Genoa"
	Turin = "Turin"
)

const (
	vcekName  = "SEV-VCEK"
	arkPrefix = "ARK-"
	askPrefix = "SEV-"
)

// vcekFacts are what AMD says in a VCEK about the processor and its firmware.
type vcekFacts struct {
	product string
	// tcb is in the form of a report's: the lowest byte is the first component.
	tcb uint64
	// chipID has 64 bytes, on Turin 8.
	chipID []byte
}

// amdArc is 1.3.6.1.4.1.3704.1, below which AMD's extensions stand (AMD 57230,
// table 9).
var amdArc = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1}

func amdOID(arcs ...int) asn1.ObjectIdentifier {
	return append(amdArc[:len(amdArc):len(amdArc)], arcs...)
}

// tcbArcs are the last arcs, below 1.3.6.1.4.1.3704.1.3, of the extensions for
// each byte of a TCB. Turin has one component more, at its lowest byte, and
// does not use the bytes marked 0.
var (
	tcbArcs      = [8]int{1, 2, 4, 5, 6, 7, 3, 8}
	turinTCBArcs = [8]int{9, 1, 2, 3, 0, 0, 0, 8}
)

// readVCEK reads the extensions of a VCEK. It says nothing about who signed it.
func readVCEK(cert *x509.Certificate) (*vcekFacts, error) {
	if cert.Subject.CommonName != vcekName {
		return nil, fmt.Errorf("certificate %q is no VCEK", cert.Subject.CommonName)
	}
	product, ok := strings.CutPrefix(cert.Issuer.CommonName, askPrefix)
	if !ok || product == "" {
		return nil, fmt.Errorf("the VCEK's issuer %q names no product line", cert.Issuer.CommonName)
	}
	f := &vcekFacts{product: product}
	arcs := tcbArcs
	if product == Turin {
		arcs = turinTCBArcs
	}
	for i, arc := range arcs {
		if arc == 0 {
			continue
		}
		value := extension(cert, amdOID(3, arc))
		if value == nil {
			return nil, fmt.Errorf("the VCEK lacks the extension of TCB byte %d", i)
		}
		// A whole DER integer: a level from 0x80 on has three bytes of value.
		var n int
		if rest, err := asn1.Unmarshal(value, &n); err != nil || len(rest) > 0 || n < 0 || n > 255 {
			return nil, fmt.Errorf("the VCEK's extension of TCB byte %d is malformed", i)
		}
		f.tcb |= uint64(n) << (8 * i)
	}
	f.chipID = extension(cert, amdOID(4))
	if n := len(f.chipID); n != 64 && n != 8 {
		// AMD writes the id raw; an inner OCTET STRING is what a later one may have.
		var inner []byte
		if rest, err := asn1.Unmarshal(f.chipID, &inner); err != nil || len(rest) > 0 || len(inner) != 64 && len(inner) != 8 {
			return nil, errors.New("the VCEK names no chip")
		}
		f.chipID = inner
	}
	return f, nil
}

func extension(cert *x509.Certificate, id asn1.ObjectIdentifier) []byte {
	for _, e := range cert.Extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}

// ofChip reports whether the VCEK is that of the chip: on Turin the id has 8
// bytes, and the rest of the report's field is zero.
func (f *vcekFacts) ofChip(id [64]byte) bool {
	return bytes.HasPrefix(id[:], f.chipID) && bytes.Equal(id[len(f.chipID):], make([]byte, len(id)-len(f.chipID)))
}
