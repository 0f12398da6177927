package terminal_test

import (
	"testing"

	"github.com/cleanroom-go/sdk/examples/internal/terminal"
	"github.com/cleanroom-go/sdk/examples/internal/terminal/terminaltest"
)

func TestTerminal(t *testing.T) {
	_, f := terminaltest.Open(t)
	for _, c := range []struct {
		term, noColor string
		is, colours   bool
	}{
		{"xterm", "", true, true},
		{"xterm", "1", true, false},
		{"dumb", "", false, false},
	} {
		t.Setenv("TERM", c.term)
		t.Setenv("NO_COLOR", c.noColor)
		if terminal.Is(f) != c.is || terminal.Colours(f) != c.colours {
			t.Errorf("TERM=%s NO_COLOR=%s: a terminal %t, colours %t", c.term, c.noColor, terminal.Is(f), terminal.Colours(f))
		}
	}
}
