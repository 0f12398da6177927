package snp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/veraison/go-cose"
)

// UVMFeed is the product under which the utility VM of confidential ACI is
// endorsed.
const UVMFeed = "ContainerPlat-AMD-UVM"

// UVMEndorsement is the statement of the utility VM's builder that a launch
// measurement is one of its builds.
type UVMEndorsement struct {
	// Issuer is the did:x509 of the signer.
	Issuer string
	// Feed is the product that was built.
	Feed string
	// SVN is the build's security version; the builder raises it when an older
	// one must no longer be trusted. It is not the report's GuestSVN.
	SVN uint64
	// Measurement is the launch measurement.
	Measurement [48]byte
}

// Labels of the protected header. RFC 9360: x5chain. RFC 9597: CWT claims; in
// them iss, sub and the builder's svn. The hash envelope's type of the content
// (draft-ietf-cose-hash-envelope) takes the place of the content type.
const (
	labelX5Chain      int64 = 33
	labelCWT          int64 = 15
	labelEnvelopeType int64 = 259
	claimIssuer       int64 = 1
	claimSubject      int64 = 2

	// maxEndorsement is several times the genuine size of about 14 KiB, and
	// maxEndorsementChain that of four certificates.
	maxEndorsement      = 64 << 10
	maxEndorsementChain = 10

	contentJSON = "application/json"
)

// signedEndorsement is a parsed COSE_Sign1 message, nothing of it verified.
type signedEndorsement struct {
	UVMEndorsement
	chain []*x509.Certificate
	alg   cose.Algorithm
	msg   *cose.Sign1Message
}

// parseEndorsement reads both forms. The older has iss and feed in the
// protected header, and a JSON payload with measurement and SVN; the newer has
// them in CWT claims, and the bare measurement as the payload.
func parseEndorsement(b []byte) (*signedEndorsement, error) {
	if len(b) > maxEndorsement {
		return nil, fmt.Errorf("endorsement has %d bytes; at most %d are read", len(b), maxEndorsement)
	}
	msg := cose.NewSign1Message()
	if err := msg.UnmarshalCBOR(b); err != nil {
		return nil, err
	}
	e := &signedEndorsement{msg: msg}
	header := msg.Headers.Protected
	if _, critical := header[cose.HeaderLabelCritical]; critical {
		return nil, errors.New("the header has critical members, none of which is understood")
	}
	var err error
	if e.alg, err = header.Algorithm(); err != nil {
		return nil, err
	}
	if e.chain, err = parseX5Chain(header[labelX5Chain]); err != nil {
		return nil, err
	}
	claims, newer := header[labelCWT].(map[any]any)
	if newer {
		err = e.readClaims(header, claims)
	} else {
		err = e.readHeader(header)
	}
	return e, err
}

func parseX5Chain(v any) ([]*x509.Certificate, error) {
	ders, ok := v.([]any)
	if !ok || len(ders) == 0 || len(ders) > maxEndorsementChain {
		return nil, fmt.Errorf("no x5chain of 1 to %d certificates in the protected header", maxEndorsementChain)
	}
	chain := make([]*x509.Certificate, len(ders))
	for i, v := range ders {
		der, _ := v.([]byte)
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("x5chain: certificate %d: %w", i+1, err)
		}
		chain[i] = cert
	}
	return chain, nil
}

func (e *signedEndorsement) readHeader(header cose.ProtectedHeader) error {
	var ok bool
	if e.Issuer, ok = header["iss"].(string); !ok {
		return errors.New("no iss in the protected header")
	}
	if e.Feed, ok = header["feed"].(string); !ok {
		return errors.New("no feed in the protected header")
	}
	if contentType := header[cose.HeaderLabelContentType]; contentType != contentJSON {
		return fmt.Errorf("content type %q, want %s", shorten(fmt.Sprint(contentType)), contentJSON)
	}
	var payload struct {
		Measurement string          `json:"x-ms-sevsnpvm-launchmeasurement"`
		SVN         json.RawMessage `json:"x-ms-sevsnpvm-guestsvn"`
	}
	if err := json.Unmarshal(e.msg.Payload, &payload); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	measurement, err := hex.DecodeString(payload.Measurement)
	if err != nil || len(measurement) != len(e.Measurement) {
		return errors.New("payload: the launch measurement is not 48 bytes in hex")
	}
	copy(e.Measurement[:], measurement)
	// The builder wrote it as a text and as a number.
	svn := string(payload.SVN)
	if unquoted, err := strconv.Unquote(svn); err == nil {
		svn = unquoted
	}
	if e.SVN, err = strconv.ParseUint(svn, 10, 64); err != nil {
		return fmt.Errorf("payload: guest SVN %q is no number", shorten(svn))
	}
	return nil
}

func (e *signedEndorsement) readClaims(header cose.ProtectedHeader, claims map[any]any) error {
	var ok bool
	if e.Issuer, ok = claims[claimIssuer].(string); !ok {
		return errors.New("no iss among the CWT claims")
	}
	if e.Feed, ok = claims[claimSubject].(string); !ok {
		return errors.New("no sub among the CWT claims")
	}
	switch svn := claims["svn"].(type) {
	case int64:
		if svn < 0 {
			return errors.New("svn among the CWT claims is negative")
		}
		e.SVN = uint64(svn)
	case uint64:
		e.SVN = svn
	default:
		return errors.New("no svn among the CWT claims")
	}
	if contentType := header[labelEnvelopeType]; contentType != contentJSON {
		return fmt.Errorf("type of the content %q, want %s", shorten(fmt.Sprint(contentType)), contentJSON)
	}
	if len(e.msg.Payload) != len(e.Measurement) {
		return fmt.Errorf("payload: %d bytes, want the 48 of a launch measurement", len(e.msg.Payload))
	}
	copy(e.Measurement[:], e.msg.Payload)
	return nil
}

// verifySignature checks the message under the leaf's key. The algorithm must
// be one that fits the key; the header cannot choose another family.
func (e *signedEndorsement) verifySignature(leaf crypto.PublicKey) error {
	if !algorithmFits(e.alg, leaf) {
		return fmt.Errorf("algorithm %v does not fit the signer's key, a %T", e.alg, leaf)
	}
	verifier, err := cose.NewVerifier(e.alg, leaf)
	if err != nil {
		return err
	}
	return e.msg.Verify(nil, verifier)
}

func algorithmFits(alg cose.Algorithm, key crypto.PublicKey) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return alg == cose.AlgorithmPS256 || alg == cose.AlgorithmPS384 || alg == cose.AlgorithmPS512
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return alg == cose.AlgorithmES256
		case elliptic.P384():
			return alg == cose.AlgorithmES384
		case elliptic.P521():
			return alg == cose.AlgorithmES512
		}
	}
	return false
}
