package cleanroom

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// maxKEKFile fits the PEM text of RSA-4096 four times.
const maxKEKFile = 16 << 10

// loadKEK reads a KEK's file. No error quotes it.
func loadKEK(path string) (*rsa.PrivateKey, error) {
	raw, err := readKeyFile(path, maxKEKFile)
	if err != nil {
		return nil, fmt.Errorf("private key file: %w", err)
	}
	defer redact.Clear(raw)
	key, err := parseKEK(raw)
	if err != nil {
		return nil, fmt.Errorf("private key file %s: %w", path, err)
	}
	return key, nil
}

func parseKEK(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is no PEM text")
	}
	defer redact.Clear(block.Bytes)
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, errors.New("its PEM block is no private key that is readable without a password")
	}
	if err != nil {
		return nil, errors.New("its PEM block does not hold a private key")
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok || len(private.Primes) != 2 || private.N.BitLen() < kekBits || private.N.BitLen() > 4096 {
		return nil, errors.New("it is no RSA key of 2048 to 4096 bits")
	}
	return private, nil
}
