package cleanroom

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cleanroom-go/sdk/internal/check"
)

// Change is one difference between two documents.
type Change struct {
	// Path is the place, as in applications[demo-app].command[2]: elements
	// with a name by their names, others by position.
	Path string
	// Before and After are short texts of what the documents say there;
	// "nothing" where one says nothing.
	Before, After string
	// Why says what the place decides, for a person who votes on it; empty
	// where the path says enough.
	Why string
}

// String is a line for a person to read.
func (c Change) String() string {
	s := fmt.Sprintf("%s: %s -> %s", c.Path, c.Before, c.After)
	if c.Why != "" {
		s += " (" + c.Why + ")"
	}
	return check.Printable(s)
}

// Diff lists what the second document says otherwise than the first, in the
// order of the document: what a party reads before it votes on the next
// version of a contract. The order of lists of named things does not count; that
// of an application's variables and mounts does, since the policy of the
// deployment has it. Configurations are compared by what they say. Documents of
// two generations are not compared: [Specification.Upgrade] the older.
func Diff(before, after *Specification) ([]Change, error) {
	if before == nil || after == nil {
		return nil, errors.New("cleanroom: diff specifications: a document is missing")
	}
	if before.Generation != after.Generation {
		return nil, fmt.Errorf("cleanroom: diff specifications: one document is of generation %s, the other of %s; upgrade the older", before.Generation, after.Generation)
	}
	d := differ{}
	e := encoder{before.Generation}
	d.nodes(e.node(reflect.ValueOf(before)), e.node(reflect.ValueOf(after)), "")
	return d.changes, nil
}

type differ struct{ changes []Change }

func (d *differ) add(path string, before, after *yaml.Node) {
	d.changes = append(d.changes, Change{Path: path, Before: briefNode(before), After: briefNode(after), Why: why(path)})
}

// nodes compares two values; nil and null are nothing.
func (d *differ) nodes(before, after *yaml.Node, path string) {
	if isNothing(before) || isNothing(after) {
		if !isNothing(before) || !isNothing(after) {
			d.add(path, before, after)
		}
		return
	}
	if before.Kind != after.Kind {
		d.add(path, before, after)
		return
	}
	switch before.Kind {
	case yaml.MappingNode:
		d.maps(before, after, path)
	case yaml.SequenceNode:
		d.lists(before, after, path)
	default:
		if before.Tag != after.Tag || before.Value != after.Value && !sameConfiguration(path, before.Value, after.Value) {
			d.add(path, before, after)
		}
	}
}

func isNothing(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

func (d *differ) maps(before, after *yaml.Node, path string) {
	left, right := byKey(before), byKey(after)
	for _, k := range sortedKeys(left, right) {
		d.nodes(left[k], right[k], join(path, k))
	}
	if orderCounts(path) && len(left) == len(right) && len(d.within(path)) == 0 && keysOf(before) != keysOf(after) {
		d.changes = append(d.changes, Change{Path: path, Before: "in the order " + shorten(keysOf(before), 120), After: shorten(keysOf(after), 120), Why: "the order is part of the policy"})
	}
}

// within are the changes already found below a place.
func (d *differ) within(path string) []Change {
	for i, c := range d.changes {
		if strings.HasPrefix(c.Path, path) {
			return d.changes[i:]
		}
	}
	return nil
}

func orderCounts(path string) bool {
	for _, name := range []string{".environmentVariables", ".datasources", ".datasinks", ".mounts"} {
		if strings.HasPrefix(path, "applications[") && strings.HasSuffix(path, name) {
			return true
		}
	}
	return false
}

func keysOf(n *yaml.Node) string {
	var keys []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		keys = append(keys, n.Content[i].Value)
	}
	return strings.Join(keys, ", ")
}

// lists compares elements of one name, or one value, wherever they stand; a
// list of texts, such as a command, by position.
func (d *differ) lists(before, after *yaml.Node, path string) {
	if len(before.Content)+len(after.Content) == 0 {
		return
	}
	if sample := append(before.Content[:len(before.Content):len(before.Content)], after.Content...)[0]; sample.Kind != yaml.MappingNode {
		for i := range max(len(before.Content), len(after.Content)) {
			d.nodes(item(before, i), item(after, i), fmt.Sprintf("%s[%d]", path, i))
		}
		return
	}
	rest := make(map[string][]*yaml.Node, len(after.Content))
	for _, n := range after.Content {
		rest[label(n)] = append(rest[label(n)], n)
	}
	for _, n := range before.Content {
		var other *yaml.Node
		if same := rest[label(n)]; len(same) > 0 {
			other, rest[label(n)] = same[0], same[1:]
		}
		d.nodes(n, other, fmt.Sprintf("%s[%s]", path, label(n)))
	}
	for _, n := range after.Content {
		if same := rest[label(n)]; len(same) > 0 && same[0] == n {
			rest[label(n)] = same[1:]
			d.nodes(nil, n, fmt.Sprintf("%s[%s]", path, label(n)))
		}
	}
}

func item(list *yaml.Node, i int) *yaml.Node {
	if i < len(list.Content) {
		return list.Content[i]
	}
	return nil
}

// label is the name of an element, or what tells it from the others.
func label(n *yaml.Node) string {
	m := byKey(n)
	if name := m["name"]; name != nil {
		return shorten(name.Value, 80)
	}
	var parts []string
	for _, k := range []string{"address", "port", "url", "method"} {
		if v := m[k]; v != nil {
			parts = append(parts, shorten(v.Value, 80))
		}
	}
	return strings.Join(parts, " ")
}

// sameConfiguration compares two configurations by what they say.
func sameConfiguration(path, before, after string) bool {
	if !strings.HasSuffix(path, ".configuration") && !strings.HasSuffix(path, ".policyDocument") {
		return false
	}
	a, err := DecodeConfiguration(before)
	if err != nil {
		return false
	}
	b, err := DecodeConfiguration(after)
	return err == nil && reflect.DeepEqual(a, b)
}

// why names what a voter may overlook.
func why(path string) string {
	for _, r := range []struct{ in, why string }{
		{".image.executable.backingResource.id", "another program sees the data"},
		{".command", "the program runs otherwise"},
		{"sandbox", "what applications may reach"},
		{"network", "what applications may reach"},
		{"applicationEndpoints", "what may reach the applications"},
		{"encryptionSecretAccessIdentity", "who may read the keys"},
		{"encryptionSecrets.kek", "which key protects the data, and whose tokens release it"},
		{"encryptionSecrets.dek", "which key protects the data"},
		{".protection.configuration", "how the data is encrypted"},
		{".store.", "where the data lies"},
		{".tokenIssuer.", "whose tokens are an identity"},
	} {
		if strings.HasPrefix(path, r.in) || strings.Contains(path, r.in) && r.in[0] == '.' || strings.Contains(path, "."+r.in) {
			return r.why
		}
	}
	return ""
}
