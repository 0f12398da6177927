package skr

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
)

// errSidecarKey is all that is said about a key text: it is secret.
var errSidecarKey = errors.New("not a private RSA key whose parts fit one another")

// maxMember bounds one number of a key: RSA-8192 in decimal digits.
const maxMember = 2500

// parseSidecarKey reads the JWK that a sidecar releases. Writers differ: its
// integers come as base64 of either alphabet, padded or not, with or without
// leading zeros, or as JSON numbers. The parts must fit one another.
func parseSidecarKey(raw json.RawMessage) (*rsa.PrivateKey, error) {
	// Genuine sidecars write the JSON of the key into a string.
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	members, err := decodeObjectStrict(raw)
	if err != nil {
		return nil, errSidecarKey
	}
	kty, _ := members["kty"].(string)
	if !strings.EqualFold(strings.TrimSuffix(strings.ToUpper(kty), "-HSM"), kindRSA) {
		return nil, errSidecarKey
	}
	number := map[string]*big.Int{}
	for _, name := range []string{"n", "e", "d", "p", "q", "dp", "dq", "qi"} {
		value, present := members[name]
		if !present && len(name) == 2 { // can be computed
			continue
		}
		if number[name] = keyMember(value); number[name] == nil {
			return nil, errSidecarKey
		}
	}
	return sidecarKey(number)
}

// keyMember is a positive integer, or nil.
func keyMember(value any) *big.Int {
	var n *big.Int
	switch v := value.(type) {
	case string:
		if len(v) > maxMember {
			return nil
		}
		v = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(v, "="))
		b, err := base64.RawURLEncoding.DecodeString(v)
		if err != nil {
			return nil
		}
		n = new(big.Int).SetBytes(b)
		clear(b)
	case json.Number:
		if len(v) > maxMember {
			return nil
		}
		var ok bool
		if n, ok = new(big.Int).SetString(v.String(), 10); !ok {
			return nil
		}
	default:
		return nil
	}
	if n.Sign() <= 0 {
		return nil
	}
	return n
}

// sidecarKey builds the key, which crypto/rsa checks, and compares the parts
// that could be computed: a writer that got them wrong may have got more wrong.
func sidecarKey(number map[string]*big.Int) (*rsa.PrivateKey, error) {
	e := number["e"]
	if !e.IsInt64() || e.Int64() > 1<<31-1 {
		return nil, errSidecarKey
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: number["n"], E: int(e.Int64())},
		D:         number["d"],
		Primes:    []*big.Int{number["p"], number["q"]},
	}
	if !usableRSA(&key.PublicKey) || number["d"].Cmp(number["n"]) >= 0 || number["p"].Cmp(number["n"]) >= 0 || number["q"].Cmp(number["n"]) >= 0 {
		return nil, errSidecarKey
	}
	if key.Validate() != nil {
		return nil, errSidecarKey
	}
	key.Precompute()
	for name, computed := range map[string]*big.Int{"dp": key.Precomputed.Dp, "dq": key.Precomputed.Dq, "qi": key.Precomputed.Qinv} {
		if given := number[name]; given != nil && (computed == nil || given.Cmp(computed) != 0) {
			return nil, errSidecarKey
		}
	}
	return key, nil
}
