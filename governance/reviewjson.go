package governance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// nothing stands for a value that is not there, which null is not.
type nothing struct{}

// maxPath bounds the path of a value that is looked into. Below a longer one the
// rest is one leaf: each difference has a path of its own, so that a small text
// of long names or deep lists would become one that no memory holds.
const maxPath = 256

// compareJSON adds the differences of two values, leaf by leaf.
func (r *reviewer) compareJSON(path string, before, after any) {
	if len(path) > maxPath {
		r.compareLeaf(path, before, after)
		return
	}
	switch b := before.(type) {
	case map[string]any:
		switch a := after.(type) {
		case map[string]any:
			if len(a) > 0 || len(b) > 0 {
				r.compareObjects(path, b, a)
			}
			return
		case nothing:
			if len(b) > 0 {
				r.compareObjects(path, b, nil)
				return
			}
		}
	case []any:
		switch a := after.(type) {
		case []any:
			r.compareLists(path, b, a)
			return
		case nothing:
			if len(b) > 0 {
				r.compareLists(path, b, nil)
				return
			}
		}
	case nothing:
		switch a := after.(type) {
		case map[string]any:
			if len(a) > 0 {
				r.compareObjects(path, nil, a)
				return
			}
		case []any:
			if len(a) > 0 {
				r.compareLists(path, nil, a)
				return
			}
		}
	}
	r.compareLeaf(path, before, after)
}

func (r *reviewer) compareLeaf(path string, before, after any) {
	if !sameLeaf(before, after) {
		r.differ(path, jsonText(before), jsonText(after))
	}
}

func (r *reviewer) compareObjects(path string, before, after map[string]any) {
	names := maps.Clone(before)
	if names == nil {
		names = map[string]any{}
	}
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		r.compareJSON(path+member(name), memberOf(before, name), memberOf(after, name))
	}
}

func memberOf(object map[string]any, name string) any {
	if v, ok := object[name]; ok {
		return v
	}
	return nothing{}
}

// compareLists goes by index: an element that was put in front moves all
// others, and is shown so.
func (r *reviewer) compareLists(path string, before, after []any) {
	for i := range max(len(before), len(after)) {
		r.compareJSON(path+"["+strconv.Itoa(i)+"]", elementOf(before, i), elementOf(after, i))
	}
}

func elementOf(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nothing{}
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// member is a step of a JSON path (RFC 9535).
func member(name string) string {
	if plainName.MatchString(name) {
		return "." + name
	}
	return "[" + jsonText(name) + "]"
}

// sameLeaf compares numbers by value: the service prints 1.0 as 1.
func sameLeaf(a, b any) bool {
	m, isNumber := a.(json.Number)
	n, areNumbers := b.(json.Number)
	if isNumber && areNumbers {
		x, errX := m.Float64()
		y, errY := n.Float64()
		return m == n || (errX == nil && errY == nil && x == y)
	}
	return jsonText(a) == jsonText(b)
}

// jsonText is compact JSON without the escapes that only HTML needs.
func jsonText(v any) string {
	if _, ok := v.(nothing); ok {
		return ""
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("governance: internal error: %v", err))
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// maxIndent is how deep a text may be nested that is put on lines of its own:
// indenting a deeper one multiplies its length.
const maxIndent = 64

// indented puts JSON on lines of its own. What is nested too deep, or is no
// JSON, stays as it is.
func indented(text []byte) string {
	var b bytes.Buffer
	if nesting(text) > maxIndent || json.Indent(&b, text, "", "  ") != nil {
		return string(text)
	}
	return b.String()
}

// nesting is how deep a JSON text is nested, at least: in what is no JSON, any
// bracket may count.
func nesting(text []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
