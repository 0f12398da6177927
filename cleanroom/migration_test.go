package cleanroom

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// page is a file of docs without the carriage returns that a checkout may add.
func page(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// fenced is a block of code.
var fenced = regexp.MustCompile("(?s)```.*?```")

// goNames are the code spans of a text that look as names of Go: qualified
// ones, and members of a type without their package.
func goNames(text string) (names []string) {
	member := regexp.MustCompile(`^[A-Z]\w*\.[A-Z]\w*$`)
	for _, s := range spans(fenced.ReplaceAllString(text, "")) {
		if qualified.MatchString(s) || member.MatchString(s) {
			names = append(names, s)
		}
	}
	return names
}

// TestNamesOfPages: each Go name in the pages about moving and about trouble
// exists.
func TestNamesOfPages(t *testing.T) {
	names := exported(t)
	members := map[string]bool{}
	for n := range names {
		if pkg, rest, _ := strings.Cut(n, "."); pkg != "" && strings.Contains(rest, ".") {
			members[rest] = true
		}
	}
	for file, least := range map[string]int{"../docs/MIGRATION.md": 40, "../docs/TROUBLESHOOTING.md": 50} {
		found := goNames(page(t, file))
		if len(found) < least {
			t.Errorf("%s has %d names", file, len(found))
		}
		for _, n := range found {
			if !names[n] && !members[n] {
				t.Errorf("%s: there is no %s", file, n)
			}
		}
	}
	if invented := goNames("`cleanroom.Plans` `Keys.Wrap` `err` `a.b`"); len(invented) != 2 || names[invented[0]] || members[invented[1]] {
		t.Errorf("invented names are found: %v", invented)
	}
}

// TestMigration: the Go of docs/MIGRATION.md is that of a file which the
// compiler has read, and each command in it exists.
func TestMigration(t *testing.T) {
	text, source := page(t, "../docs/MIGRATION.md"), page(t, "example_migration_test.go")
	blocks := strings.Split(text, "```go\n")[1:]
	if len(blocks) != 8 {
		t.Errorf("%d blocks of Go", len(blocks))
	}
	for _, b := range blocks {
		b, _, closed := strings.Cut(b, "```\n")
		var indented strings.Builder
		for line := range strings.Lines(b) {
			if line != "\n" {
				indented.WriteString("\t")
			}
			indented.WriteString(line)
		}
		if !closed || !strings.Contains(source, indented.String()) {
			t.Errorf("example_migration_test.go does not have\n%s", b)
		}
	}
	known := map[string]bool{}
	for group, commands := range parityCommands {
		for _, c := range strings.Fields(commands) {
			known[group+" "+c] = true
		}
	}
	command := regexp.MustCompile(`^(config|secretstore|datastore|datasource|datasink|logs|telemetry|governance) [a-z0-9 -]+$`)
	n := 0
	for _, s := range spans(fenced.ReplaceAllString(text, "")) {
		if command.MatchString(s) {
			if n++; !known[s] {
				t.Errorf("there is no command %q", s)
			}
		}
	}
	if n < 30 {
		t.Errorf("%d commands", n)
	}
}
