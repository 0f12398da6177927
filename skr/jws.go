package skr

import (
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// parseJWS reads a compact JWS of exactly one signature whose algorithm is
// RS256; the header never chooses another. It records the checks "<prefix>.
// format" and "<prefix>.alg" and returns nil when one of them failed.
func (l *checklist) parseJWS(prefix, raw string, limit int) *jose.JSONWebSignature {
	if !l.that(prefix+".size", fmt.Sprintf("1 to %d bytes", limit), fmt.Sprintf("%d bytes", len(raw)),
		"ask who operates the service; no genuine answer has this size", refuseIf(len(raw) == 0 || len(raw) > limit)) {
		return nil
	}
	sig, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	var alg *jose.ErrUnexpectedSignatureAlgorithm
	if errors.As(err, &alg) {
		l.that(prefix+".alg", string(jose.RS256), string(alg.Got), "do not trust this answer: only RS256 is ever used here", errRefused)
		return nil
	}
	if !l.that(prefix+".format", "a compact JWS", describe(err, "a compact JWS"), "ask who operates the service; the answer is not what its protocol says", err) {
		return nil
	}
	l.equal(prefix+".alg", string(jose.RS256), sig.Signatures[0].Header.Algorithm, "")
	return sig
}

// describe is the text of err, or ok.
func describe(err error, ok string) string {
	if err == nil {
		return ok
	}
	return err.Error()
}
