package ccf

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// reportSize is the length of an SEV-SNP attestation report.
const reportSize = 1184

// report is a raw report, of reportSize bytes.
type report []byte

func (r report) hex(offset, length int) string { return hex.EncodeToString(r[offset : offset+length]) }

func (r report) number(offset int) float64 {
	return float64(binary.LittleEndian.Uint32(r[offset:]))
}

func (r report) policyBit(n uint) bool {
	return binary.LittleEndian.Uint64(r[0x08:])>>n&1 == 1
}

func (r report) reportData() []byte { return r[0x50:0x90] }

// claims derives what policies can name. The version is text, other numbers
// are numbers.
func (r report) claims() map[string]any {
	return map[string]any{
		"x-ms-ver":                        strconv.FormatUint(uint64(binary.LittleEndian.Uint32(r)), 10),
		"x-ms-sevsnpvm-guestsvn":          r.number(0x04),
		"x-ms-sevsnpvm-smt-allowed":       r.policyBit(16),
		"x-ms-sevsnpvm-is-debuggable":     r.policyBit(19),
		"x-ms-sevsnpvm-familyId":          r.hex(0x10, 16),
		"x-ms-sevsnpvm-imageId":           r.hex(0x20, 16),
		"x-ms-sevsnpvm-vmpl":              r.number(0x30),
		"x-ms-sevsnpvm-reportdata":        r.hex(0x50, 64),
		"x-ms-sevsnpvm-launchmeasurement": r.hex(0x90, 48),
		"x-ms-sevsnpvm-hostdata":          r.hex(0xC0, 32),
		"x-ms-sevsnpvm-idkeydigest":       r.hex(0xE0, 48),
		"x-ms-sevsnpvm-authorkeydigest":   r.hex(0x110, 48),
		"x-ms-sevsnpvm-reportid":          r.hex(0x140, 32),
	}
}

func unverified(message string) *apiError {
	return badRequest("VerifySnpAttestationFailed", message)
}

var (
	errAttestationMissing = badRequest("AttestationMissing", "Attestation payload must be supplied.")
	errEncryptionMissing  = badRequest("EncryptionMissing", "Encrypt payload must be supplied.")
	errReportData         = badRequest("ReportDataMismatch", "Attestation report_data value did not match calculated value.")
	errSignature          = badRequest("SignatureMismatch", "Signature verification was not successful.")
)

// checkPlatform wants a kind of evidence that the protocol knows.
func checkPlatform(body any) error {
	switch p := field(body, "platform"); p {
	case undefined, nil, "snp-caci":
		return nil
	case "snp-cvm":
		return unverified("This emulated network has no verifier for snp-cvm evidence; use snp-caci.")
	default:
		return badRequest("UnsupportedPlatform", "Unknown TEE platform '"+display(p)+"'. Supported values: snp-caci, snp-cvm.")
	}
}

// attested verifies the evidence of the body, signature first, and matches it
// with the contract's policy, or with that of a delegate where there are any.
// mismatch is what a policy mismatch is told.
func (c *call) attested(body any, contractID, mismatch string, delegates ...delegate) (report, error) {
	attestation := field(body, "attestation")
	evidence, ok := textField(attestation, "evidence")
	endorsements, okEndorsements := textField(attestation, "endorsements")
	if !ok || !okEndorsements {
		return nil, unverified("The attestation lacks evidence or endorsements.")
	}
	uvm, _ := textField(attestation, "uvm_endorsements")
	var parts [3][]byte
	for i, s := range []string{evidence, endorsements, uvm} {
		b, err := decodeBase64(s)
		if err != nil {
			return nil, unverified("The attestation holds a field that is not base64.")
		}
		parts[i] = b
	}
	r := report(parts[0])
	if len(r) != reportSize {
		return nil, unverified("attestation report is not of expected size: " + strconv.Itoa(len(r)) + " != " + strconv.Itoa(reportSize))
	}
	if err := c.verifyReport(r, parts[1], parts[2]); err != nil {
		return nil, unverified("Error during SEV-SNP attestation verification: " + err.Error())
	}
	policy, ok := policyTable.get(c.tx, contractID)
	if !ok || len(policy.keys) == 0 {
		return nil, unverified("The clean room policy is missing. Please propose a new clean room policy.")
	}
	if claims := r.claims(); !matches(policy, claims) && !c.delegated(contractID, claims, delegates) {
		return nil, unverified(mismatch)
	}
	return r, nil
}

const (
	contractMismatch  = "Attestation claims do not match the contract policy."
	delegatedMismatch = "Attestation claims do not match the contract policy, or the delegated policies."
)

// boundKey decodes body[part].publicKey and checks that the report was made
// for it: its first half is the SHA-256 of the PEM text, the rest is zero.
func boundKey(r report, body any, part string) ([]byte, error) {
	encoded, ok := textField(field(body, part), "publicKey")
	if !ok {
		return nil, errReportData
	}
	pemText, err := decodeBase64(encoded)
	if err != nil {
		return nil, errReportData
	}
	var want [64]byte
	digest := sha256.Sum256(pemText)
	copy(want[:], digest[:])
	if string(r.reportData()) != string(want[:]) {
		return nil, errReportData
	}
	return pemText, nil
}

// signedData checks body.sign over the decoded body.data, with RSA-PSS,
// SHA-256 and a salt of 32 bytes, and returns the data.
func signedData(body any) ([]byte, error) {
	data, ok := textField(body, "data")
	if !ok {
		return nil, throw("TypeError: data is not a string")
	}
	content, err := decodeBase64(data)
	if err != nil {
		return nil, err
	}
	encodedKey, okKey := textField(field(body, "sign"), "publicKey")
	encodedSignature, okSignature := textField(field(body, "sign"), "signature")
	if !okKey || !okSignature {
		return nil, errSignature
	}
	keyPEM, err := decodeBase64(encodedKey)
	if err != nil {
		return nil, err
	}
	signature, err := decodeBase64(encodedSignature)
	if err != nil {
		return nil, err
	}
	pub, err := parseRSAPublicKey(string(keyPEM))
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(content)
	if rsa.VerifyPSS(pub, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: 32}) != nil {
		return nil, errSignature
	}
	return content, nil
}

// wrapped is the answer {"value"}: plaintext for the key in PEM, wrapped by
// RSA-OAEP-AES-KWP and in base64.
func wrapped(keyPEM, plaintext []byte) (any, error) {
	pub, err := parseRSAPublicKey(string(keyPEM))
	if err != nil {
		return nil, err
	}
	blob, err := keywrap.WrapRSAAES(pub, keywrap.RSAAES256, plaintext)
	if err != nil {
		return nil, throw("Error: %v", err)
	}
	return obj("value", base64.StdEncoding.EncodeToString(blob)), nil
}

// encryptedCall reads the body of a call that is answered with a wrapped
// value, up to but not including the evidence.
func (c *call) encryptedCall() (any, error) {
	body, err := c.json()
	if err != nil {
		return nil, err
	}
	if !truthy(field(body, "attestation")) {
		return nil, errAttestationMissing
	}
	if !truthy(field(body, "encrypt")) {
		return nil, errEncryptionMissing
	}
	return body, nil
}

// attestedKey verifies the evidence and returns the key to answer to.
func (c *call) attestedKey(body any, contractID string, delegates ...delegate) ([]byte, error) {
	if err := checkPlatform(body); err != nil {
		return nil, err
	}
	r, err := c.attested(body, contractID, delegatedMismatch, delegates...)
	if err != nil {
		return nil, err
	}
	return boundKey(r, body, "encrypt")
}
