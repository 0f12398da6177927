package cleanroom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cleanroom-go/sdk/internal/check"
)

// firstDifference returns where two trees differ first, in key order, and
// both sides as short text; "" if they are equal. Numbers are equal by value:
// the governance service writes 1.0 as 1.
func firstDifference(want, got any, path string) (at, wantText, gotText string) {
	switch w := want.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			return objectDifference(w, g, path)
		}
	case []any:
		if g, ok := got.([]any); ok {
			return listDifference(w, g, path)
		}
	case json.Number:
		if g, ok := got.(json.Number); ok && sameNumber(w, g) {
			return "", "", ""
		}
	default:
		if sameScalar(want, got) {
			return "", "", ""
		}
	}
	if path == "" {
		path = "the document"
	}
	wantText, gotText = contrast(jsonLine(want), jsonLine(got))
	return path, wantText, gotText
}

func objectDifference(want, got map[string]any, path string) (at, wantText, gotText string) {
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		w, inWant := want[k]
		g, inGot := got[k]
		switch {
		case !inWant:
			return join(path, shorten(k, 80)), "nothing", brief(g)
		case !inGot:
			return join(path, k), brief(w), "nothing"
		}
		if at, a, b := firstDifference(w, g, join(path, k)); at != "" {
			return at, a, b
		}
	}
	return "", "", ""
}

func listDifference(want, got []any, path string) (at, wantText, gotText string) {
	for i := range min(len(want), len(got)) {
		if at, a, b := firstDifference(want[i], got[i], fmt.Sprintf("%s[%d]", path, i)); at != "" {
			return at, a, b
		}
	}
	if len(want) != len(got) {
		return path, fmt.Sprintf("%d entries", len(want)), fmt.Sprintf("%d entries", len(got))
	}
	return "", "", ""
}

func sameNumber(a, b json.Number) bool {
	x, errX := a.Float64()
	y, errY := b.Float64()
	return a == b || errX == nil && errY == nil && x == y
}

// sameScalar compares what can be compared: text, booleans and null.
func sameScalar(a, b any) bool {
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// jsonLine is a value as one line of JSON.
func jsonLine(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// brief is a value as one short line of JSON.
func brief(v any) string { return check.Printable(shorten(jsonLine(v), 120)) }

// contrast cuts two different texts to what surrounds their first difference,
// and writes them so that they look different: in quotes, with each character
// outside ASCII escaped, where they otherwise might not.
func contrast(a, b string) (string, string) {
	const before, limit = 40, 120
	from := 0
	if len(a) > limit || len(b) > limit {
		same := 0
		for same < min(len(a), len(b)) && a[same] == b[same] {
			same++
		}
		from = max(0, same-before)
	}
	x, y := a[from:min(len(a), from+limit)], b[from:min(len(b), from+limit)]
	quoted := !visible(x) || !visible(y) || strings.TrimSpace(x) == strings.TrimSpace(y)
	cut := func(part string, end int) string {
		if quoted {
			part = strconv.QuoteToASCII(part)
		}
		if from > 0 {
			part = "..." + part
		}
		if end > from+limit {
			part += "..."
		}
		return part
	}
	return cut(x, len(a)), cut(y, len(b))
}

// visible reports whether s is what it looks like.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
