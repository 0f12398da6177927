package cleanroom

import (
	"crypto/rsa"
	"encoding/base64"
	"time"

	"github.com/cleanroom-go/sdk/datasink"
)

// SetExportTimeout shortens what leaving the room gives to the log.
func SetExportTimeout(r *Room, d time.Duration) { r.exportTimeout = d }

// SetMounts replaces what recognises a mount, and bounds the wait for one.
func SetMounts(r *Room, mounted func(string) error, wait time.Duration) {
	r.mounted, r.mountWait, r.mountPoll = mounted, wait, time.Microsecond
}

// KeepSink stores a sink as Output does at its end.
func KeepSink(r *Room, name string, s *datasink.Sink) (*datasink.Sink, error) { return r.keep(name, s) }

// JWKNumbers are the members of an import, base64 as they are sent.
func JWKNumbers(key *rsa.PrivateKey) map[string]any {
	jwk := privateJWK(key)
	numbers := map[string]any{}
	for name, b := range map[string][]byte{"n": jwk.N, "e": jwk.E, "d": jwk.D, "p": jwk.P, "q": jwk.Q, "dp": jwk.DP, "dq": jwk.DQ, "qi": jwk.QI} {
		numbers[name] = base64.RawURLEncoding.EncodeToString(b)
	}
	return numbers
}
