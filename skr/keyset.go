package skr

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// maxKeySetKeys bounds the certificates parsed; genuine sets have under 20.
	maxKeySetKeys = 100
	// minRSABits and maxRSABits bound the keys whose signatures are verified.
	minRSABits, maxRSABits = 2048, 8192
)

// parseKeySet reads the key set of an attestation service: entries with kid,
// kty and x5c, without n and e, which general JWK readers refuse. The key is
// that of the first certificate. An entry that cannot be used is skipped, since
// services publish keys of several kinds; only an empty result is an error.
func parseKeySet(b []byte) (map[string]*rsa.PublicKey, error) {
	var doc struct {
		Keys []struct {
			KID string   `json:"kid"`
			KTY string   `json:"kty"`
			Use string   `json:"use"`
			Alg string   `json:"alg"`
			X5C []string `json:"x5c"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if len(doc.Keys) > maxKeySetKeys {
		return nil, fmt.Errorf("key set has %d keys; at most %d are read", len(doc.Keys), maxKeySetKeys)
	}
	set := map[string]*rsa.PublicKey{}
	for _, k := range doc.Keys {
		if k.KID == "" || k.KTY != "RSA" || len(k.X5C) == 0 || k.Use != "" && k.Use != "sig" || k.Alg != "" && k.Alg != "RS256" {
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
