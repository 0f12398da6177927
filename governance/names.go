package governance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// exactNames reads a JSON object with its names as they stand. A struct would
// take "Claims" for "claims"; the scripts of the service do not.
func exactNames(b []byte) (map[string]json.RawMessage, error) {
	var object map[string]json.RawMessage
	err := json.Unmarshal(b, &object)
	return object, err
}

// namesDepth is how deep a signed text is looked at: the proposal, the list of
// its actions, an action, its arguments, and what these hold. Below begins what
// the parties store, such as a template, and no script reads it.
const namesDepth = 5

// ambiguous finds two names of one object that Go may take for one another,
// exact repetitions included. A proposer could show one of the two to those who
// vote, and the other to the constitution.
func ambiguous(b []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return ambiguousValue(d, namesDepth)
}

func ambiguousValue(d *json.Decoder, depth int) (string, error) {
	if depth == 0 {
		var skipped json.RawMessage
		return "", d.Decode(&skipped)
	}
	token, err := d.Token()
	if err != nil {
		return "", err
	}
	var seen map[string]string // of an object
	switch token {
	case json.Delim('{'):
		seen = map[string]string{}
	case json.Delim('['):
	default:
		return "", nil
	}
	for d.More() {
		if seen != nil {
			token, err := d.Token()
			if err != nil {
				return "", err
			}
			name, _ := token.(string)
			folded := strings.Map(fold, name)
			if other, ok := seen[folded]; ok {
				return fmt.Sprintf("%q and %q", cut(other, 80), cut(name, 80)), nil
			}
			seen[folded] = name
		}
		if found, err := ambiguousValue(d, depth-1); found != "" || err != nil {
			return found, err
		}
	}
	_, err = d.Token()
	return "", err
}

// fold maps the letters that encoding/json takes for one another to one.
func fold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}
