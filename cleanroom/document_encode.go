package cleanroom

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Encode writes the document as YAML: the keys of its objects sorted, null
// for what is absent, the maps of an application in their own order, because
// that order is part of what is generated. Equal documents give equal bytes,
// and reading them gives an equal document.
func (s *Specification) Encode() ([]byte, error) {
	return encodeDocument(s, s.Generation, "specification")
}

// encodeDocument writes a document of any kind.
func encodeDocument(document any, g Generation, kind string) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	enc.CompactSeqIndent()
	if err := enc.Encode(encoder{g}.node(reflect.ValueOf(document))); err != nil {
		return nil, fmt.Errorf("cleanroom: write %s: %w", kind, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("cleanroom: write %s: %w", kind, err)
	}
	if b.Len() > MaxDocumentSize {
		return nil, fmt.Errorf("cleanroom: write %s: %d bytes, more than the %d that can be read back", kind, b.Len(), MaxDocumentSize)
	}
	if structure(b.Bytes()) > maxStructure {
		return nil, fmt.Errorf("cleanroom: write %s: more than the %d structural characters that can be read back", kind, maxStructure)
	}
	return b.Bytes(), nil
}

// encodeNode writes the value that v points to, or null, with the fields of all
// forms of the document: for comparing.
func encodeNode(v reflect.Value) *yaml.Node { return encoder{anyGeneration}.node(v) }

// encoder writes one form.
type encoder struct{ generation Generation }

func (e encoder) node(v reflect.Value) *yaml.Node {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return scalar("!!null", "null")
		}
		switch to := v.Interface().(type) {
		case orderedMap:
			return encodePairs(to.pairs())
		case union:
			return e.node(reflect.ValueOf(to.wire()))
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		return e.structure(v)
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			n.Content = append(n.Content, e.node(v.Index(i).Addr()))
		}
		if v.Len() == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	case reflect.String:
		return text(v.String())
	case reflect.Bool:
		return scalar("!!bool", strconv.FormatBool(v.Bool()))
	case reflect.Int:
		return scalar("!!int", strconv.FormatInt(v.Int(), 10))
	case reflect.Float64:
		return scalar("!!float", formatAmount(v.Float()))
	case reflect.Pointer:
		return e.node(v)
	default:
		panic("cleanroom: internal error: a document field of kind " + v.Kind().String())
	}
}

func (e encoder) structure(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range fieldsOf(v.Type(), e.generation) {
		value := v.Field(f.index)
		item := e.node(value.Addr())
		if value.Kind() == reflect.Slice && value.IsNil() && !f.required {
			item = scalar("!!null", "null")
		}
		n.Content = append(n.Content, scalar("!!str", f.name), item)
	}
	return n
}

func encodePairs(pairs [][2]string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, p := range pairs {
		n.Content = append(n.Content, text(p[0]), text(p[1]))
	}
	if len(pairs) == 0 {
		n.Style = yaml.FlowStyle
	}
	return n
}

func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// text writes a string so that readers of YAML 1.1 and 1.2 both take it for
// one.
func text(s string) *yaml.Node {
	n := scalar("!!str", s)
	switch {
	case strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff
	}):
		n.Style = yaml.DoubleQuotedStyle
	case otherInYAML11(s):
		n.Style = yaml.SingleQuotedStyle
	}
	return n
}
