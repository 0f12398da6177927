package dbsecret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// appendCSV appends a field, which may be the only one of its row.
func appendCSV(b []byte, src any, kind string, alone bool) ([]byte, error) {
	switch v := src.(type) {
	case nil:
		return b, nil
	case string:
		return appendField(b, v, alone), nil
	case []byte:
		if kind != "BYTEA" {
			return appendField(b, v, alone), nil
		}
	}
	return appendScalar(b, src, kind)
}

// appendField quotes a text where a reader could take it for something else:
// also where it is empty, for NULL is nothing at all, and where it would be a
// line of its own that is the mark by which PostgreSQL ends a COPY.
func appendField[T string | []byte](b []byte, s T, alone bool) []byte {
	start := len(b)
	b = append(b, s...)
	if len(s) > 0 && !bytes.ContainsAny(b[start:], ",\"\r\n") && !(alone && len(s) == 2 && s[0] == '\\' && s[1] == '.') {
		return b
	}
	b = append(b[:start], '"')
	for i := range len(s) {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendJSON appends a value of an object.
func appendJSON(b []byte, src any, kind string) ([]byte, error) {
	switch v := src.(type) {
	case nil:
		return append(b, "null"...), nil
	case int64, bool:
		return appendScalar(b, v, kind)
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return appendScalar(b, v, kind)
		}
	case string:
		return appendJSONText(b, v)
	case []byte:
		switch kind {
		case "NUMERIC":
			// As PostgreSQL prints it, which is how JSON does, but for NaN
			// and the infinities.
			if json.Valid(v) && len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
				return append(b, v...), nil
			}
		case "JSON", "JSONB":
			line := bytes.NewBuffer(b)
			if err := json.Compact(line, v); err != nil {
				return nil, fmt.Errorf("a value of type %s is not JSON: %w", kind, err)
			}
			return line.Bytes(), nil
		case "BYTEA":
		default:
			return appendJSONText(b, v)
		}
		if kind != "BYTEA" {
			return appendJSONText(b, v)
		}
	}
	// A text without quotes and line breaks; the back slash of a bytea is the
	// only character to be escaped.
	b = append(b, '"')
	start := len(b)
	b, err := appendScalar(b, src, kind)
	if err != nil {
		return nil, err
	}
	if b[start] == '\\' {
		b = append(b, 0)
		copy(b[start+1:], b[start:])
		b[start] = '\\'
	}
	return append(b, '"'), nil
}

const hexDigits = "0123456789abcdef"

var errNotUTF8 = errors.New("a text is not UTF-8, and JSON can be nothing else")

// appendJSONText appends a string of JSON.
func appendJSONText[T string | []byte](b []byte, s T) ([]byte, error) {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && size == 1 {
				return nil, errNotUTF8
			}
			i += size - 1
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"'), nil
}
