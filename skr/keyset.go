package skr

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

const (
	// maxKeySetKeys bounds the certificates parsed; genuine sets have under 20.
	maxKeySetKeys = 100
	// minRSABits and maxRSABits bound the keys whose signatures are verified.
	minRSABits, maxRSABits = 2048, 8192
)

// keySetEntry is one key of a set, as far as it is read.
type keySetEntry struct {
	KID string   `json:"kid"`
	KTY string   `json:"kty"`
	Use string   `json:"use"`
	Ops []string `json:"key_ops"`
	Alg string   `json:"alg"`
	X5C []string `json:"x5c"`
}

// verifies reports whether the key may verify tokens by RS256 (RFC 7517,
// sections 4.2 to 4.4): what is not said is not restricted.
func (k *keySetEntry) verifies() bool {
	return k.KTY == "RSA" && (k.Use == "" || k.Use == "sig") && (k.Alg == "" || k.Alg == algRS256) &&
		(len(k.Ops) == 0 || slices.Contains(k.Ops, "verify"))
}

// parseKeySet reads the key set of an attestation service: entries with kid,
// kty and x5c, without n and e, which general JWK readers refuse. The key is
// that of the first certificate. An entry that cannot be used is skipped, since
// services publish keys of several kinds; only an empty result is an error.
func parseKeySet(b []byte) (map[string]*rsa.PublicKey, error) {
	var doc struct {
		Keys []keySetEntry `json:"keys"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if len(doc.Keys) > maxKeySetKeys {
		return nil, fmt.Errorf("key set has %d keys; at most %d are read", len(doc.Keys), maxKeySetKeys)
	}
	set := map[string]*rsa.PublicKey{}
	for _, k := range doc.Keys {
		if k.KID == "" || len(k.X5C) == 0 || !k.verifies() {
			continue
		}
		if _, twice := set[k.KID]; twice {
			continue
		}
		if pub := certificateKey(k.X5C[0]); pub != nil {
			set[k.KID] = pub
		}
	}
	if len(set) == 0 {
		return nil, errors.New("key set has no usable RSA key")
	}
	return set, nil
}

// certificateKey is the RSA key of a base64 certificate, or nil.
func certificateKey(b64 string) *rsa.PublicKey {
	der, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		return nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || !usableRSA(pub) {
		return nil
	}
	return pub
}

func usableRSA(pub *rsa.PublicKey) bool {
	bits := pub.N.BitLen()
	return bits >= minRSABits && bits <= maxRSABits
}
