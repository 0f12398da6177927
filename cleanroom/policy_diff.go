package cleanroom

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DiffPolicies lists what the second enforcement policy says otherwise than
// the first, by places such as containers[demo-app].command[2],
// containers[demo-app].env_rules[CODE].pattern or
// containers[demo-app].mounts[/etc/resolv.conf]. Containers, variables, mounts
// and capabilities are compared by their names, wherever they stand; words of a
// command and layers by position. Comments and layout do not count, though the
// platform measures them: policies without a difference can have different host
// data. No evaluation is attempted, so a rule in other words is a difference.
//
// A policy is at most 4 MB. One that sets a name twice, or whose statements depend
// on each other (else, texts in backquotes), is an error.
func DiffPolicies(before, after []byte) ([]Change, error) {
	a, err := policyTree(before)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: diff policies: the first: %w", err)
	}
	b, err := policyTree(after)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: diff policies: the second: %w", err)
	}
	return treeChanges(nil, a, b, ""), nil
}

// DiffTemplates lists what the second deployment template, of any resources,
// says otherwise than the first. Named resources, containers and variables are
// compared by their names, numbers by value; a policy is decoded and compared as
// by [DiffPolicies] if both can be read, otherwise as the text it is.
func DiffTemplates(before, after json.RawMessage) ([]Change, error) {
	a, err := templateTree(before)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: diff templates: the first: %w", err)
	}
	b, err := templateTree(after)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: diff templates: the second: %w", err)
	}
	return treeChanges(nil, a, b, ""), nil
}

// PolicyHash is a hash of what a policy says, in lower case hex: equal for two
// policies if and only if [DiffPolicies] finds nothing. It is not the host data,
// which is the SHA-256 of the exact text, and nothing attests it.
func PolicyHash(policy []byte) (string, error) {
	tree, err := policyTree(policy)
	if err != nil {
		return "", fmt.Errorf("cleanroom: hash of a policy: %w", err)
	}
	return treeHash(tree), nil
}

// TemplateHash is a hash of what a template says, in lower case hex: equal for
// two templates if and only if [DiffTemplates] finds nothing.
func TemplateHash(template json.RawMessage) (string, error) {
	tree, err := templateTree(template)
	if err != nil {
		return "", fmt.Errorf("cleanroom: hash of a template: %w", err)
	}
	return treeHash(tree), nil
}

func treeHash(tree any) string {
	sum := sha256.Sum256([]byte(jsonLine(marked(tree))))
	return hex.EncodeToString(sum[:])
}

// marked writes what was a list, or a decoded policy, so that it cannot be
// taken for a map that says the same.
func marked(v any) any {
	switch v := v.(type) {
	case labelled:
		return []any{"labelled", markedMap(v)}
	case policyRef:
		return []any{"reference", string(v)}
	case decodedPolicy:
		return []any{"policy", markedMap(v)}
	case map[string]any:
		return []any{"map", markedMap(v)}
	case []any:
		list := []any{"list"}
		for _, x := range v {
			list = append(list, marked(x))
		}
		return list
	}
	return v
}

func markedMap[M ~map[string]any](m M) map[string]any {
	out := make(map[string]any, len(m))
	for k, x := range m {
		out[k] = marked(x)
	}
	return out
}

// treeChanges compares two trees in canonical form.
func treeChanges(list []Change, before, after any, path string) []Change {
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			return memberChanges(list, b, a, func(k string) string { return join(path, shorten(k, 80)) })
		}
	case decodedPolicy:
		if a, ok := after.(decodedPolicy); ok {
			return memberChanges(list, b, a, func(k string) string { return join(path, shorten(k, 80)) })
		}
	case labelled:
		a, ok := after.(labelled)
		if empty, _ := after.([]any); !ok && empty != nil && len(empty) == 0 {
			a, ok = labelled{}, true
		}
		if ok {
			if len(b) == 0 && len(a) == 0 {
				return changed(list, path, before, after)
			}
			return memberChanges(list, b, a, func(k string) string { return path + "[" + k + "]" })
		}
	case []any:
		if a, ok := after.(labelled); ok && len(b) == 0 && len(a) > 0 {
			return memberChanges(list, labelled{}, a, func(k string) string { return path + "[" + k + "]" })
		}
		if a, ok := after.([]any); ok {
			for i := range max(len(a), len(b)) {
				place := fmt.Sprintf("%s[%d]", path, i)
				switch {
				case i >= len(a):
					list = append(list, newChange(place, treeText(b[i]), "nothing"))
				case i >= len(b):
					list = append(list, newChange(place, "nothing", treeText(a[i])))
				default:
					list = treeChanges(list, b[i], a[i], place)
				}
			}
			return list
		}
	}
	return changed(list, path, before, after)
}

// changed adds a change of a whole value, if it is one.
func changed(list []Change, path string, before, after any) []Change {
	x, y := jsonLine(marked(before)), jsonLine(marked(after))
	if x == y {
		return list
	}
	if path == "" {
		path = "the document"
	}
	if _, text := before.(string); text {
		a, b := contrast(jsonLine(before), treeLine(after))
		return append(list, newChange(path, a, b))
	}
	return append(list, newChange(path, treeText(before), treeText(after)))
}

func memberChanges[M ~map[string]any](list []Change, before, after M, place func(string) string) []Change {
	keys := maps.Clone(map[string]any(before))
	maps.Copy(keys, after)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		b, inBefore := before[k]
		a, inAfter := after[k]
		switch {
		case !inBefore:
			list = append(list, newChange(place(k), "nothing", treeText(a)))
		case !inAfter:
			list = append(list, newChange(place(k), treeText(b), "nothing"))
		default:
			list = treeChanges(list, b, a, place(k))
		}
	}
	return list
}

func treeLine(v any) string {
	switch v.(type) {
	case map[string]any, decodedPolicy, policyRef, labelled, []any:
		return treeText(v)
	}
	return jsonLine(v)
}

// treeText is a short text of a value.
func treeText(v any) string {
	keys := func(m map[string]any) string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }
	switch v := v.(type) {
	case policyRef:
		return shorten(string(v), 120)
	case decodedPolicy:
		return "a policy"
	case labelled:
		return shorten(fmt.Sprintf("a list of %d: %s", len(v), keys(v)), 120)
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		for _, key := range []string{"image", "pattern", "value", "source"} {
			if s, ok := v[key].(string); ok {
				return shorten(jsonLine(s), 120)
			}
		}
		return shorten("a map with "+keys(v), 120)
	}
	return shorten(jsonLine(v), 120)
}

func newChange(path, before, after string) Change {
	return Change{Path: path, Before: before, After: after, Why: policyWhy(path)}
}

// policyWhy names what a place decides.
func policyWhy(path string) string {
	for _, r := range []struct{ part, why string }{
		{"allow_dump_stacks", "the host can read the room's stacks"},
		{"allow_runtime_logging", "the host can read what the platform logs"},
		{"allow_unencrypted_scratch", "the host can read what the room writes to its disk"},
		{".allow_elevated", "a privileged container can do all that the room can"},
		{".allow_stdio_access", "the host can read what the container prints"},
		{".exec_processes", "what the host can start in the container"},
		{".capabilities", "what the program may do to the system"},
		{".mounts[", "what the host can put into the container"},
		{".layers[", "another program sees the data"},
		{".command[", "the program runs otherwise"},
		{".env_rules[", "which values of the variable the host can choose"},
		{"fragments", "whose additions to the policy are trusted"},
		{".image", "another program sees the data"},
	} {
		if strings.Contains("."+path, r.part) {
			return r.why
		}
	}
	return ""
}
