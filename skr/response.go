package skr

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cleanroom-go/sdk/internal/keywrap"
	"github.com/cleanroom-go/sdk/internal/redact"
)

// Kinds of keys that are released.
const (
	kindRSA = "RSA"
	kindOct = "oct"
)

// releaseCheck is everything that a release response must agree with.
type releaseCheck struct {
	ref       KeyRef // normalised
	nonce     string
	target    string // the token that was sent; empty is not compared
	algorithm keywrap.Algorithm
	transfer  *transferKey
	roots     *x509.CertPool
	now       time.Time
}

// releasedMaterial is a key that came out of a release response which passed
// every check. It is shared between handles and changes once, when the last of
// them has gone.
type releasedMaterial struct {
	ref     KeyRef    // with the version that was released
	kind    string    // kty without the suffix -HSM
	expires time.Time // of the key in the vault, zero for never
	checks  []Check

	mu      sync.Mutex
	holders int
	rsa     *rsa.PrivateKey // of kindRSA
	oct     []byte          // of kindOct
}

// The payload of the response, as far as it is read (Key Vault data plane,
// KeyReleaseResult; the signed form).
type releasePayload struct {
	Request struct {
		KID    string `json:"kid"`
		Enc    string `json:"enc"`
		Nonce  string `json:"nonce"`
		Target string `json:"target"`
	} `json:"request"`
	Response struct {
		Key struct {
			Key        releasedJWK `json:"key"`
			Attributes struct {
				// Expires is in seconds since 1970, zero for never.
				Expires int64 `json:"exp"`
			} `json:"attributes"`
		} `json:"key"`
	} `json:"response"`
}

type releasedJWK struct {
	KID    string `json:"kid"`
	KTY    string `json:"kty"`
	N      string `json:"n"`
	E      string `json:"e"`
	KeyHSM string `json:"key_hsm"`
}

type keyHSM struct {
	Header struct {
		KID string `json:"kid"`
		Enc string `json:"enc"`
	} `json:"header"`
	Ciphertext string `json:"ciphertext"`
}

// open verifies a release response and unwraps the key in it. It stops at the
// first check whose failure makes the rest meaningless.
func (rc *releaseCheck) open(raw string) (*releasedMaterial, []Check) {
	var l checklist
	payload := rc.verifySignature(&l, raw)
	if payload == nil {
		return nil, l.checks
	}
	var doc releasePayload
	err := json.Unmarshal(payload, &doc)
	if !l.that("release.payload", "a release result", describe(err, "a release result"), "the service does not speak the release protocol", err) {
		return nil, l.checks
	}
	version, ok := rc.verifyRequest(&l, &doc)
	if !ok {
		return nil, l.checks
	}
	plain := rc.unwrap(&l, &doc)
	if plain == nil {
		return nil, l.checks
	}
	defer redact.Clear(plain)
	m := openKey(&l, &doc.Response.Key.Key, plain)
	if m == nil {
		return nil, l.checks
	}
	m.ref, m.checks = rc.ref, l.checks
	m.ref.Version = version
	if exp := doc.Response.Key.Attributes.Expires; exp > 0 {
		m.expires = time.Unix(exp, 0)
	}
	return m, l.checks
}

// verifyRequest checks that the response answers our request, about our key,
// and returns the version that was released.
func (rc *releaseCheck) verifyRequest(l *checklist, doc *releasePayload) (version string, ok bool) {
	const remedy = "do not trust this answer: it is about another key or another request"
	start := len(l.checks)
	askedErr := rc.sameKey(doc.Request.KID)
	l.that("release.request-kid", rc.ref.String(), doc.Request.KID, remedy, askedErr)
	gotErr := rc.sameKey(doc.Response.Key.Key.KID)
	version = versionOf(doc.Response.Key.Key.KID)
	if gotErr == nil && version == "" {
		gotErr = errors.New("no version")
	}
	l.that("release.response-kid", rc.ref.String(), doc.Response.Key.Key.KID, remedy, gotErr)
	// The place of the nonce in the response is not documented; where it is
	// echoed it must be ours. Freshness does not hang on it: the answer is
	// encrypted to a key that was made for this one request.
	if doc.Request.Nonce != "" {
		l.equal("release.nonce", rc.nonce, doc.Request.Nonce, remedy)
	}
	// Nor is it documented that the token comes back. What the answer is bound to
	// is the transfer key, see unwrap.
	if doc.Request.Target != "" && rc.target != "" {
		l.that("release.target", "the token that was sent", "another token", remedy, refuseIf(doc.Request.Target != rc.target))
	}
	l.equal("release.enc", string(rc.algorithm), doc.Request.Enc, "do not trust this answer: the vault used another algorithm than was asked for")
	for _, c := range l.checks[start:] {
		if !c.OK() {
			return "", false
		}
	}
	return version, true
}

