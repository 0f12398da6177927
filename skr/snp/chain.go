package snp

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxCertificates bounds what is parsed of a chain, whose genuine size is below
// 10 KiB.
const maxCertificates = 64 << 10

// Chain is the certificates that vouch for the key of reports: the processor's
// VCEK, AMD's ASK that issued it, and AMD's root. A Chain fits together, but
// nothing says that its root is AMD's: that is for a [Verifier].
type Chain struct {
	// VCEK is for one chip at one TCB.
	VCEK *x509.Certificate
	// ASK and ARK are nil if the chain came without them.
	ASK, ARK *x509.Certificate

	facts *vcekFacts
	// tcbm is what the platform's document says the VCEK is for; nil if it came
	// in another form.
	tcbm *uint64
}

// TCB is what the VCEK was issued for, in the form of a report's ReportedTCB.
func (c *Chain) TCB() uint64 { return c.facts.tcb }

// Product is the product line: "Milan", "Genoa" or "Turin".
func (c *Chain) Product() string { return c.facts.product }

// PEM is the text that services take: VCEK, ASK, ARK.
func (c *Chain) PEM() []byte {
	var out []byte
	for _, cert := range []*x509.Certificate{c.VCEK, c.ASK, c.ARK} {
		if cert != nil {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
		}
	}
	return out
}

// Fits says whether the chain is the one for a report: same chip, same TCB, and
// complete. The error says what to do.
func (c *Chain) Fits(r *Report) error {
	switch {
	case c.ASK == nil || c.ARK == nil:
		return errors.New("the chain lacks ASK or ARK")
	case !c.facts.ofChip(r.ChipID):
		return errors.New("the VCEK is another processor's")
	case c.facts.tcb != r.ReportedTCB:
		return fmt.Errorf("the VCEK is for TCB %016x, the report for %016x", c.facts.tcb, r.ReportedTCB)
	case c.tcbm != nil && *c.tcbm != r.ReportedTCB:
		return fmt.Errorf("tcbm says %016x, the report %016x", *c.tcbm, r.ReportedTCB)
	}
	return nil
}

// ParseChain reads the certificates of a report in any form in which they are
// handed around: PEM in any order, a VCEK in DER, the platform's JSON document
// (of THIM and of host-amd-cert-base64), any of them in base64, or the
// certificate table that the device returns with an extended report. ASK and ARK
// may be missing; if they are there, each must have signed the one below it.
func ParseChain(b []byte) (*Chain, error) {
	c, err := parseChain(b)
	if err != nil {
		return nil, fmt.Errorf("skr/snp: parse certificates: %w", err)
	}
	return c, nil
}

func parseChain(b []byte) (*Chain, error) {
	if len(b) > 2*maxCertificates {
		return nil, errTooManyCertificates(len(b))
	}
	text := bytes.TrimSpace(b)
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		return parseHostDocument(text)
	case bytes.Contains(text, []byte("-----BEGIN ")):
		certs, err := parseCertificates(b)
		if err != nil {
			return nil, err
		}
		return newChain(certs)
	}
	// In DER, as AMD hands out a VCEK.
	if cert, err := x509.ParseCertificate(b); err == nil {
		return newChain([]*x509.Certificate{cert})
	}
	// The decoder skips line breaks, inside and behind the text.
	if decoded, err := base64.StdEncoding.DecodeString(string(text)); err == nil && len(decoded) > 0 {
		return parseChain(decoded)
	}
	certs, err := parseTable(b)
	if err != nil {
		return nil, fmt.Errorf("neither PEM, DER, JSON, base64 nor a certificate table: %w", err)
	}
	return newChain(certs)
}

