package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"-h"}, 0, "exit codes"},
		{[]string{"-deny", "everything"}, 2, "host-data, consent, vote, template"},
		{[]string{"-deny"}, 2, "flag needs an argument"},
		{[]string{"-port", "1"}, 2, "not defined: -port"},
		{[]string{"-v=perhaps"}, 2, "invalid boolean"},
		{[]string{"now"}, 2, `"now"`},
		{[]string{"-insecure-dsn-tls"}, 2, "-dsn"},
		{[]string{"-dsn", ""}, 2, "-dsn is empty"},
		{[]string{"-deny", ""}, 2, "-deny is empty"},
	} {
		r := runToEnd(t, demo(t, nil, c.args...))
		r.want(t, c.code, c.say)
		if c.code == 2 {
			r.wantLine(t, 2)
		}
		if r.stdout != "" {
			t.Errorf("%q: stdout: %s", c.args, r.stdout)
		}
	}
}

// TestWrongPrograms: a setting that leads nowhere is named. What a machine
// without PostgreSQL does is TestStandIn.
func TestWrongPrograms(t *testing.T) {
	r := runToEnd(t, demo(t, []string{"CLEANROOM_PG_BIN=" + t.TempDir()}))
	r.wantLine(t, 1, "postgres", "CLEANROOM_PG_BIN")
}

// TestBadOutput: a folder for results that cannot be used is found before
// anything is started.
func TestBadOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]string{"a file": file, "below a file": filepath.Join(file, "out")} {
		r := runToEnd(t, demo(t, nil, "-out", out))
		r.wantLine(t, 1, "-out", file)
		if r.stdout != "" {
			t.Errorf("%s: it began: %s", name, r.stdout)
		}
	}
	taken := t.TempDir()
	if err := os.Mkdir(filepath.Join(taken, "query.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	runToEnd(t, demo(t, nil, "-out", taken)).wantLine(t, 1, "-out", "query.log is a folder")
	above := t.TempDir()
	runToEnd(t, demo(t, []string{"CLEANROOM_PG_BIN=" + t.TempDir()}, "-out", filepath.Join(above, "a", "b"))).wantLine(t, 1)
	if names := list(t, above); len(names) > 0 {
		t.Errorf("a run that failed left %q", names)
	}
	if os.Geteuid() != 0 { // nothing is closed to root
		closed := t.TempDir()
		if err := os.Chmod(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		runToEnd(t, demo(t, nil, "-out", closed)).wantLine(t, 1, "-out", closed)
	}
}
