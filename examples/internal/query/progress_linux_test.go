package query

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/examples/internal/terminal/terminaltest"
)

// TestRowProgress: a person sees one line, which is gone at the end; a pipe
// sees nothing.
func TestRowProgress(t *testing.T) {
	t.Setenv("TERM", "xterm")
	person, program := terminaltest.Open(t)
	tell, done := rowProgress(program)
	tell(1234, 5<<20)
	tell(1235, 5<<20) // too soon to be drawn
	done()
	if _, err := program.WriteString("end\n"); err != nil {
		t.Fatal(err)
	}
	seen, err := bufio.NewReader(person).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if want := "\r\x1b[K1234 rows, 5120 KiB\r\x1b[Kend"; strings.TrimRight(seen, "\r\n") != want {
		t.Errorf("the terminal shows %q, want %q", seen, want)
	}

	_, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if tell, done := rowProgress(w); tell != nil {
		t.Error("a pipe is told of rows")
	} else {
		done()
	}
}