// newChain sorts certificates into their roles by their names and sees that
// they fit together.
func newChain(certs []*x509.Certificate) (*Chain, error) {
	c := &Chain{}
	for _, cert := range certs {
		slot := &c.VCEK
		switch cn := cert.Subject.CommonName; {
		case cn == vcekName:
		case strings.HasPrefix(cn, arkPrefix):
			slot = &c.ARK
		case strings.HasPrefix(cn, askPrefix) && cert.IsCA:
			slot = &c.ASK
		default:
			continue // a table may have certificates of other uses
		}
		if *slot != nil {
			return nil, fmt.Errorf("two certificates %q", cert.Subject.CommonName)
		}
		*slot = cert
	}
	if c.VCEK == nil {
		return nil, fmt.Errorf("none of %d certificates is a VCEK", len(certs))
	}
	var err error
	if c.facts, err = readVCEK(c.VCEK); err != nil {
		return nil, err
	}
	if c.ASK != nil {
		if err := c.VCEK.CheckSignatureFrom(c.ASK); err != nil {
			return nil, fmt.Errorf("the VCEK is not signed by the ASK beside it: %w", err)
		}
	}
	if c.ASK != nil && c.ARK != nil {
		if err := c.ASK.CheckSignatureFrom(c.ARK); err != nil {
			return nil, fmt.Errorf("the ASK is not signed by the ARK beside it: %w", err)
		}
	}
	return c, nil
}

// hostDocument is the answer of THIM, and the content of host-amd-cert-base64.
type hostDocument struct {
	VCEK  string `json:"vcekCert"`
	Chain string `json:"certificateChain"`
	TCBM  string `json:"tcbm"`
}

func parseHostDocument(b []byte) (*Chain, error) {
	var doc hostDocument
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	// Bare hex of a big-endian number: no prefix, no sign, no underscore.
	tcbm, err := strconv.ParseUint(doc.TCBM, 16, 64)
	if err != nil {
		return nil, fmt.Errorf("tcbm %q is no hex number", shorten(doc.TCBM))
	}
	certs, err := parseCertificates([]byte(doc.VCEK + "\n" + doc.Chain))
	if err != nil {
		return nil, err
	}
	c, err := newChain(certs)
	if err != nil {
		return nil, err
	}
	c.tcbm = &tcbm
	return c, nil
}

// parseTable reads the certificate table of an extended guest request (AMD GHCB
// 56421, section 4.1.8.1): entries of a GUID, an offset and a length, ended by
// one of zeros. The certificates say themselves what they are, so that the GUIDs
// need not be believed.
func parseTable(b []byte) ([]*x509.Certificate, error) {
	const entry = 16 + 4 + 4
	if len(b) > maxCertificates {
		return nil, errTooManyCertificates(len(b))
	}
	var certs []*x509.Certificate
	for i := 0; ; i += entry {
		if len(b) < i+entry {
			return nil, errors.New("the certificate table has no end")
		}
		head := b[i : i+entry]
		if bytes.Equal(head, make([]byte, entry)) {
			break
		}
		offset, length := uint64(binary.LittleEndian.Uint32(head[16:])), uint64(binary.LittleEndian.Uint32(head[20:]))
		if offset+length > uint64(len(b)) {
			return nil, fmt.Errorf("entry %d of the certificate table lies outside of it", i/entry)
		}
		// Entries of other content, such as revocation lists, are allowed.
		if cert, err := x509.ParseCertificate(b[offset : offset+length]); err == nil {
			certs = append(certs, cert)
		}
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in the table")
	}
	return certs, nil
}

func parseCertificates(chain []byte) ([]*x509.Certificate, error) {
	if len(chain) > maxCertificates {
		return nil, errTooManyCertificates(len(chain))
	}
	var certs []*x509.Certificate
	for rest := chain; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a PEM block is %q, want CERTIFICATE", shorten(block.Type))
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate")
	}
	return certs, nil
}

func errTooManyCertificates(n int) error {
	return fmt.Errorf("certificates have %d bytes; at most %d are read", n, maxCertificates)
}

// findVCEK finds the processor's certificate in a chain of PEM blocks, wherever
// it stands.
func findVCEK(chain []byte) (*x509.Certificate, error) {
	certs, err := parseCertificates(chain)
	if err != nil {
		return nil, err
	}
	for _, c := range certs {
		if c.Subject.CommonName == vcekName {
			return c, nil
		}
	}
	return nil, fmt.Errorf("none of %d certificates is a VCEK", len(certs))
}

// shorten keeps another party's words from filling a page.
func shorten(s string) string {
	const limit = 300
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "..."
}
