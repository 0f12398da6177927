package pgstandin

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// mechanism is the only one. Channel binding is not offered.
const mechanism = "SCRAM-SHA-256"

const iterations = 4096

// verifier is what the server keeps of the password (RFC 5802 section 3).
type verifier struct{ salt, stored, server []byte }

func newVerifier(password *redact.Secret) (*verifier, error) {
	v := &verifier{salt: make([]byte, 16)}
	rand.Read(v.salt)
	plain := password.Clone()
	defer redact.Clear(plain)
	salted, err := pbkdf2.Key(sha256.New, string(plain), v.salt, iterations, sha256.Size)
	if err != nil {
		return nil, err
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	v.stored, v.server = stored[:], mac(salted, "Server Key")
	return v, nil
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// An exchange is one login: first, then final (RFC 5802 section 5).
type exchange struct {
	verifier    *verifier
	gs2         string
	clientFirst string
	serverFirst string
	nonce       string
}

func malformed(what string) error {
	return errorf(codeProtocolViolation, "malformed SCRAM message: %s", what)
}

func (x *exchange) first(message string) (string, error) {
	parts := strings.SplitN(message, ",", 3)
	if len(parts) != 3 || parts[1] != "" {
		return "", malformed("no header")
	}
	if parts[0] != "n" && parts[0] != "y" {
		return "", malformed("channel binding is not offered")
	}
	x.gs2, x.clientFirst = parts[0]+",,", parts[2]
	attributes := strings.Split(x.clientFirst, ",")
	if len(attributes) != 2 || !strings.HasPrefix(attributes[0], "n=") || len(attributes[1]) < 3 || !strings.HasPrefix(attributes[1], "r=") {
		return "", malformed("want a name and a nonce")
	}
	own := make([]byte, 18)
	rand.Read(own)
	x.nonce = attributes[1][2:] + base64.StdEncoding.EncodeToString(own)
	x.serverFirst = fmt.Sprintf("r=%s,s=%s,i=%d", x.nonce, base64.StdEncoding.EncodeToString(x.verifier.salt), iterations)
	return x.serverFirst, nil
}

// final checks the client's proof and returns the server's. known is false for
// a user who does not exist, and whom nothing tells apart from a wrong password.
func (x *exchange) final(message, user string, known bool) (string, error) {
	at := strings.LastIndex(message, ",p=")
	if at < 0 {
		return "", malformed("no proof")
	}
	without := message[:at]
	if without != "c="+base64.StdEncoding.EncodeToString([]byte(x.gs2))+",r="+x.nonce {
		return "", malformed("it does not belong to the first")
	}
	proof, err := base64.StdEncoding.DecodeString(message[at+3:])
	if err != nil || len(proof) != sha256.Size {
		return "", malformed("the proof is no digest")
	}
	auth := x.clientFirst + "," + x.serverFirst + "," + without
	for i, b := range mac(x.verifier.stored, auth) {
		proof[i] ^= b
	}
	if stored := sha256.Sum256(proof); !hmac.Equal(stored[:], x.verifier.stored) || !known {
		return "", errorf(codeInvalidPassword, "password authentication failed for user %q", user)
	}
	return "v=" + base64.StdEncoding.EncodeToString(mac(x.verifier.server, auth)), nil
}

// saslInitial takes SASLInitialResponse apart.
func saslInitial(body []byte) (string, error) {
	r := &reader{rest: body}
	name, n := r.string(), r.int32()
	data := r.bytes(n)
	if r.bad || len(r.rest) > 0 || name != mechanism {
		return "", errorf(codeProtocolViolation, "want the SASL mechanism %s and its first message", mechanism)
	}
	return string(bytes.Clone(data)), nil
}
