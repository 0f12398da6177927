package snpmachine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

// productLine names AMD's third generation, the one confidential containers
// run on.
const productLine = "Milan"

// Each byte is the level of one component, in the order of a report's
// reported_tcb: boot loader, TEE, four reserved, SNP firmware, microcode.
type tcb [8]byte

// initialTCB has a microcode level that needs a whole DER integer.
var initialTCB = tcb{0: 4, 1: 0, 6: 24, 7: 219}

// number is a TCB as certificate services write it.
func (l tcb) number() uint64 { return binary.LittleEndian.Uint64(l[:]) }

func tcbOf(n uint64) (l tcb) {
	binary.LittleEndian.PutUint64(l[:], n)
	return l
}

// tcbArcs are the last arcs of the extensions that hold the bytes of a tcb,
// below 1.3.6.1.4.1.3704.1.3.
var tcbArcs = [8]int{1, 2, 4, 5, 6, 7, 3, 8}

func amdOID(arcs ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1}, arcs...)
}

var oidChipID = amdOID(4)

// chain is a machine's authorities with the key that signs below them.
type chain struct {
	ark, ask *x509.Certificate
	askKey   *rsa.PrivateKey
}

// endorsedKey is the key of a processor at one TCB, with its certificate. The
// firmware derives another key for each TCB.
type endorsedKey struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// newChain issues the authorities. Verifiers compare subjects, revocation
// URLs and algorithms with AMD's specification 57230, so these are AMD's. The
// serial number attribute of each subject says what the certificate really is.
func newChain(arkKey, askKey *rsa.PrivateKey) (*chain, error) {
	c := &chain{askKey: askKey}
	var err error
	ark := authority("ARK-" + productLine)
	if c.ark, err = testpki.Sign(ark, arkKey.Public(), ark, arkKey); err != nil {
		return nil, err
	}
	c.ask, err = testpki.Sign(authority("SEV-"+productLine), askKey.Public(), c.ark, arkKey)
	return c, err
}

// endorse makes a processor's key for one TCB.
func (c *chain) endorse(level tcb, chipID [64]byte) (*endorsedKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	extensions, err := vcekExtensions(level, chipID)
	if err != nil {
		return nil, err
	}
	vcek := &x509.Certificate{
		// A genuine VCEK has the serial number 0, which Go does not issue.
		SerialNumber:       big.NewInt(1),
		Subject:            amdName("SEV-VCEK"),
		SignatureAlgorithm: x509.SHA384WithRSAPSS,
		ExtraExtensions:    extensions,
	}
	cert, err := testpki.Sign(vcek, key.Public(), c.ask, c.askKey)
	return &endorsedKey{key, cert}, err
}

func amdName(cn string) pkix.Name {
	return pkix.Name{
		Country:            []string{"US"},
		Province:           []string{"CA"},
		Locality:           []string{"Santa Clara"},
		Organization:       []string{"Advanced Micro Devices"},
		OrganizationalUnit: []string{"Engineering"},
		SerialNumber:       testpki.Organization,
		CommonName:         cn,
	}
}

func authority(cn string) *x509.Certificate {
	return &x509.Certificate{
		Subject:               amdName(cn),
		SignatureAlgorithm:    x509.SHA384WithRSAPSS,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		CRLDistributionPoints: []string{"https://kdsintf.amd.com/vcek/v1/" + productLine + "/crl"},
	}
}

func vcekExtensions(level tcb, chipID [64]byte) ([]pkix.Extension, error) {
	version, err := asn1.Marshal(0)
	if err != nil {
		return nil, err
	}
	product, err := asn1.MarshalWithParams(productLine+"-B1", "ia5")
	if err != nil {
		return nil, err
	}
	extensions := []pkix.Extension{{Id: amdOID(1), Value: version}, {Id: amdOID(2), Value: product}}
	for i, arc := range tcbArcs {
		value, err := asn1.Marshal(int(level[i]))
		if err != nil {
			return nil, err
		}
		extensions = append(extensions, pkix.Extension{Id: amdOID(3, arc), Value: value})
	}
	// The chip id stands raw in the extension, without an inner DER type.
	return append(extensions, pkix.Extension{Id: oidChipID, Value: chipID[:]}), nil
}

// verify checks that a PEM chain of VCEK, ASK and ARK ends in this chain's ARK
// and returns the VCEK.
func (c *chain) verify(chainPEM []byte, now time.Time) (*x509.Certificate, error) {
	certs, err := parsePEM(chainPEM)
	if err != nil {
		return nil, err
	}
	if len(certs) != 3 {
		return nil, fmt.Errorf("chain has %d certificates instead of VCEK, ASK and ARK", len(certs))
	}
	if !certs[2].Equal(c.ark) {
		return nil, fmt.Errorf("root %q is not this machine's", certs[2].Subject)
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(c.ark)
	intermediates.AddCert(certs[1])
	_, err = certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}

func parsePEM(b []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return certs, nil
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
}

// level reads the TCB that a VCEK vouches for.
func level(vcek *x509.Certificate) (tcb, error) {
	var l tcb
	found := 0
	for i, arc := range tcbArcs {
		value := extension(vcek, amdOID(3, arc))
		if value == nil {
			continue
		}
		var n int
		if rest, err := asn1.Unmarshal(value, &n); err != nil || len(rest) > 0 || n < 0 || n > 255 {
			return l, fmt.Errorf("extension of TCB byte %d is malformed", i)
		}
		l[i] = byte(n)
		found++
	}
	if found != len(tcbArcs) {
		return l, errors.New("certificate lacks TCB extensions")
	}
	return l, nil
}

func extension(cert *x509.Certificate, id asn1.ObjectIdentifier) []byte {
	for _, e := range cert.Extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}

// rsaKeys generates n RSA-2048 keys side by side: they dominate the start of a
// machine. AMD's own have 4096 bits, of which a verifier learns nothing more.
func rsaKeys(n int) ([]*rsa.PrivateKey, error) {
	type result struct {
		key *rsa.PrivateKey
		err error
	}
	results := make(chan result, n)
	for range n {
		go func() {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			results <- result{key, err}
		}()
	}
	var keys []*rsa.PrivateKey
	var firstErr error
	for range n {
		r := <-results
		if r.err != nil {
			firstErr = r.err
		}
		keys = append(keys, r.key)
	}
	return keys, firstErr
}
