package main

import (
	"io"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/examples/internal/terminal/terminaltest"
)

// TestTerminal: a person at a terminal sees names in colour and how far the
// parties' transfers are; with NO_COLOR no colour.
func TestTerminal(t *testing.T) {
	needDatabase(t)
	for noColor, coloured := range map[string]bool{"": true, "1": false} {
		person, program := terminaltest.Open(t)
		cmd := demo(t, []string{"TERM=xterm", "NO_COLOR=" + noColor}, "-out", t.TempDir())
		cmd.Stdout, cmd.Stderr = program, program
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = program.Close()          // the demo has it
		seen := make(chan string, 1) // the read ends with the demo
		go func() { b, _ := io.ReadAll(person); seen <- string(b) }()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		text := <-seen
		if !strings.Contains(text, "521, as the room reported") || strings.Contains(text, "\x1b[1;35m") != coloured || strings.Contains(text, "\x1b") != coloured {
			t.Errorf("NO_COLOR=%s: %q", noColor, text)
		}
		if !strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), "\r") {
			t.Errorf("NO_COLOR=%s: no progress: %q", noColor, text)
		}
	}
}
