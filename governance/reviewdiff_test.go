package governance_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// patch applies a unified diff, and reports one that does not fit.
func patch(before, diff string) (string, error) {
	old := strings.SplitAfter(before, "\n")
	var out strings.Builder
	next := 0
	for rest := diff; rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		if strings.HasPrefix(line, "@@ ") {
			var start int
			if _, err := fmt.Sscanf(line, "@@ -%d", &start); err != nil {
				return "", fmt.Errorf("hunk %q: %w", line, err)
			}
			if !strings.Contains(strings.Fields(line)[1], ",0") {
				start--
			}
			if start < next {
				return "", fmt.Errorf("hunk %q goes back", line)
			}
			out.WriteString(strings.Join(old[next:start], ""))
			next = start
			continue
		}
		text := line[1:] + "\n"
		if strings.HasPrefix(rest, "\\") {
			_, rest, _ = strings.Cut(rest, "\n")
			text = line[1:]
		}
		if line[0] != '+' {
			if old[next] != text {
				return "", fmt.Errorf("line %d is %q, not %q", next+1, old[next], text)
			}
			next++
		}
		if line[0] != '-' {
			out.WriteString(text)
		}
	}
	return out.String() + strings.Join(old[next:], ""), nil
}

// TestUnified applies the difference of random texts, which must give the
// second of them.
func TestUnified(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range random.IntN(30) {
			b.WriteString(string('a'+rune(random.IntN(4))) + "\n")
		}
		s := b.String()
		if random.IntN(3) == 0 {
			s = strings.TrimSuffix(s, "\n")
		}
		return s
	}
	check := func(before, after string) {
		diff := governance.Unified(before, after)
		if (diff == "") != (before == after) {
			t.Fatalf("diff %q of %q and %q", diff, before, after)
		}
		got, err := patch(before, diff)
		if err != nil || got != after {
			t.Fatalf("%q to %q: got %q, %v, with\n%s", before, after, got, err, diff)
		}
	}
	for range 2000 {
		check(text(), text())
	}
	// Too different for the search.
	var a, b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&a, "a%d\n", i)
		fmt.Fprintf(&b, "b%d\n", i)
	}
	check("same\n"+a.String()+"end", "same\n"+b.String()+"end")
	if got, want := governance.Unified("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n6\n7\nacht\n9\n"), "@@ -5,5 +5,5 @@\n 5\n 6\n 7\n-8\n+acht\n 9\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}
