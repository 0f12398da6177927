package terminal

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

// TestPipes: neither a buffer nor a pipe is a terminal.
func TestPipes(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if Is(w) || Colours(w) || Is(&bytes.Buffer{}) {
		t.Error("a pipe is taken for a terminal")
	}
}

func TestFlags(t *testing.T) {
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	fs.String("file", "a.txt", "`name` of what is read, and "+strings.Repeat("word ", 20))
	fs.Bool("v", false, "say more")
	fs.String("a-very-long-name-of-a-flag", "", "`value` of it")
	var b strings.Builder
	Flags(&b, fs)
	const want = `  -a-very-long-name-of-a-flag value of it
  -file name       name of what is read, and word word word word word word word
                   word word word word word word word word word word word word
                   word (default a.txt)
  -v               say more
`
	if got := b.String(); got != strings.Replace(want, "flag value of it", "flag value value of it", 1) {
		t.Errorf("got\n%s", got)
	}
	b.Reset()
	if Flags(&b, fs, "v"); b.String() != "  -v               say more\n" {
		t.Errorf("got\n%s", b.String())
	}
}
