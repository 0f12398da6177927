package check

import (
	"strconv"
	"strings"
)

// Printable escapes, as Go does in a string, whatever a terminal would obey
// instead of show: line feeds, control sequences and the marks that turn the
// direction of writing. The texts of another party come out on one line, and
// look like what they are. A tab stays.
func Printable(s string) string {
	plain := func(r rune) bool { return r == '\t' || strconv.IsPrint(r) && r != '\uFFFD' }
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if plain(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// indented is Printable for the text of another error, which may have lines:
// each but the first gets this before it, so that none looks like one of ours.
func indented(s, before string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Printable(line)
	}
	return strings.Join(lines, "\n"+before)
}
