package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDenials: each denial ends with exit code 3, explains itself as the golden
// file says, and leaves no result.
func TestDenials(t *testing.T) {
	needDatabase(t)
	for _, name := range denials {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			r := runToEnd(t, demo(t, nil, "-deny", name, "-out", out))
			r.want(t, 3)
			_, explanation, found := strings.Cut(r.stdout, "\ndenied ")
			if !found {
				t.Fatalf("no explanation:\n%s", r.stdout)
			}
			if name == "template" && strings.Contains(r.stdout, "clean room policy, logging") {
				t.Errorf("a vote for what was refused:\n%s", r.stdout)
			}
			got := idPattern.ReplaceAllString("denied "+explanation, "<64 hex digits>")
			want, err := os.ReadFile(filepath.Join("testdata", "deny-"+name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if names := list(t, out); len(names) > 0 {
				t.Errorf("a denied run left %q", names)
			}
		})
	}
}

var idPattern = regexp.MustCompile(`[0-9a-f]{64}`)

func TestDenialJSON(t *testing.T) {
	needDatabase(t)
	r := runToEnd(t, demo(t, nil, "-deny", "consent", "-json"))
	r.want(t, 3, `{"denied":{"party":"room"`, `"id":"consent.execution","passed":false,"want":"enabled"`)
}
