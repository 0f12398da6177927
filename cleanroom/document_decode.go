package cleanroom

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// orderedMap is a map of texts whose order counts.
type orderedMap interface {
	pairs() [][2]string
	setPairs([][2]string)
}

// union is a value that the document writes in one of several forms.
type union interface {
	wire() any                         // the form to write
	choose(keys map[string]string) any // the form to read into
	take(form any)
}

// decoder reads nodes into values by their field tags and collects problems.
type decoder struct {
	generation Generation
	problems   []Problem
	// nodes and bytes are what was visited so far, each alias counting as what
	// it names: aliases of aliases make a document that is short on paper.
	nodes, bytes int
	depth        int
	// full ends the reading: a bound was exceeded, or there are as many
	// problems as one error lists.
	full bool
}

func (d *decoder) problem(n *yaml.Node, path, format string, args ...any) {
	if d.full {
		return
	}
	d.problems = append(d.problems, Problem{Line: n.Line, Column: n.Column, Path: shorten(path, 200), Message: fmt.Sprintf(format, args...)})
	d.full = len(d.problems) == maxProblems
}

func (d *decoder) decode(n *yaml.Node, to any) {
	d.value(n, reflect.ValueOf(to).Elem(), "")
}

// spend counts a node. It is false when the reading has ended.
func (d *decoder) spend(n *yaml.Node, path string) bool {
	if d.full {
		return false
	}
	d.nodes++
	d.bytes += len(n.Value)
	if d.nodes > maxNodes || d.bytes > MaxDocumentSize {
		d.problem(n, path, "the document expands to more than %d values or %d bytes of text", maxNodes, MaxDocumentSize)
		d.full = true
	}
	return !d.full
}

// enter resolves an alias and counts what it names. It returns nil if that is
// not to be read.
func (d *decoder) enter(n *yaml.Node, path string) *yaml.Node {
	n = resolved(n)
	if !d.spend(n, path) {
		return nil
	}
	if d.depth > maxDepth {
		d.problem(n, path, "the document is nested deeper than %d levels", maxDepth)
		return nil
	}
	if custom := n.Tag; strings.HasPrefix(custom, "!") && !strings.HasPrefix(custom, "!!") || n.Style&yaml.TaggedStyle != 0 {
		d.problem(n, path, "the tag %s is not accepted; write the plain value", shorten(n.Tag, 80))
		return nil
	}
	return n
}

// resolved is the node itself, or the one that an alias names.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// value reads one node into v.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n = d.enter(n, path); n == nil {
		return
	}
	d.depth++
	defer func() { d.depth-- }()

	null := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	if v.Kind() == reflect.Pointer && v.Type() != reflect.TypeFor[*string]() {
		if null {
			v.SetZero()
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		d.inner(n, v.Elem(), path)
		return
	}
	d.inner(n, v, path)
}

func (d *decoder) inner(n *yaml.Node, v reflect.Value, path string) {
	switch to := v.Addr().Interface().(type) {
	case orderedMap:
		d.orderedMap(n, to, path)
		return
	case union:
		d.union(n, to, path)
		return
	case enumeration:
		if s, ok := d.text(n, path); ok {
			if known := valuesIn(to, d.generation); !contains(known, s) {
				d.problem(n, path, "%q is not a known value; %s", shorten(s, 80), suggestion(s, known))
			}
			v.SetString(s)
		}
		return
	case **string:
		if s, ok := d.text(n, path); ok {
			*to = &s
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		d.slice(n, v, path)
	case reflect.String:
		if s, ok := d.text(n, path); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		b, ok := truth(n)
		if !ok {
			d.problem(n, path, "is %s, must be true or false", describe(n))
			return
		}
		v.SetBool(b)
	case reflect.Int:
		f, ok := number(n)
		if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<31 {
			d.problem(n, path, "is %s, must be a whole number without quotes", describe(n))
			return
		}
		v.SetInt(int64(f))
	case reflect.Float64:
		f, ok := number(n)
		if !ok {
			d.problem(n, path, "is %s, must be a number without quotes", describe(n))
			return
		}
		v.SetFloat(f)
	default:
		panic("cleanroom: internal error: a document field of kind " + v.Kind().String())
	}
}

// mapping calls f for each key in order, after it has refused keys that are
// not text, repeated or merged.
func (d *decoder) mapping(n *yaml.Node, path string, f func(key *yaml.Node, value *yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		d.problem(n, path, "is %s, must be a map", describe(n))
		return false
	}
	var seen keyLines
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := resolved(n.Content[i])
		if !d.spend(k, path) {
			return false
		}
		if k.Tag == "!!merge" {
			d.problem(k, path, "merge keys (<<) are not accepted; write the fields out")
			continue
		}
		if !isText(k) {
			d.text(k, join(path, "key")) // which says why
			continue
		}
		key := k.Value
		if line := seen.add(key, k.Line); line > 0 {
			d.problem(k, join(path, key), "is written twice, first in line %d; readers differ on which one counts", line)
			continue
		}
		f(k, n.Content[i+1])
	}
	return true
}

// keyLines are the keys of a map and their lines: a list while they are few, as
// nearly always, which costs nothing.
type keyLines struct {
	few  [16]keyLine
	n    int // of few
	many map[string]int
}

type keyLine struct {
	key  string
	line int
}

