package keywrap

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
)

// Algorithm names the hash of the OAEP half, in Key Vault's spelling of "enc".
type Algorithm string

const (
	// CKMRSAAES uses SHA-1 for OAEP and MGF1. It is what a vault takes when a
	// request names no algorithm.
	CKMRSAAES Algorithm = "CKM_RSA_AES_KEY_WRAP"
	// RSAAES256 uses SHA-256; CCF uses the same construction without a name.
	RSAAES256 Algorithm = "RSA_AES_KEY_WRAP_256"
	// RSAAES384 uses SHA-384.
	RSAAES384 Algorithm = "RSA_AES_KEY_WRAP_384"
)

// Valid reports whether the algorithm is one of the three.
func (a Algorithm) Valid() bool { return a.hash() != nil }

func (a Algorithm) hash() hash.Hash {
	switch a {
	case CKMRSAAES:
		return sha1.New()
	case RSAAES256:
		return sha256.New()
	case RSAAES384:
		return sha512.New384()
	}
	return nil
}

// WrapRSAAES wraps plaintext for pub: RSA-OAEP of a fresh 32-byte AES key
// (empty label), then AES-KWP of the plaintext under it.
func WrapRSAAES(pub *rsa.PublicKey, alg Algorithm, plaintext []byte) ([]byte, error) {
	h := alg.hash()
	if h == nil {
		return nil, fmt.Errorf("keywrap: unknown algorithm %q", string(alg))
	}
	key := make([]byte, 32)
	defer clear(key)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	head, err := rsa.EncryptOAEP(h, rand.Reader, pub, key, nil)
	if err != nil {
		return nil, fmt.Errorf("keywrap: %w", err)
	}
	tail, err := WrapKWP(key, plaintext)
	if err != nil {
		return nil, err
	}
	return append(head, tail...), nil
}

// UnwrapRSAAES opens what WrapRSAAES made. The AES key must have 32 bytes.
// Every failure but an unknown algorithm is [ErrUnwrap]. When the RSA part does
// not open, the AES part is worked through all the same, under a key of zeros:
// the two failures look alike by their time as well.
func UnwrapRSAAES(priv *rsa.PrivateKey, alg Algorithm, blob []byte) ([]byte, error) {
	h := alg.hash()
	if h == nil {
		return nil, fmt.Errorf("keywrap: unknown algorithm %q", string(alg))
	}
	n := priv.Size()
	if len(blob) < n+16 || (len(blob)-n)%8 != 0 {
		return nil, &failure{BadLength}
	}
	var key [32]byte
	defer clear(key[:])
	opened, err := rsa.DecryptOAEP(h, nil, priv, blob[:n], nil)
	defer clear(opened)
	reason := NoReason
	switch {
	case err != nil:
		reason = BadOAEP
	case len(opened) != len(key):
		reason = BadKeySize
	default:
		copy(key[:], opened)
	}
	plain, err := UnwrapKWP(key[:], blob[n:])
	if reason != NoReason {
		clear(plain)
		return nil, &failure{reason}
	}
	return plain, err
}
