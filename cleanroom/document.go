package cleanroom

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cleanroom-go/sdk/internal/check"
)

// Bounds of reading. A document of 100 applications and 1,000 access points
// has about 4 MB, 120,000 lines and 250,000 nodes; what is larger is refused
// before or while it is read, so that no input costs more than a few seconds
// and a few hundred megabytes.
const (
	// MaxDocumentSize is the longest document that is read, in bytes.
	MaxDocumentSize = 8 << 20
	// maxStructure bounds the bytes that can begin a node, before anything
	// is allocated for one.
	maxStructure = 1 << 20
	// maxNodes bounds the nodes visited, an alias counting as what it names;
	// their texts have at most MaxDocumentSize bytes in sum.
	maxNodes = 1 << 20
	maxDepth = 64
	// maxProblems bounds what one error lists.
	maxProblems = 20
)

// Problem is one mistake of a document.
type Problem struct {
	// Line and Column count from 1; they are 0 where the place is unknown.
	Line, Column int
	// Path is where in the document, as in datasinks[0].store.name.
	Path string
	// Message says what is wrong and what would be right.
	Message string
}

func (p Problem) String() string {
	s := p.Message
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if p.Line > 0 {
		s = fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, s)
	}
	return check.Printable(s)
}

// DocumentError lists the mistakes of a document that was not read.
type DocumentError struct {
	// Document is the file, or what else is known of the document's origin.
	Document string
	// Problems has at least one entry and at most 20, in document order.
	Problems []Problem

	kind string // what was read; zero means a specification
}

// Error names the document and each problem, one on a line if there are
// several.
func (e *DocumentError) Error() string {
	head := "cleanroom: read " + cmp.Or(e.kind, "specification")
	if e.Document != "" {
		head += " " + e.Document
	}
	if len(e.Problems) == 1 {
		return head + ": " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d problems", head, len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n\t" + p.String())
	}
	return b.String()
}

// ParseSpecification reads a document in YAML or JSON, strictly: an unknown
// or repeated key, a value of another type, an enumeration in another case, a
// missing field and a second document are refused with line and column. The
// error is a [*DocumentError].
func ParseSpecification(b []byte) (*Specification, error) {
	return parseSpecification(b, G2)
}

func parseSpecification(b []byte, g Generation) (*Specification, error) {
	s := &Specification{Generation: g}
	if err := parseDocument(b, g, s); err != nil {
		return nil, err
	}
	return s, nil
}

// parseDocument reads a document of any kind.
func parseDocument(b []byte, g Generation, to any) error {
	node, err := parseYAML(b)
	if err != nil {
		return err
	}
	d := decoder{generation: g}
	d.decode(node, to)
	if len(d.problems) > 0 {
		return &DocumentError{Problems: d.problems}
	}
	return nil
}

// parseYAML gives the one document of the text as nodes.
func parseYAML(b []byte) (*yaml.Node, error) {
	if len(b) > MaxDocumentSize {
		return nil, refused("the document has %d bytes, more than the %d that are read", len(b), MaxDocumentSize)
	}
	if n := structure(b); n > maxStructure {
		return nil, refused("the document has more than %d structural characters", maxStructure)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if n := plainYAML(b); n != nil {
		return n, nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if len(bytes.TrimSpace(b)) == 0 || doc.IsZero() && err.Error() == "EOF" {
			return nil, refused("the document is empty")
		}
		return nil, refused("%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(&second); err == nil {
		return nil, &DocumentError{Problems: []Problem{{Line: second.Line, Column: second.Column, Message: "a second document begins here; a file holds one"}}}
	} else if err.Error() != "EOF" {
		return nil, refused("%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, refused("the document is empty")
	}
	return doc.Content[0], nil
}

func refused(format string, args ...any) error {
	return &DocumentError{Problems: []Problem{{Message: fmt.Sprintf(format, args...)}}}
}

// structure counts the bytes that can begin a node: a bound on the number of
// nodes that costs nothing. Text in base64, which is what makes real
// documents long, has none of them.
func structure(b []byte) int {
	n := 0
	for _, c := range b {
		switch c {
		case '\n', '\r', ',', ':', '[', '{', '-', '?', '&', '*', '!':
			n++
		}
	}
	return n
}

// of says what kind of document was read.
func of(err error, kind string) error {
	var d *DocumentError
	if errors.As(err, &d) {
		d.kind = kind
	}
	return err
}

// named adds the name of a file to a document's error.
func named(err error, document string) error {
	var d *DocumentError
	if errors.As(err, &d) {
		d.Document = document
	}
	return err
}
