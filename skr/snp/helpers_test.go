package snp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-sev-guest/abi"
	"github.com/veraison/go-cose"

	"github.com/cleanroom-go/sdk/internal/testpki"
	"github.com/cleanroom-go/sdk/skr"
)

// chip is a processor with a certificate chain of its own.
type chip struct {
	product         string
	family, model   byte
	ark, ask, vcek  *x509.Certificate
	arkKey, askKey  *rsa.PrivateKey
	key             *ecdsa.PrivateKey
	tcb             [8]byte
	id              [64]byte
	chain, trustPEM []byte
}

func amdName(cn string) pkix.Name {
	return pkix.Name{Country: []string{"US"}, Province: []string{"CA"}, Locality: []string{"Santa Clara"},
		Organization: []string{"Advanced Micro Devices"}, OrganizationalUnit: []string{"Engineering"}, CommonName: cn}
}

func caTemplate(cn string) *x509.Certificate {
	return &x509.Certificate{Subject: amdName(cn), SignatureAlgorithm: x509.SHA384WithRSAPSS, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
}

// authorityKeys are shared by the chips: RSA keys are most of the tests' time.
var authorityKeys = sync.OnceValue(func() (keys [4]*rsa.PrivateKey) {
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

func newChip(product string, family, model byte, keys ...*rsa.PrivateKey) *chip {
	c := &chip{product: product, family: family, model: model, arkKey: keys[0], askKey: keys[1],
		tcb: [8]byte{3, 0, 0, 0, 0, 0, 8, 0xdb}} // a microcode level above 0x7f needs a whole DER integer
	for i := range c.id {
		c.id[i] = byte(i + 1)
	}
	if product == Turin {
		clear(c.id[8:])
		c.tcb = [8]byte{1, 2, 3, 4, 0, 0, 0, 0xdb}
	}
	c.key = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	ark := caTemplate(arkPrefix + product)
	c.ark = must(testpki.Sign(ark, c.arkKey.Public(), ark, c.arkKey))
	c.ask = must(testpki.Sign(caTemplate(askPrefix+product), c.askKey.Public(), c.ark, c.arkKey))
	c.vcek = c.issue(c.extensions(c.tcb))
	c.chain = testpki.PEM(c.vcek, c.ask, c.ark)
	c.trustPEM = testpki.PEM(c.ark, c.ask)
	return c
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// issue makes a VCEK with these extensions.
func (c *chip) issue(extensions []pkix.Extension) *x509.Certificate {
	leaf := &x509.Certificate{Subject: amdName(vcekName), SignatureAlgorithm: x509.SHA384WithRSAPSS, ExtraExtensions: extensions}
	return must(testpki.Sign(leaf, c.key.Public(), c.ask, c.askKey))
}

func (c *chip) extensions(tcb [8]byte) []pkix.Extension {
	der := func(v any, params string) []byte { return must(asn1.MarshalWithParams(v, params)) }
	id, arcs := c.id[:], tcbArcs
	if c.product == Turin {
		id, arcs = c.id[:8], turinTCBArcs
	}
	exts := []pkix.Extension{{Id: amdOID(1), Value: der(0, "")}, {Id: amdOID(2), Value: der(c.product+"-B0", "ia5")}, {Id: amdOID(4), Value: id}}
	for i, arc := range arcs {
		if arc != 0 {
			exts = append(exts, pkix.Extension{Id: amdOID(3, arc), Value: der(int(tcb[i]), "")})
		}
	}
	return exts
}

// measurement is that of every report here.
var measurement = [48]byte(bytes.Repeat([]byte{0xcd}, 48))

// report is a signed report; edit changes it before it is signed.
func (c *chip) report(t testing.TB, runtimeData []byte, edit func([]byte)) []byte {
	t.Helper()
	r := make([]byte, ReportSize)
	le := binary.LittleEndian
	le.PutUint32(r[offVersion:], 2)
	le.PutUint32(r[offGuestSVN:], 5)
	le.PutUint64(r[offPolicy:], 1<<17|policySMT|0x1f)
	le.PutUint32(r[52:], 1) // ECDSA P-384 with SHA-384
	for _, off := range []int{offCurrentTCB, offReportedTCB, offCommittedTCB, offLaunchTCB} {
		copy(r[off:], c.tcb[:])
	}
	data := ReportDataFor(runtimeData)
	copy(r[offReportData:], data[:])
	copy(r[offHostData:], bytes.Repeat([]byte{0xab}, 32))
	copy(r[offMeasurement:], measurement[:])
	copy(r[offChipID:], c.id[:])
	if edit != nil {
		edit(r)
	}
	c.sign(t, r)
	return r
}

func (c *chip) sign(t testing.TB, r []byte) {
	t.Helper()
	digest := sha512.Sum384(abi.SignedComponent(r))
	rr, ss, err := ecdsa.Sign(rand.Reader, c.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := abi.SetSignature(rr, ss, r); err != nil {
		t.Fatal(err)
	}
}

// version3 is an edit that names the chip's family.
func (c *chip) version3(r []byte) {
	binary.LittleEndian.PutUint32(r, 3)
	r[offFamily], r[offModel] = c.family, c.model
}

var loadChips = sync.OnceValue(func() [2]*chip {
	k := authorityKeys()
	return [2]*chip{newChip(Milan, 0x19, 0x01, k[0], k[1]), newChip(Milan, 0x19, 0x01, k[2], k[3])}
})

func twoChips(testing.TB) (*chip, *chip) {
	chips := loadChips()
	return chips[0], chips[1]
}

func (c *chip) verifier(t testing.TB, opts *VerifierOptions) *Verifier {
	t.Helper()
	v, err := NewVerifierWithTestRoots(TestRoots{ARKAndASK: c.trustPEM, UVMIssuer: testBuilder().did()}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// hostDocument is the platform's certificate document for a chip.
func (c *chip) hostDocument(edit func(map[string]string)) []byte {
	doc := map[string]string{
		"vcekCert":         string(testpki.PEM(c.vcek)),
		"certificateChain": string(testpki.PEM(c.ask, c.ark)),
		"tcbm":             fmt.Sprintf("%016X", binary.LittleEndian.Uint64(c.tcb[:])),
		"cacheControl":     "86400",
	}
	if edit != nil {
		edit(doc)
	}
	var b strings.Builder
	for i, k := range []string{"vcekCert", "tcbm", "certificateChain", "cacheControl"} {
		fmt.Fprintf(&b, "%s%q:%q", map[bool]string{true: "{", false: ","}[i == 0], k, doc[k])
	}
	return []byte(b.String() + "}")
}

// base64Lines is what base64 tools write.
func base64Lines(b []byte) string {
	text := base64.StdEncoding.EncodeToString(b)
	if len(text) > 76 {
		text = text[:76] + "\n" + text[76:]
	}
	return text + "\n"
}

// builder signs endorsements of utility VMs.
type builder struct {
	root, leaf *x509.Certificate
	key        crypto.Signer
	alg        cose.Algorithm
	eku        asn1.ObjectIdentifier
}

var testEKU = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 76, 59, 1, 2}

func newBuilder(usage asn1.ObjectIdentifier, key crypto.Signer, alg cose.Algorithm) *builder {
	rootKey := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	name := func(cn string) pkix.Name {
		return pkix.Name{CommonName: cn, Organization: []string{testpki.Organization}}
	}
	root := &x509.Certificate{Subject: name("builder root"), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	b := &builder{key: key, alg: alg, eku: testEKU}
	b.root = must(testpki.Sign(root, rootKey.Public(), root, rootKey))
	leaf := &x509.Certificate{Subject: name("builder"), KeyUsage: x509.KeyUsageDigitalSignature}
	if usage != nil {
		leaf.UnknownExtKeyUsage = []asn1.ObjectIdentifier{usage}
	}
	b.leaf = must(testpki.Sign(leaf, key.Public(), b.root, rootKey))
	return b
}

var testBuilder = sync.OnceValue(func() *builder { return newBuilder(testEKU, authorityKeys()[3], cose.AlgorithmPS384) })

func (b *builder) did() string {
	digest := sha256.Sum256(b.root.Raw)
	return "did:x509:0:sha256:" + base64.RawURLEncoding.EncodeToString(digest[:]) + "::eku:" + b.eku.String()
}

// older is an endorsement whose header and payload can be changed before it is
// signed.
func (b *builder) older(edit func(cose.ProtectedHeader, *string)) []byte {
	payload := fmt.Sprintf(`{"x-ms-sevsnpvm-guestsvn":"101","x-ms-sevsnpvm-launchmeasurement":"%s"}`, hex.EncodeToString(measurement[:]))
	header := cose.ProtectedHeader{cose.HeaderLabelContentType: "application/json", "iss": b.did(), "feed": UVMFeed}
	return b.endorse(header, payload, edit)
}

// newer has CWT claims.
func (b *builder) newer(edit func(cose.ProtectedHeader, *string)) []byte {
	header := cose.ProtectedHeader{int64(258): int64(-43), labelEnvelopeType: "application/json",
		labelCWT: map[any]any{claimIssuer: b.did(), claimSubject: UVMFeed, "svn": uint64(101)}}
	return b.endorse(header, string(measurement[:]), edit)
}

func (b *builder) endorse(header cose.ProtectedHeader, payload string, edit func(cose.ProtectedHeader, *string)) []byte {
	header = maps.Clone(header)
	header[cose.HeaderLabelAlgorithm] = b.alg
	header[labelX5Chain] = []any{b.leaf.Raw, b.root.Raw}
	if edit != nil {
		edit(header, &payload)
	}
	signer := must(cose.NewSigner(b.alg, b.key))
	return must(cose.Sign1(rand.Reader, signer, cose.Headers{Protected: header}, []byte(payload), nil))
}

func failedIDs(err error) string {
	var denied *skr.DeniedError
	if !errors.As(err, &denied) {
		return ""
	}
	var ids []string
	for _, c := range denied.Checks {
		if !c.OK() {
			ids = append(ids, c.ID)
		}
	}
	return strings.Join(ids, " ")
}

// fixedChip is the first chip, to be changed by one test.
func fixedChip(t testing.TB) *chip {
	c, _ := twoChips(t)
	clone := *c
	return &clone
}

// issuedBy is the VCEK of one chip's key under the authorities of another.
func issuedBy(authority, c *chip) *x509.Certificate {
	leaf := &x509.Certificate{Subject: amdName(vcekName), SignatureAlgorithm: x509.SHA384WithRSAPSS, ExtraExtensions: c.extensions(c.tcb)}
	return must(testpki.Sign(leaf, c.key.Public(), authority.ask, authority.askKey))
}

func pemOf(cert *x509.Certificate) string { return string(testpki.PEM(cert)) }
