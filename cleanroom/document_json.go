package cleanroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxJSON bounds a template; the platform refuses one over 4 MB.
const maxJSON = 4 << 20

// parseJSONTree reads one JSON value with numbers kept as written. Keys that
// are equal but for their case are refused: encoding/json, the platform and
// the governance service choose differently between them. So is text that is
// not UTF-8, which would be read as other text than it is.
func parseJSONTree(b []byte) (any, error) {
	if len(b) > maxJSON {
		return nil, fmt.Errorf("%d bytes, more than %d", len(b), maxJSON)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("it is not UTF-8")
	}
	r := jsonReader{Decoder: json.NewDecoder(bytes.NewReader(b))}
	r.UseNumber()
	v, err := r.value()
	if err != nil {
		return nil, err
	}
	if _, err := r.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the end of the JSON value")
	}
	return v, nil
}

// jsonReader knows where it is as a list, and makes text of it for an error
// only: the text of each place would be as long as all names above it.
type jsonReader struct {
	*json.Decoder
	path []any // string or int
}

func (r *jsonReader) value() (any, error) {
	if len(r.path) > maxDepth {
		return nil, fmt.Errorf("%s: nested deeper than %d levels", r.place(), maxDepth)
	}
	token, err := r.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return r.object()
	case json.Delim('['):
		return r.list()
	}
	return token, nil
}

func (r *jsonReader) list() (any, error) {
	list := []any{}
	for r.More() {
		v, err := r.at(len(list))
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.Token()
	return list, err
}

func (r *jsonReader) object() (any, error) {
	object := map[string]any{}
	folded := map[string]bool{}
	for r.More() {
		token, err := r.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, errors.New("a key that is not text")
		}
		fold := foldCase(key)
		if folded[fold] {
			return nil, fmt.Errorf("%s is written twice", join(r.place(), shorten(key, 80)))
		}
		folded[fold] = true
		v, err := r.at(key)
		if err != nil {
			return nil, err
		}
		object[key] = v
	}
	_, err := r.Token()
	return object, err
}

// at reads the value of a key or an index.
func (r *jsonReader) at(step any) (any, error) {
	r.path = append(r.path, step)
	v, err := r.value()
	r.path = r.path[:len(r.path)-1]
	return v, err
}

func (r *jsonReader) place() string {
	path := ""
	for _, step := range r.path {
		switch s := step.(type) {
		case int:
			path += fmt.Sprintf("[%d]", s)
		case string:
			path = join(path, shorten(s, 80))
		}
	}
	return shorten(path, 200)
}

// foldCase makes texts equal that differ in case only, by any reader's rule:
// the long s, for one, is lower case already, and yet an S to some.
func foldCase(s string) string { return strings.ToLower(strings.ToUpper(s)) }
