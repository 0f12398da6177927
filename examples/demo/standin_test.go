package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withoutPostgreSQL makes a machine that has one play one that has not.
var withoutPostgreSQL = []string{"CLEANROOM_PG_BIN=none"}

// TestStandIn: where no PostgreSQL is installed the demo needs only Go, and
// nothing it prints claims that there was one.
func TestStandIn(t *testing.T) {
	out := t.TempDir()
	report := filepath.Join(t.TempDir(), "report.html")
	r := runToEnd(t, demo(t, withoutPostgreSQL, "-out", out, "-report", report))
	r.want(t, 0, "rows        521, as the room reported", "database: a stand-in, not PostgreSQL", "database    a stand-in, not PostgreSQL", "-dsn takes one")
	checkRows(t, filepath.Join(out, "output.txt"), 521)
	if r.stderr != "" {
		t.Errorf("stderr: %s", r.stderr)
	}
	page, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"output": r.stdout, "report": string(page)} {
		text = strings.ReplaceAll(text, "no PostgreSQL is installed here", "")
		if n := strings.Count(text, "PostgreSQL"); n == 0 || n != strings.Count(text, "stand-in, not PostgreSQL") {
			t.Errorf("the %s says PostgreSQL %d times without saying that it is none", name, n)
		}
	}
}

// TestStandInSame: the output is that of a PostgreSQL.
func TestStandInSame(t *testing.T) {
	needDatabase(t)
	var outputs []string
	for _, env := range [][]string{nil, withoutPostgreSQL} {
		out := t.TempDir()
		runToEnd(t, demo(t, env, "-out", out)).want(t, 0)
		b, err := os.ReadFile(filepath.Join(out, "output.txt"))
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, string(b))
	}
	if outputs[0] != outputs[1] {
		t.Error("the stand-in gives another output than PostgreSQL")
	}
}