// add keeps a key and returns 0, or the line of the same key before.
func (k *keyLines) add(key string, line int) int {
	if k.many != nil {
		if before, ok := k.many[key]; ok {
			return before
		}
		k.many[key] = line
		return 0
	}
	for i := range k.few[:k.n] {
		if k.few[i].key == key {
			return k.few[i].line
		}
	}
	if k.n < len(k.few) {
		k.few[k.n] = keyLine{key, line}
		k.n++
		return 0
	}
	k.many = map[string]int{key: line}
	for _, e := range k.few {
		k.many[e.key] = e.line
	}
	return 0
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type(), d.generation)
	present := make(map[string]bool, len(fields))
	ok := d.mapping(n, path, func(key, value *yaml.Node) {
		f := fieldNamed(fields, key.Value)
		if f == nil && fieldNamed(fieldsOf(v.Type(), anyGeneration), key.Value) != nil {
			d.problem(key, path, "the key %q is of another generation than %s, whose tools would drop it; read the document with %s", key.Value, d.generation, d.generation.otherReader())
			return
		}
		if f == nil {
			d.problem(key, path, "unknown key %q; %s", shorten(key.Value, 80), suggestion(key.Value, fieldNames(fields)))
			return
		}
		present[f.name] = true
		target := v.Field(f.index)
		if isNull(value) {
			if !f.required {
				target.SetZero()
				return
			}
			if target.Kind() == reflect.Pointer {
				d.problem(value, join(path, f.name), "is null, must be a map")
				return
			}
		}
		d.value(value, target, join(path, f.name))
	})
	if !ok {
		return
	}
	for _, f := range fields {
		if f.required && !present[f.name] {
			d.problem(n, join(path, f.name), "is missing")
		}
	}
}

func isNull(n *yaml.Node) bool {
	n = resolved(n)
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

func (d *decoder) slice(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.problem(n, path, "is %s, must be a list", describe(n))
		return
	}
	// It grows with what is read, not with what is announced: an element can
	// be a hundred times as large as its node.
	v.Set(reflect.MakeSlice(v.Type(), 0, min(len(n.Content), 16)))
	for i, item := range n.Content {
		if d.full {
			return
		}
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(item, element, path+"["+strconv.Itoa(i)+"]")
		v.Set(reflect.Append(v, element))
	}
}

func (d *decoder) orderedMap(n *yaml.Node, to orderedMap, path string) {
	pairs := [][2]string{}
	d.mapping(n, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		if value = d.enter(value, at); value == nil {
			return
		}
		if s, ok := d.text(value, at); ok {
			pairs = append(pairs, [2]string{key.Value, s})
		}
	})
	to.setPairs(pairs)
}

func (d *decoder) union(n *yaml.Node, to union, path string) {
	keys := make(map[string]string)
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			keys[resolved(n.Content[i]).Value] = resolved(n.Content[i+1]).Value
		}
	}
	form := to.choose(keys)
	d.structure(n, reflect.ValueOf(form).Elem(), path)
	to.take(form)
}

// isText is what text accepts.
func isText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!str" && (n.Style != 0 || !otherInYAML11(n.Value))
}

// text reads a string. A plain scalar that a YAML 1.1 reader, as the reference
// tools are, takes for something else is refused: two parties would read two
// documents.
func (d *decoder) text(n *yaml.Node, path string) (string, bool) {
	if isText(n) {
		return n.Value, true
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		d.problem(n, path, "is %s, must be text; put it in quotes", describe(n))
		return "", false
	}
	d.problem(n, path, "%s means something else to other readers; put it in quotes", shorten(n.Value, 40))
	return "", false
}

var (
	oldNumber = regexp.MustCompile(`^[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|0b[01_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9_]+([eE][-+]?[0-9]+)?)$`)
	oldDate   = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?$`)
)

// otherInYAML11 reports whether a plain scalar is not text in YAML 1.1.
func otherInYAML11(s string) bool {
	const longest = len("false")
	switch strings.ToLower(s[:min(len(s), longest+1)]) {
	case "", "~", "null", "yes", "no", "on", "off", "y", "n", "true", "false", "<<", "=", ".inf", "-.inf", "+.inf", ".nan":
		return true
	}
	if !strings.ContainsRune("+-.0123456789", rune(s[0])) {
		return false
	}
	return oldNumber.MatchString(s) || oldDate.MatchString(s)
}

// truth reads a boolean; the words of YAML 1.1 are accepted where only a
// boolean can stand.
func truth(n *yaml.Node) (value, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Style&^yaml.FlowStyle != 0 {
		return false, false
	}
	switch strings.ToLower(n.Value) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	}
	return false, false
}

func number(n *yaml.Node) (float64, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" {
		return 0, false
	}
	// Only decimals: 010 is eight to one reader and ten to another.
	if otherwise := strings.TrimLeft(n.Value, "-+"); len(otherwise) > 1 && otherwise[0] == '0' && otherwise[1] != '.' || strings.ContainsAny(n.Value, "_xob:") {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, false
	}
	return f, true
}

// describe names what a node is, with a short value.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Tag == "!!null" {
		return "null"
	}
	kind := map[string]string{"!!str": "the text", "!!int": "the number", "!!float": "the number", "!!bool": "the boolean", "!!timestamp": "the date"}[n.Tag]
	if kind == "" {
		kind = "the value"
	}
	return kind + " " + strconv.Quote(shorten(n.Value, 40))
}

func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
