package ccf

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The application's values are those of a JavaScript engine: nil, bool,
// float64, string, []any, *object, and undefined for what is not there.
// Parsing and printing lose what such an engine loses: digits of large
// integers, and the order of keys that look like array indexes.

type undefinedType struct{}

var undefined undefinedType

// object keeps its keys in the order in which they were first set.
type object struct {
	keys   []string
	values map[string]any
}

// obj builds an object from keys and values by turns; undefined values are
// left out.
func obj(pairs ...any) *object {
	o := &object{values: map[string]any{}}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != undefined {
			o.set(pairs[i].(string), pairs[i+1])
		}
	}
	return o
}

func (o *object) set(key string, v any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

// arrayIndex reports whether an engine would move the key to the front.
func arrayIndex(key string) (uint64, bool) {
	n, err := strconv.ParseUint(key, 10, 32)
	return n, err == nil && n < math.MaxUint32 && strconv.FormatUint(n, 10) == key
}

func (o *object) ordered() []string {
	keys := slices.Clone(o.keys)
	slices.SortStableFunc(keys, func(a, b string) int {
		m, isIndexA := arrayIndex(a)
		n, isIndexB := arrayIndex(b)
		switch {
		case isIndexA && isIndexB:
			return int(int64(m) - int64(n))
		case isIndexA:
			return -1
		case isIndexB:
			return 1
		}
		return 0
	})
	return keys
}

// MarshalJSON implements [json.Marshaler].
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.ordered() {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := encodeJSON(key)
		if err != nil {
			return nil, err
		}
		v, err := encodeJSON(o.values[key])
		if err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encodeJSON prints a value as JSON.stringify does.
func encodeJSON(v any) ([]byte, error) {
	if f, ok := v.(float64); ok {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return []byte("null"), nil
		}
		if f == 0 {
			return []byte("0"), nil // also the negative zero
		}
	}
	if list, ok := v.([]any); ok {
		b := []byte{'['}
		for i, e := range list {
			if i > 0 {
				b = append(b, ',')
			}
			item, err := encodeJSON(e)
			if err != nil {
				return nil, err
			}
			b = append(b, item...)
		}
		return append(b, ']'), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// maxDepth bounds the recursion over somebody else's JSON.
const maxDepth = 500

// parseJSON reads exactly one JSON text.
func parseJSON(b []byte) (any, error) {
	if !json.Valid(b) {
		if len(bytes.TrimSpace(b)) == 0 {
			return nil, throw("SyntaxError: Unexpected end of JSON input")
		}
		return nil, throw("SyntaxError: Unexpected token in JSON")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return parseValue(d, 0)
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, throw("InternalError: stack overflow")
	}
	t, err := d.Token()
	if err != nil {
		return nil, throw("SyntaxError: %v", err)
	}
	switch t := t.(type) {
	case json.Number:
		// Out of range is an infinity, as in an engine.
		f, _ := strconv.ParseFloat(t.String(), 64)
		return f, nil
	case json.Delim:
		if t == '[' {
			return parseArray(d, depth)
		}
		return parseObject(d, depth)
	}
	return t, nil
}

func parseArray(d *json.Decoder, depth int) (any, error) {
	list := []any{}
	for d.More() {
		v, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

func parseObject(d *json.Decoder, depth int) (any, error) {
	o := obj()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		o.set(key.(string), v)
	}
	_, err := d.Token()
	return o, err
}

// fromGo turns a Go value, by way of JSON, into one of the application's.
func fromGo(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return parseJSON(b)
}

// field is v[name], and undefined for anything that has no such property.
func field(v any, name string) any {
	if o, ok := v.(*object); ok {
		if f, ok := o.values[name]; ok {
			return f
		}
	}
	return undefined
}

func textField(v any, name string) (string, bool) {
	s, ok := field(v, name).(string)
	return s, ok
}

func truthy(v any) bool {
	switch v := v.(type) {
	case nil, undefinedType:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case float64:
		return v != 0 && !math.IsNaN(v)
	}
	return true
}

// typeOf is the typeof operator.
func typeOf(v any) string {
	switch v.(type) {
	case undefinedType:
		return "undefined"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		return "number"
	}
	return "object"
}

// display is String(v), as template literals use it.
func display(v any) string {
	switch v := v.(type) {
	case undefinedType:
		return "undefined"
	case nil:
		return "null"
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			if e != nil {
				parts[i] = display(e)
			}
		}
		return strings.Join(parts, ",")
	case *object:
		return "[object Object]"
	}
	b, err := encodeJSON(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// strictEqual is the === operator for what policies hold. Objects and arrays
// are equal to nothing but themselves.
func strictEqual(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && a == y
	case string:
		y, ok := b.(string)
		return ok && a == y
	case float64:
		y, ok := b.(float64)
		return ok && a == y
	}
	return false
}
