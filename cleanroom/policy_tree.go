package cleanroom

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A tree in canonical form is what two policies or templates are compared in:
// lists whose order says nothing have become maps by the names of their
// elements, so that an inserted container is one change and not a change of
// all that follow.

var (
	policyAssignment = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)[ \t]*:=[ \t]*`)
	policyReference  = regexp.MustCompile(`^data(\.[A-Za-z_][A-Za-z0-9_]*)+$`)
)

// policyRef is a value that the platform's framework has.
type policyRef string

// policyTree reads a policy as statements: the package and imports, values by
// their names, and whatever else stands there as text. Comments and layout are
// left out. Of a text whose statements depend on more than their own lines
// nothing is known, so that is refused.
func policyTree(policy []byte) (map[string]any, error) {
	if len(policy) > maxJSON {
		return nil, fmt.Errorf("the policy has %d bytes, more than %d", len(policy), maxJSON)
	}
	if !utf8.Valid(policy) {
		return nil, errors.New("the policy is not UTF-8")
	}
	tree := map[string]any{}
	add := func(key string, value any) error {
		if _, twice := tree[key]; twice {
			return fmt.Errorf("the policy sets %s twice", shorten(key, 80))
		}
		tree[key] = value
		return nil
	}
	for rest := policy; len(rest) > 0; {
		statement, more := cutStatement(rest)
		rest = more
		text := strings.TrimRight(string(statement), " \t\r\n")
		switch {
		case text == "" || text[0] == '#':
			continue
		case strings.HasPrefix(text, "else"):
			return nil, errors.New("the policy has an else, whose meaning depends on what stands before it; compare the texts")
		}
		key, value := "statement "+text, any(text)
		if m := policyAssignment.FindString(text); m != "" {
			name := strings.TrimRight(m, " \t:=")
			if v, err := parseJSONTree([]byte(text[len(m):])); err == nil {
				key, value = name, canonical(v, name)
			} else if policyReference.MatchString(text[len(m):]) {
				key, value = name, policyRef(text[len(m):])
			}
		}
		if key == "statement "+text && strings.ContainsRune(text, '`') {
			return nil, errors.New("the policy has a text in backquotes outside its values; compare the texts")
		}
		if err := add(key, value); err != nil {
			return nil, err
		}
	}
	if len(tree) == 0 {
		return nil, errors.New("the policy is empty")
	}
	return tree, nil
}

// cutStatement cuts off a line and what continues it: lines that begin with a
// blank or with what closes a bracket. No value in JSON has a line break inside
// a text, so that a value ends where this says.
func cutStatement(b []byte) (statement, rest []byte) {
	end := 0
	for {
		i := bytes.IndexByte(b[end:], '\n')
		if i < 0 {
			return b, nil
		}
		end += i + 1
		if end == len(b) || !strings.ContainsRune(" \t\r\n}])", rune(b[end])) || b[0] == '#' {
			return b[:end], b[end:]
		}
	}
}

// canonical copies a value of JSON. at is the name it stands under.
func canonical(v any, at string) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = canonical(x, k)
		}
		return m
	case []any:
		if label := labelOf(v, at); label != nil {
			return byLabel(v, label)
		}
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = canonical(x, "")
		}
		return list
	case json.Number:
		return canonicalNumber(v)
	}
	return v
}

// labelled marks a map that was a list.
type labelled map[string]any

// byLabel numbers elements of one label.
func byLabel(list []any, label func(any) string) labelled {
	m := make(labelled, len(list))
	count := make(map[string]int, len(list))
	for _, x := range list {
		name := label(x)
		count[name]++
		key := name
		for _, there := m[key]; there; _, there = m[key] {
			key = name + "#" + strconv.Itoa(count[name])
			count[name]++
		}
		m[key] = canonical(x, "")
	}
	return m
}

// labelOf says what tells the elements of a list apart; nil if it is their
// position.
func labelOf(list []any, at string) func(any) string {
	if contains([]string{"ambient", "bounding", "effective", "inheritable", "permitted", "signals", "add", "drop"}, at) {
		return func(v any) string { return shorten(scalarText(v), 80) }
	}
	if len(list) == 0 || slices.ContainsFunc(list, func(v any) bool { _, object := v.(map[string]any); return !object }) {
		return nil
	}
	return func(v any) string {
		m := v.(map[string]any)
		text := func(key string) string { s, _ := m[key].(string); return s }
		if at == "env_rules" {
			name, _, _ := strings.Cut(strings.TrimPrefix(text("pattern"), "^"), "=")
			return shorten(name, 80)
		}
		if name, kind := text("name"), text("type"); kind != "" && (name == "" || name[0] == '[') && at == "resources" {
			return shorten(kind[strings.LastIndexByte(kind, '/')+1:], 80)
		}
		for _, key := range []string{"name", "destination", "feed", "id", "port"} {
			if s := text(key); s != "" {
				return shorten(s, 80)
			}
		}
		if words, _ := m["command"].([]any); len(words) > 0 {
			return shorten(scalarText(words[0]), 80)
		}
		return ""
	}
}

func scalarText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return jsonLine(v)
}

// canonicalNumber writes numbers of one value alike: the governance service
// stores 1.0 as 1. Whole numbers stay as they are, however large.
func canonicalNumber(n json.Number) json.Number {
	if !strings.ContainsAny(string(n), ".eE") {
		return n
	}
	f, err := n.Float64()
	if err != nil {
		return n
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

// templateTree reads a template with the policies in it, where they can be read.
func templateTree(template json.RawMessage) (any, error) {
	tree, err := parseJSONTree(template)
	if err != nil {
		return nil, err
	}
	root, ok := tree.(map[string]any)
	if !ok {
		return nil, errors.New("it is not an object")
	}
	resources, _ := root["resources"].([]any)
	for _, r := range resources {
		group, _ := r.(map[string]any)
		properties, _ := group["properties"].(map[string]any)
		confidential, _ := properties["confidentialComputeProperties"].(map[string]any)
		encoded, _ := confidential["ccePolicy"].(string)
		text, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || len(text) == 0 {
			continue // compared as it is
		}
		if policy, err := policyTree(text); err == nil {
			confidential["ccePolicy"] = decodedPolicy(policy)
		}
	}
	return canonical(root, ""), nil
}

// decodedPolicy is in canonical form already.
type decodedPolicy map[string]any
