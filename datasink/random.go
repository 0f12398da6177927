package datasink

import (
	"crypto/rand"
	"encoding/hex"
)

// random is 16 bytes in hexadecimal: an id that nobody else has.
func random() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}
