package snpmachine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/veraison/go-cose"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

// Labels of COSE headers: a certificate chain (RFC 9360), claims of a CBOR web
// token (RFC 9597), and the hash envelope's algorithm and type of the content.
const (
	labelX5Chain      int64 = 33
	labelCWT          int64 = 15
	labelEnvelopeHash int64 = 258
	labelEnvelopeType int64 = 259
	claimIssuer       int64 = 1
	claimSubject      int64 = 2

	algorithmSHA384 int64 = -43
)

// uvmSVN is the security version of the endorsed build.
const uvmSVN = 101

// uvmFeed is the product whose measurement is endorsed.
const uvmFeed = "ContainerPlat-AMD-UVM"

// uvmEKU marks a certificate that may sign utility VM endorsements; it is part
// of the issuer's did:x509.
var uvmEKU = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 76, 59, 1, 2}

// endorsed is the payload of an endorsement.
type endorsed struct {
	GuestSVN    string `json:"x-ms-sevsnpvm-guestsvn"`
	Measurement string `json:"x-ms-sevsnpvm-launchmeasurement"`
}

// endorser signs launch measurements as the builder of the utility VM does.
type endorser struct {
	root *x509.Certificate
	leaf *x509.Certificate
	key  *rsa.PrivateKey
}

func newEndorser(key *rsa.PrivateKey) (*endorser, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	name := func(cn string) pkix.Name {
		return pkix.Name{CommonName: cn, Organization: []string{testpki.Organization}}
	}
	root := &x509.Certificate{Subject: name("utility VM root"), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	e := &endorser{key: key}
	if e.root, err = testpki.Sign(root, rootKey.Public(), root, rootKey); err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{Subject: name(uvmFeed), KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{uvmEKU}}
	e.leaf, err = testpki.Sign(leaf, key.Public(), e.root, rootKey)
	return e, err
}

// issuer is the did:x509 that names the root by digest and the leaf by usage.
func (e *endorser) issuer() string {
	digest := sha256.Sum256(e.root.Raw)
	return "did:x509:0:sha256:" + base64.RawURLEncoding.EncodeToString(digest[:]) + "::eku:" + uvmEKU.String()
}

// endorse makes a COSE_Sign1 (PS384, x5chain) that names a measurement.
func (e *endorser) endorse(measurement []byte) ([]byte, error) {
	payload, err := json.Marshal(endorsed{GuestSVN: strconv.Itoa(uvmSVN), Measurement: hex.EncodeToString(measurement)})
	if err != nil {
		return nil, err
	}
	return e.sign(cose.ProtectedHeader{
		cose.HeaderLabelContentType: "application/json",
		"iss":                       e.issuer(),
		"feed":                      uvmFeed,
	}, payload)
}

// endorseClaims makes the newer form: the payload is the measurement itself,
// and a hash envelope says that it is the SHA-384 of something in JSON.
func (e *endorser) endorseClaims(measurement []byte) ([]byte, error) {
	return e.sign(cose.ProtectedHeader{
		labelEnvelopeHash: algorithmSHA384,
		labelEnvelopeType: "application/json",
		labelCWT:          map[any]any{claimIssuer: e.issuer(), claimSubject: uvmFeed, "svn": uint64(uvmSVN)},
	}, measurement)
}

// sign adds algorithm and chain to the protected header.
func (e *endorser) sign(protected cose.ProtectedHeader, payload []byte) ([]byte, error) {
	signer, err := cose.NewSigner(cose.AlgorithmPS384, e.key)
	if err != nil {
		return nil, err
	}
	protected[cose.HeaderLabelAlgorithm] = cose.AlgorithmPS384
	protected[labelX5Chain] = []any{e.leaf.Raw, e.root.Raw}
	return cose.Sign1(rand.Reader, signer, cose.Headers{Protected: protected}, payload, nil)
}

// verify checks an endorsement's chain and signature and that it names the
// measurement.
func (e *endorser) verify(endorsement, measurement []byte, now time.Time) error {
	msg := cose.NewSign1Message()
	if err := msg.UnmarshalCBOR(endorsement); err != nil {
		return err
	}
	leaf, err := e.signer(msg, now)
	if err != nil {
		return err
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmPS384, leaf.PublicKey)
	if err != nil {
		return err
	}
	if err := msg.Verify(nil, verifier); err != nil {
		return err
	}
	iss, feed, named := msg.Headers.Protected["iss"], msg.Headers.Protected["feed"], ""
	if claims, newer := msg.Headers.Protected[labelCWT].(map[any]any); newer {
		iss, feed, named = claims[claimIssuer], claims[claimSubject], hex.EncodeToString(msg.Payload)
	} else {
		var payload endorsed
		if err := json.Unmarshal(msg.Payload, &payload); err != nil {
			return err
		}
		named = payload.Measurement
	}
	switch {
	case iss != e.issuer():
		return fmt.Errorf("issuer %q is not known", iss)
	case feed != uvmFeed:
		return fmt.Errorf("feed %q is not %s", feed, uvmFeed)
	case named != hex.EncodeToString(measurement):
		return errors.New("another launch measurement is endorsed than the report's")
	}
	return nil
}

// signer verifies the certificates that a message brings along.
func (e *endorser) signer(msg *cose.Sign1Message, now time.Time) (*x509.Certificate, error) {
	chain, ok := msg.Headers.Protected[labelX5Chain].([]any)
	if !ok || len(chain) != 2 {
		return nil, errors.New("no chain of two certificates in the protected header")
	}
	der, _ := chain[0].([]byte)
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(e.root)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, err
	}
	for _, eku := range leaf.UnknownExtKeyUsage {
		if eku.Equal(uvmEKU) {
			return leaf, nil
		}
	}
	return nil, fmt.Errorf("certificate %q may not sign endorsements", leaf.Subject)
}
