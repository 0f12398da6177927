package skr

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxJSONDepth bounds nesting. Genuine claims nest four deep and policies six.
const maxJSONDepth = 32

// decodeStrict reads one JSON value and nothing behind it: objects become
// map[string]any, numbers json.Number. A member that appears twice is refused,
// because two parsers that pick different ones would see different claims or
// policies in the same signed bytes.
func decodeStrict(b []byte) (any, error) {
	if !json.Valid(b) {
		var raw json.RawMessage // for the error alone
		if err := json.Unmarshal(b, &raw); err != nil {
			return nil, err
		}
		return nil, errors.New("not JSON")
	}
	r := jsonReader{rest: string(b)}
	return r.value(0)
}

// jsonReader walks over text that is known to be valid, which leaves little to
// check: the library's own reader of tokens takes five times as long, and most
// of a token's verification would be spent in it. Texts of the result share the
// memory of the input.
type jsonReader struct{ rest string }

// next skips blanks and returns the byte after them, without taking it.
func (r *jsonReader) next() byte {
	for i := range len(r.rest) {
		switch r.rest[i] {
		case ' ', '\t', '\r', '\n':
		default:
			r.rest = r.rest[i:]
			return r.rest[0]
		}
	}
	panic("skr: internal error: valid JSON ended")
}

func (r *jsonReader) value(depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("JSON nests deeper than %d", maxJSONDepth)
	}
	switch c := r.next(); c {
	case '{':
		return r.object(depth)
	case '[':
		return r.list(depth)
	case '"':
		return r.string()
	case 't', 'n': // true, null
		r.rest = r.rest[4:]
		if c == 't' {
			return true, nil
		}
		return nil, nil
	case 'f':
		r.rest = r.rest[5:]
		return false, nil
	}
	n := 0
	for n < len(r.rest) && strings.IndexByte("+-.0123456789eE", r.rest[n]) >= 0 {
		n++
	}
	number := json.Number(r.rest[:n])
	r.rest = r.rest[n:]
	return number, nil
}

func (r *jsonReader) object(depth int) (any, error) {
	size := 8
	if depth == 0 {
		size = 32 // the claims of a token
	}
	object := make(map[string]any, size)
	for r.open('}') {
		name, err := r.string()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("member %q appears twice", shorten(name))
		}
		r.next()
		r.rest = r.rest[1:] // the colon
		if object[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return object, nil
}

func (r *jsonReader) list(depth int) (any, error) {
	list := []any{}
	for r.open(']') {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// open takes the bracket or comma at hand and reports whether an element
// follows; if none does, it takes the closing bracket as well.
func (r *jsonReader) open(end byte) bool {
	if r.next() != end {
		r.rest = r.rest[1:] // the opening bracket or a comma
		if r.next() != end {
			return true
		}
	}
	r.rest = r.rest[1:]
	return false
}

func (r *jsonReader) string() (string, error) {
	r.next()
	n, plain := 1, true
	for ; r.rest[n] != '"'; n++ {
		if r.rest[n] == '\\' {
			plain = false
			n++
		}
	}
	quoted := r.rest[:n+1]
	r.rest = r.rest[n+1:]
	if plain && utf8.ValidString(quoted) {
		return quoted[1:n], nil
	}
	var s string
	err := json.Unmarshal([]byte(quoted), &s)
	return s, err
}

// decodeObjectStrict is decodeStrict for input that must be an object.
func decodeObjectStrict(b []byte) (map[string]any, error) {
	v, err := decodeStrict(b)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("JSON value is no object")
	}
	return object, nil
}

// equalJSON compares two values of decodeStrict. Numbers are equal if their
// texts are.
func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equalJSON)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equalJSON)
	}
	switch b.(type) {
	case map[string]any, []any: // comparing these would panic
		return false
	}
	return a == b
}
