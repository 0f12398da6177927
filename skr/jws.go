package skr

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// algRS256 is the only algorithm of tokens and release responses.
const algRS256 = "RS256"

// jws is a JSON web signature in compact form (RFC 7515, section 3.1) whose
// algorithm is RS256. It is read here rather than by a library for JOSE: one
// algorithm and one form need few lines, and general readers accept more than
// one text as the same signature.
type jws struct {
	header    map[string]any
	payload   []byte
	signed    []byte // what the signature is over
	signature []byte
}

// parseJWS records the checks "<prefix>.size", "<prefix>.format" and
// "<prefix>.alg" and returns nil when one of them failed. The header never
// chooses the algorithm.
func (l *checklist) parseJWS(prefix, raw string, limit int) *jws {
	if !l.that(prefix+".size", fmt.Sprintf("1 to %d bytes", limit), fmt.Sprintf("%d bytes", len(raw)),
		"ask who operates the service; no genuine answer has this size", refuseIf(len(raw) == 0 || len(raw) > limit)) {
		return nil
	}
	sig, err := splitJWS(raw)
	if !l.that(prefix+".format", "a compact JWS", describe(err, "a compact JWS"), "ask who operates the service; the answer is not what its protocol says", err) {
		return nil
	}
	alg, _ := sig.header["alg"].(string)
	if !l.equal(prefix+".alg", algRS256, alg, "do not trust this answer: only RS256 is ever used here") {
		return nil
	}
	return sig
}

// splitJWS decodes the three parts. Base64url has no padding, no line breaks
// and no stray bits, so that no second text carries the same signature.
func splitJWS(raw string) (*jws, error) {
	if n := strings.Count(raw, ".") + 1; n != 3 {
		return nil, fmt.Errorf("%d parts, want 3", n)
	}
	var decoded [3][]byte
	rest := raw
	for i := range decoded {
		var part string
		part, rest, _ = strings.Cut(rest, ".")
		b, err := decodeBase64URL(part)
		if err != nil {
			return nil, fmt.Errorf("part %d is no base64url", i+1)
		}
		decoded[i] = b
	}
	header, err := decodeObjectStrict(decoded[0])
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	// RFC 7515, section 4.1.11: what must be understood and is not, is refused.
	if _, critical := header["crit"]; critical {
		return nil, errors.New("header: extensions that must be understood")
	}
	return &jws{header, decoded[1], []byte(raw[:strings.LastIndexByte(raw, '.')]), decoded[2]}, nil
}

var strictURL = base64.RawURLEncoding.Strict()

// decodeBase64URL refuses line breaks, which the decoder would skip.
func decodeBase64URL(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("a line break")
	}
	return strictURL.DecodeString(s)
}

// text is a member of the header, "" if it is no text.
func (s *jws) text(name string) string {
	v, _ := s.header[name].(string)
	return v
}

// verify reports why the signature is not pub's.
func (s *jws) verify(pub *rsa.PublicKey) error {
	digest := sha256.Sum256(s.signed)
	if rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], s.signature) != nil {
		return errors.New("the signature does not fit")
	}
	return nil
}

// describe is the text of err, or ok.
func describe(err error, ok string) string {
	if err == nil {
		return ok
	}
	return err.Error()
}
