package ccf

import (
	"encoding/base64"
	"strings"
)

// decodeBase64 is as lenient as the application's decoder: both alphabets,
// foreign characters dropped, padding optional. Only a remainder of one letter
// is refused, as it cannot hold a byte.
func decodeBase64(s string) ([]byte, error) {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '+', r == '/':
			return r
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		}
		return -1
	}, s)
	if len(s)%4 == 1 {
		return nil, throw("Error: invalid base64 length")
	}
	return base64.RawStdEncoding.DecodeString(s)
}
