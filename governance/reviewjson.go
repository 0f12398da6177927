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

// compareJSON adds the differences of two values, leaf by leaf.
func (r *reviewer) compareJSON(path string, before, after any) {
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