// sameKey reports why kid is not the identifier of the key asked for. Vaults
// write identifiers with or without the port that the client dialled.
func (rc *releaseCheck) sameKey(kid string) error {
	u, err := url.Parse(kid)
	if err != nil {
		return errRefused
	}
	rest, isKey := strings.CutPrefix(u.Path, "/keys/")
	name, version := splitID(strings.TrimSuffix(rest, "/"))
	switch {
	case u.Scheme != "https", !isKey, u.RawQuery != "", u.User != nil:
		return errRefused
	case !strings.EqualFold(u.Hostname(), hostOf(rc.ref.VaultURL)), !strings.EqualFold(name, rc.ref.Name):
		return errRefused
	case version != "" && !validName(version):
		return errRefused
	case rc.ref.Version != "" && version != rc.ref.Version:
		return errRefused
	}
	return nil
}

func versionOf(kid string) string {
	u, err := url.Parse(kid)
	if err != nil {
		return ""
	}
	_, version := splitID(strings.TrimPrefix(u.Path, "/keys/"))
	return version
}

// unwrap opens the wrapped key for our transfer key. Whatever is wrong with
// the bytes, the check says the same.
func (rc *releaseCheck) unwrap(l *checklist, doc *releasePayload) []byte {
	inner, err := decodeKeyHSM(doc.Response.Key.Key.KeyHSM)
	if !l.that("release.key-hsm", "a wrapped key", describe(err, "a wrapped key"), "the service does not speak the release protocol", err) {
		return nil
	}
	// Both places are signed; they differ only in a response put together from
	// two requests.
	if !l.equal("release.key-hsm-enc", doc.Request.Enc, inner.Header.Enc, "do not trust this answer: it contradicts itself") {
		return nil
	}
	if inner.Header.KID != "" && !l.equal("release.transfer-kid", rc.transfer.id, inner.Header.KID, "do not trust this answer: the key is wrapped for somebody else") {
		return nil
	}
	blob, err := base64.RawURLEncoding.Strict().DecodeString(inner.Ciphertext)
	var plain []byte
	if err == nil {
		plain, err = keywrap.UnwrapRSAAES(rc.transfer.private, rc.algorithm, blob)
	}
	if err != nil && keywrap.ReasonOf(err) == keywrap.NoReason {
		err = keywrap.ErrUnwrap
	}
	if !l.that("release.unwrap", "a key for this program", describe(err, "a key for this program"), "release again; if it persists the vault wrapped the key for another transfer key", err) {
		return nil
	}
	return plain
}

func decodeKeyHSM(s string) (*keyHSM, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("key_hsm is no base64url")
	}
	var k keyHSM
	if err := json.Unmarshal(b, &k); err != nil {
		return nil, errors.New("key_hsm is no JSON object")
	}
	return &k, nil
}

// openKey reads the plaintext. An RSA key is compared with the published half:
// a key that does not fit opens nothing, and a vault that swaps keys is found
// here. Of an octet key nothing is published.
func openKey(l *checklist, jwk *releasedJWK, plain []byte) *releasedMaterial {
	kind := strings.TrimSuffix(jwk.KTY, "-HSM")
	wanted := kindRSA
	if kind == kindOct {
		wanted = kindOct
	}
	if !l.equal("release.kty", wanted, kind, "release an RSA or an octet key: keys on a curve sign and wrap nothing") {
		return nil
	}
	if kind == kindOct {
		if !l.that("release.key-size", "an AES key of 16, 24 or 32 bytes", fmt.Sprintf("%d bytes", len(plain)),
			"use an octet key of 128, 192 or 256 bits", refuseIf(len(plain) != 16 && len(plain) != 24 && len(plain) != 32)) {
			return nil
		}
		return &releasedMaterial{kind: kind, oct: slices.Clone(plain)}
	}
	private, err := openRSA(jwk, plain)
	if !l.that("release.key-pair", "the private half of the published key", describe(err, "the private half of the published key"),
		"do not use this key: what was released is not what the vault publishes", err) {
		return nil
	}
	return &releasedMaterial{kind: kind, rsa: private}
}

var errKeyPair = errors.New("another key")

func openRSA(jwk *releasedJWK, plain []byte) (*rsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errKeyPair // never the parser's words: the input is secret
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok || !usableRSA(&private.PublicKey) {
		return nil, errKeyPair
	}
	n, errN := base64.RawURLEncoding.DecodeString(jwk.N)
	e, errE := base64.RawURLEncoding.DecodeString(jwk.E)
	if errN != nil || errE != nil || new(big.Int).SetBytes(n).Cmp(private.N) != 0 ||
		new(big.Int).SetBytes(e).Cmp(big.NewInt(int64(private.E))) != 0 {
		return nil, errKeyPair
	}
	return private, nil
}
