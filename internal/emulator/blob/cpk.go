package blob

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// The headers of a customer-provided key.
const (
	headerKey       = "x-ms-encryption-key"
	headerKeyDigest = "x-ms-encryption-key-sha256"
	headerAlgorithm = "x-ms-encryption-algorithm"
)

// customerKey reads the three headers, which come together, over TLS, and
// agree with each other. It returns the digest, "" if there is no key.
func customerKey(r *http.Request) (digest string, err error) {
	key, digest, algorithm := r.Header.Get(headerKey), r.Header.Get(headerKeyDigest), r.Header.Get(headerAlgorithm)
	if key == "" && digest == "" && algorithm == "" {
		return "", nil
	}
	if r.TLS == nil {
		return "", failure(http.StatusBadRequest, "InvalidHeaderValue", "a customer-provided key is only accepted over HTTPS")
	}
	for name, v := range map[string]string{headerKey: key, headerKeyDigest: digest, headerAlgorithm: algorithm} {
		if v == "" {
			return "", missingHeader(name)
		}
	}
	if algorithm != "AES256" {
		return "", invalidHeader(headerAlgorithm, "want AES256")
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != 32 {
		return "", invalidHeader(headerKey, "want base64 of 32 bytes")
	}
	sum := sha256.Sum256(raw)
	if base64.StdEncoding.EncodeToString(sum[:]) != digest {
		return "", invalidHeader(headerKeyDigest, "is not the SHA-256 of the key")
	}
	return digest, nil
}

// checkKey compares the digest beside a blob or a block with the request's.
func checkKey(have, sent string) error {
	switch {
	case have == sent:
		return nil
	case sent == "":
		return failure(http.StatusConflict, "BlobUsesCustomerSpecifiedEncryption", "The blob is encrypted with customer specified encryption, but it was not provided in the request.")
	case have == "":
		return failure(http.StatusConflict, "BlobDoesNotUseCustomerSpecifiedEncryption", "Customer specified encryption was given for a blob that has none.")
	default:
		return failure(http.StatusConflict, "BlobCustomerSpecifiedEncryptionMismatch", "The given customer specified encryption does not match the one of the blob.")
	}
}

// echoWrite and echoRead tell the client under which key its bytes are.
func echoWrite(h http.Header, digest string) {
	h.Set("x-ms-request-server-encrypted", "true")
	if digest != "" {
		h.Set(headerKeyDigest, digest)
	}
}

func echoRead(h http.Header, digest string) {
	h.Set("x-ms-server-encrypted", "true")
	if digest != "" {
		h.Set(headerKeyDigest, digest)
	}
}
