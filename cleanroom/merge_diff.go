package cleanroom

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// clone copies the document deeply, so that a merged one shares nothing.
func (s *Specification) clone() *Specification {
	return cloneValue(reflect.ValueOf(s)).Interface().(*Specification)
}

func cloneValue(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(cloneValue(v.Elem()))
		return p
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(cloneValue(v.Index(i)))
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			// What SetKEK recorded is of one party's builder, not of the
			// document.
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(cloneValue(v.Field(i)))
			}
		}
		return out
	}
	return v
}

// fingerprint is equal for values that are equal as documents: the order of
// an application's maps does not count.
func fingerprint(v reflect.Value) string {
	h := sha256.New()
	hashNode(h, encodeNode(v.Addr()))
	return string(h.Sum(nil))
}

func hashNode(h hash.Hash, n *yaml.Node) {
	fmt.Fprintf(h, "%d %s %d:%s %d\n", n.Kind, n.Tag, len(n.Value), n.Value, len(n.Content))
	for _, c := range sortedContent(n) {
		hashNode(h, c)
	}
}

// sortedContent gives the content of a map by key, of a list as it is.
func sortedContent(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.MappingNode {
		return n.Content
	}
	pairs := slices.Collect(slices.Chunk(n.Content, 2))
	slices.SortStableFunc(pairs, func(a, b []*yaml.Node) int { return strings.Compare(a[0].Value, b[0].Value) })
	return slices.Concat(pairs...)
}

// conflict records where two values of one type differ, leaf by leaf.
func (m *merger) conflict(path string, merged, other *yaml.Node) {
	if merged.Kind != other.Kind || merged.Kind == yaml.SequenceNode && len(merged.Content) != len(other.Content) {
		m.add(path, merged, other)
		return
	}
	switch merged.Kind {
	case yaml.SequenceNode:
		for i, n := range merged.Content {
			m.conflict(fmt.Sprintf("%s[%d]", path, i), n, other.Content[i])
		}
	case yaml.MappingNode:
		a, b := byKey(merged), byKey(other)
		for _, k := range sortedKeys(a, b) {
			left, right := a[k], b[k]
			if left == nil || right == nil {
				m.add(join(path, k), left, right)
				continue
			}
			m.conflict(join(path, k), left, right)
		}
	default:
		if merged.Tag != other.Tag || merged.Value != other.Value {
			m.add(path, merged, other)
		}
	}
}

func (m *merger) add(path string, merged, other *yaml.Node) {
	holder := m.holder(path)
	m.conflicts = append(m.conflicts, MergeConflict{
		Path: path, Document: m.document, Holder: holder, Party: m.parties[m.document].Party, HolderParty: m.parties[holder].Party,
		Merged: briefNode(merged), Other: briefNode(other),
	})
}

func byKey(n *yaml.Node) map[string]*yaml.Node {
	m := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		m[n.Content[i].Value] = n.Content[i+1]
	}
	return m
}

func sortedKeys(maps ...map[string]*yaml.Node) []string {
	var keys []string
	for _, m := range maps {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func briefNode(n *yaml.Node) string {
	switch {
	case n == nil:
		return "nothing"
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		return fmt.Sprintf("%q", shorten(n.Value, 80))
	case n.Kind == yaml.ScalarNode:
		return n.Value
	case n.Kind == yaml.SequenceNode:
		return fmt.Sprintf("a list of %d", len(n.Content))
	}
	return "a map with " + strings.Join(sortedKeys(byKey(n)), ", ")
}
