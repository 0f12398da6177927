package cleanroom

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// The library's scanner takes four fifths of the time of reading, for a language
// of which documents use a corner: block maps and lists, texts on one line,
// empty lists in brackets. plainYAML reads that corner and gives the nodes that
// the library would give, to the column; of anything else it gives nil, and the
// library reads. A fuzz test holds the two to each other.
func plainYAML(b []byte) *yaml.Node {
	p := plainReader{text: string(b), tags: map[string]string{}}
	p.next()
	n := p.block(0)
	if p.failed || !p.end {
		return nil
	}
	return n
}

type plainReader struct {
	text string // what is left after the current line
	rest string // of the current line, from column indent on
	// indent is the number of bytes before rest: blanks, and hyphens of lists
	// that begin in the same line.
	indent, line int
	end, failed  bool
	slab         []yaml.Node
	tags         map[string]string // of plain texts that are no words
}

// fail gives the document to the library.
func (p *plainReader) fail() *yaml.Node {
	p.failed = true
	return nil
}

// next goes to the next line. A line without text, with a blank at its end, or
// with anything but printable ASCII is the library's.
func (p *plainReader) next() {
	if p.text == "" {
		p.end, p.rest, p.indent = true, "", -1
		return
	}
	line := p.text
	if i := strings.IndexByte(p.text, '\n'); i >= 0 {
		line, p.text = p.text[:i], p.text[i+1:]
	} else {
		p.text = ""
	}
	p.line++
	p.indent = 0
	for p.indent < len(line) && line[p.indent] == ' ' {
		p.indent++
	}
	p.rest = line[p.indent:]
	if p.rest == "" || p.rest[len(p.rest)-1] == ' ' {
		p.failed = true
	}
	for i := range len(p.rest) {
		if p.rest[i] < ' ' || p.rest[i] > '~' {
			p.failed = true
			return
		}
	}
}

// node is one at the current place, out of a slab.
func (p *plainReader) node(kind yaml.Kind, tag string) *yaml.Node {
	if len(p.slab) == 0 {
		// Of the size that the rest of the text may need, not of a fixed one:
		// a short document is the usual one.
		p.slab = make([]yaml.Node, min(1024, 16+len(p.text)/16))
	}
	n := &p.slab[0]
	p.slab = p.slab[1:]
	n.Kind, n.Tag, n.Line, n.Column = kind, tag, p.line, p.indent+1
	return n
}

// block reads what begins in the current line, and stops at the first line that
// is not part of it.
func (p *plainReader) block(depth int) *yaml.Node {
	switch {
	case p.failed || p.end || depth > maxDepth:
		return p.fail()
	case p.atItem():
		return p.list(depth)
	}
	return p.mapping(depth)
}

func (p *plainReader) atItem() bool { return strings.HasPrefix(p.rest, "- ") }

func (p *plainReader) list(depth int) *yaml.Node {
	indent := p.indent
	n := p.node(yaml.SequenceNode, "!!seq")
	for !p.failed && p.indent == indent && p.atItem() {
		p.rest, p.indent = p.rest[2:], p.indent+2
		var item *yaml.Node
		if key, _ := p.key(); key != "" || p.atItem() {
			item = p.block(depth + 1)
		} else {
			item = p.scalar()
			p.next()
		}
		n.Content = append(n.Content, item)
	}
	if p.indent > indent {
		return p.fail()
	}
	return n
}

func (p *plainReader) mapping(depth int) *yaml.Node {
	indent := p.indent
	n := p.node(yaml.MappingNode, "!!map")
	for !p.failed && p.indent == indent && !p.atItem() {
		name, after := p.key()
		if name == "" {
			return p.fail()
		}
		key := p.node(yaml.ScalarNode, p.tag(name))
		key.Value = name
		n.Content = append(n.Content, key, p.valueAfter(name, after, indent, depth))
	}
	if p.indent > indent || len(n.Content) == 0 {
		return p.fail()
	}
	return n
}

// valueAfter reads the value of a key: in its line, or below it. A list below
// it may begin in its column.
func (p *plainReader) valueAfter(name, after string, indent, depth int) *yaml.Node {
	if after != "" {
		p.indent += len(name) + 2
		p.rest = after
		v := p.scalar()
		p.next()
		if p.indent > indent { // a text of several lines
			return p.fail()
		}
		return v
	}
	p.next()
	if p.indent > indent || p.indent == indent && p.atItem() {
		return p.block(depth + 1)
	}
	return p.fail()
}

// key is the key that the line begins with, and what follows it in the line.
func (p *plainReader) key() (name, after string) {
	s := p.rest
	for i := 0; i < len(s) && i <= 128; i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || strings.IndexByte("-./=", c) >= 0):
		case i > 0 && c == ':' && i+1 == len(s):
			return s[:i], ""
		case i > 0 && c == ':' && s[i+1] == ' ':
			return s[:i], s[i+2:]
		default:
			return "", ""
		}
	}
	return "", ""
}

// scalar is the rest of the line.
func (p *plainReader) scalar() *yaml.Node {
	s := p.rest
	switch c := s[0]; {
	case s == "[]" || s == "{}":
		n := p.node(yaml.SequenceNode, "!!seq")
		if c == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		n.Style = yaml.FlowStyle
		return n
	case c == '\'' || c == '"':
		return p.quoted(c)
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("/_.$(", c) >= 0:
	case c == '-' && len(s) > 1 && (s[1] >= 'a' && s[1] <= 'z' || s[1] >= '0' && s[1] <= '9'):
	default:
		return p.fail()
	}
	if s[len(s)-1] == ':' || strings.Contains(s, ": ") || strings.Contains(s, " #") {
		return p.fail()
	}
	n := p.node(yaml.ScalarNode, p.tag(s))
	n.Value = s
	return n
}

// quoted is a text whose quote ends the line; of escapes only that of a single
// quote is read.
func (p *plainReader) quoted(quote byte) *yaml.Node {
	if len(p.rest) < 2 || p.rest[len(p.rest)-1] != quote {
		return p.fail()
	}
	inner := p.rest[1 : len(p.rest)-1]
	n := p.node(yaml.ScalarNode, "!!str")
	n.Style = yaml.DoubleQuotedStyle
	if quote == '"' {
		if strings.ContainsAny(inner, `\"`) {
			return p.fail()
		}
		n.Value = inner
		return n
	}
	n.Style = yaml.SingleQuotedStyle
	if strings.IndexByte(inner, '\'') >= 0 {
		if strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") {
			return p.fail()
		}
		inner = strings.ReplaceAll(inner, "''", "'")
	}
	n.Value = inner
	return n
}

// tag is what the library makes of a plain text. A word is a text, but for
// these; anything that begins with a digit or a sign the library itself is
// asked about, once for each.
func (p *plainReader) tag(s string) string {
	switch c := s[0]; {
	case c >= '0' && c <= '9' || c == '-' || c == '.':
	default:
		switch s {
		case "null", "Null", "NULL":
			return "!!null"
		case "true", "True", "TRUE", "false", "False", "FALSE":
			return "!!bool"
		}
		return "!!str"
	}
	tag, ok := p.tags[s]
	if !ok {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(s), &n); err != nil || len(n.Content) != 1 || n.Content[0].Kind != yaml.ScalarNode || n.Content[0].Value != s {
			p.failed = true
			return ""
		}
		tag = n.Content[0].Tag
		p.tags[s] = tag
	}
	return tag
}
