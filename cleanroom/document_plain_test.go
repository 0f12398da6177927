package cleanroom

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// sameNodes holds the nodes of a text to those of the library.
func sameNodes(t *testing.T, name string, b []byte) (read bool) {
	t.Helper()
	got := plainYAML(b)
	if got == nil {
		return false
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var want, second yaml.Node
	if err := dec.Decode(&want); err != nil {
		t.Fatalf("%s: read, but the library says %v", name, err)
	}
	if err := dec.Decode(&second); err == nil || err.Error() != "EOF" {
		t.Fatalf("%s: read, but a second document follows: %v", name, err)
	}
	if !reflect.DeepEqual(got, want.Content[0]) {
		t.Fatalf("%s: %s", name, nodeDifference(got, want.Content[0]))
	}
	return true
}

func nodeDifference(got, want *yaml.Node) string {
	for i := range min(len(got.Content), len(want.Content)) {
		if !reflect.DeepEqual(got.Content[i], want.Content[i]) {
			return nodeDifference(got.Content[i], want.Content[i])
		}
	}
	g, w := *got, *want
	g.Content, w.Content = nil, nil
	return fmt.Sprintf("got %+v with %d, want %+v with %d", g, len(got.Content), w, len(want.Content))
}

// The documents of each generation take the fast way, and mean the same on it.
func TestPlainYAML(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	must(t, err)
	more, err := filepath.Glob("testdata/g?/*.yaml")
	must(t, err)
	var slow []string
	for _, file := range append(files, more...) {
		b, err := os.ReadFile(file)
		must(t, err)
		if !sameNodes(t, file, b) {
			slow = append(slow, file)
		}
	}
	if len(files)+len(more) != 17 || len(slow) > 0 {
		t.Errorf("%d files; the library reads %q", len(files)+len(more), slow)
	}
	own, err := largeDocument(t, 20).Encode()
	must(t, err)
	if !sameNodes(t, "our own", own) {
		t.Error("the library reads our own")
	}
}

// plainTexts are edges: what is read fast, and what is left to the library.
var plainTexts = []struct {
	text string
	fast bool
}{
	{"a: b\n", true},
	{"a: b", true},
	{"a:\n- b\n- c: d\n  e: 'f''g'\nh: []\n", true},
	{"a:\n  - - b\n    - c\n  - {}\n", true},
	{"a: \"b c\"\nb: ''\n", true},
	{"a: 22222222-2222-4222-8222-222222222222\nb: 8080\nc: 0.5\nd: 203.0.113.10\ne: 2024-01-02\nf: 0x1f\ng: -5\nh: 1e3\n", true},
	{"a: null\nb: true\nc: False\nd: yes\ne: None\n", true},
	{"a: src=x,dst=/y\nsrc=x: dst=/y\n", true},
	{"a: x#y\nb: http://c:d\n", true},
	{"- a\n- b\n", true},
	{"", false},
	{"a\n", false},
	{"a:\n", false},
	{"a: \n", false},
	{"a: b \n", false},
	{"a: b\n\nc: d\n", false},
	{"a: b\r\n", false},
	{"a: b # c\n", false},
	{"# c\na: b\n", false},
	{"a: b: c\n", false},
	{"a: b:\n", false},
	{"a: b\n  c\n", false},
	{"a: 'b\n  c'\n", false},
	{"a: 'b' 'c'\n", false},
	{"a: 'b'c'\n", false},
	{"a: \"b\\n\"\n", false},
	{"a: &x b\nc: *x\n", false},
	{"a: !!str b\n", false},
	{"a: |\n  b\n", false},
	{"a: [b]\n", false},
	{"? a\n: b\n", false},
	{"a: b\n---\nc: d\n", false},
	{"--- \na: b\n", false},
	{"a: ~\n", false},
	{"a: b\n c: d\n", false},
	{"a:\n    b: c\n  d: e\n", false},
	{"a:\n  - b\n - c\n", false},
	{"- a\nb: c\n", false},
	{"a: b\n- c\n", false},
	{"a:\tb\n", false},
	{"a: \u00e9\n", false},
	{"a: %b\n", false},
	{"a: -\n", false},
	{"a:\n-\n", false},
}

func TestPlainYAMLEdges(t *testing.T) {
	for _, c := range plainTexts {
		if got := sameNodes(t, c.text, []byte(c.text)); got != c.fast {
			t.Errorf("%q: read %t, want %t", c.text, got, c.fast)
		}
	}
	if deep := strings.Repeat("- ", 100) + "a\n"; sameNodes(t, "deep", []byte(deep)) {
		t.Error("nested deeper than any document")
	}
}

func FuzzPlainYAML(f *testing.F) {
	for _, c := range plainTexts {
		f.Add([]byte(c.text))
	}
	for _, file := range []string{"testdata/g0/merged.yaml", "testdata/g2/publisher-datastores.yaml", "testdata/consumer-config.yaml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { sameNodes(t, "input", b) })
}
