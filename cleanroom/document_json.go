package cleanroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxJSON bounds a template; the platform refuses one over 4 MB.
const maxJSON = 4 << 20

// parseJSONTree reads one JSON value with numbers kept as written. Keys that
// are equal but for their case are refused: encoding/json, the platform and
// the governance service choose differently between them.
func parseJSONTree(b []byte) (any, error) {
	if len(b) > maxJSON {
		return nil, fmt.Errorf("%d bytes, more than %d", len(b), maxJSON)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	v, err := jsonValue(dec, "", 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the end of the JSON value")
	}
	return v, nil
}

func jsonValue(dec *json.Decoder, path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: nested deeper than %d levels", path, maxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return jsonObject(dec, path, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := jsonValue(dec, fmt.Sprintf("%s[%d]", path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
}

func jsonObject(dec *json.Decoder, path string, depth int) (any, error) {
	object := map[string]any{}
	folded := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, errors.New("a key that is not text")
		}
		if f := strings.ToLower(key); folded[f] {
			return nil, fmt.Errorf("%s is written twice", join(path, key))
		} else {
			folded[f] = true
		}
		v, err := jsonValue(dec, join(path, key), depth+1)
		if err != nil {
			return nil, err
		}
		object[key] = v
	}
	_, err := dec.Token()
	return object, err
}

// firstDifference returns where two trees differ first, in key order, and
// both sides as short text; "" if they are equal.
func firstDifference(want, got any, path string) (at, wantText, gotText string) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		keys := maps.Clone(w)
		maps.Copy(keys, g)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			wv, inWant := w[k]
			gv, inGot := g[k]
			switch {
			case !inWant:
				return join(path, k), "nothing", brief(gv)
			case !inGot:
				return join(path, k), brief(wv), "nothing"
			}
			if at, a, b := firstDifference(wv, gv, join(path, k)); at != "" {
				return at, a, b
			}
		}
		return "", "", ""
	case []any:
		g, ok := got.([]any)
		if !ok {
			break
		}
		for i := range min(len(w), len(g)) {
			if at, a, b := firstDifference(w[i], g[i], fmt.Sprintf("%s[%d]", path, i)); at != "" {
				return at, a, b
			}
		}
		if len(w) != len(g) {
			return path, fmt.Sprintf("%d entries", len(w)), fmt.Sprintf("%d entries", len(g))
		}
		return "", "", ""
	default:
		switch got.(type) {
		case map[string]any, []any:
		default:
			if want == got {
				return "", "", ""
			}
		}
	}
	if path == "" {
		path = "the document"
	}
	return path, brief(want), brief(got)
}

// brief is a value as one short line of JSON.
func brief(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return shorten(string(b), 120)
}
