package governance

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
)

func keysOf(args arguments) []any {
	keys, _ := args.object("jwks")["keys"].([]any)
	return keys
}

// keyDigests has the keys of a JWK set by their ids.
func keyDigests(keys []any) map[string]any {
	digests := map[string]any{}
	for _, k := range keys {
		key, _ := k.(map[string]any)
		jwk := arguments(key)
		// What is no key has the digest of all that is written of it.
		sum := digest(jsonText(k))
		if der := jwk.publicKey(); der != nil {
			sum = keyDigest(der)
		}
		addKey(digests, jwk.text("kid"), sum, jwk.text("issuer"))
	}
	return digests
}

// publicKey is the key of a JWK (RFC 7518, section 6) in DER, as the service
// chooses among the forms that one may have at the same time: the numbers of an
// RSA key, else the point on a curve, else the first certificate. A certificate
// beside the others is for show.
func (a arguments) publicKey() []byte {
	switch {
	case a.text("n") != "" && a.text("e") != "":
		n, e := a.number("n"), a.number("e")
		if n == nil || e == nil || n.Sign() == 0 || e.BitLen() > 31 || e.Sign() == 0 {
			return nil
		}
		der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: int(e.Int64())})
		if err != nil {
			return nil
		}
		return der
	case a.text("x") != "" && a.text("y") != "" && a.text("crv") != "":
		return nil // its text tells it from another well enough
	}
	chain, _ := a["x5c"].([]any)
	if len(chain) == 0 {
		return nil
	}
	text, _ := chain[0].(string)
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return cert.RawSubjectPublicKeyInfo
}

// number is one in base64url, nil if it is none.
func (a arguments) number(name string) *big.Int {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(a.text(name), "="))
	if err != nil {
		return nil
	}
	return new(big.Int).SetBytes(b)
}

// addKey keeps each key of a set that has an id twice: the service takes the
// first, a reader of JSON would the last.
func addKey(digests map[string]any, id, sum, constraint string) {
	if constraint != "" {
		sum += " for " + constraint
	}
	name := id
	for n := 2; digests[name] != nil; n++ {
		name = fmt.Sprintf("%s (%d)", id, n)
	}
	digests[name] = sum
}

// keyDigest is that of the public key in PEM or in a certificate, the same for
// both; what is neither has a digest of its own.
func keyDigest(text []byte) string {
	der := text
	if block, _ := pem.Decode(text); block != nil {
		der = block.Bytes
		if cert, err := x509.ParseCertificate(der); err == nil {
			der = cert.RawSubjectPublicKeyInfo
		}
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:])
}
