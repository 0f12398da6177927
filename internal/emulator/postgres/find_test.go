package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// install makes a directory with the server's programs in it, as far as Find
// can tell.
func install(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"initdb", "postgres"} {
		if runtime.GOOS == "windows" {
			program += ".exe"
		}
		if err := os.WriteFile(filepath.Join(dir, program), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindVariable(t *testing.T) {
	dir := install(t, t.TempDir())
	t.Setenv(BinVariable, dir)
	if got, err := Find(); err != nil || got != dir {
		t.Errorf("got %q, %v", got, err)
	}
	empty := t.TempDir()
	t.Setenv(BinVariable, empty)
	got, err := Find()
	if err == nil || !strings.Contains(err.Error(), BinVariable) || !strings.Contains(err.Error(), empty) {
		t.Errorf("got %q, %v; want an error naming the variable and its value", got, err)
	}
	if errors.Is(err, ErrNotInstalled) {
		t.Error("a wrong setting passes for a missing installation, which tests skip on")
	}
	t.Setenv(BinVariable, BinNone)
	if got, err := Find(); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("got %q, %v; want a machine without any", got, err)
	}
}

func TestFindOnPath(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("making a symbolic link takes a privilege on Windows")
	}
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := install(t, filepath.Join(root, "opt", "bin"))
	links := t.TempDir() // holds initdb alone, as /usr/local/bin may
	if err := os.Symlink(filepath.Join(dir, "initdb"), filepath.Join(links, "initdb")); err != nil {
		t.Fatal(err)
	}
	t.Setenv(BinVariable, "")
	t.Setenv("PATH", links)
	if got, err := find(root); err != nil || got != dir {
		t.Errorf("got %q, %v; want %q", got, err, dir)
	}
}

func TestFindPlaces(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no usual places on Windows")
	}
	for _, c := range []struct {
		name      string
		installed []string // the last one is wanted
	}{
		{"highest version", []string{"usr/lib/postgresql/9.6/bin", "usr/lib/postgresql/15/bin", "usr/lib/postgresql/17/bin"}},
		{"RPM", []string{"usr/pgsql-13/bin", "usr/pgsql-16/bin"}},
		{"SUSE", []string{"usr/lib/postgresql16/bin"}},
		{"Alpine", []string{"usr/libexec/postgresql16"}},
		{"Homebrew, Apple's processors", []string{"opt/homebrew/opt/postgresql@14/bin", "opt/homebrew/opt/postgresql@17/bin"}},
		{"Homebrew, Intel's", []string{"usr/local/opt/postgresql@9.6/bin", "usr/local/opt/postgresql@16/bin"}},
		{"Postgres.app", []string{"Applications/Postgres.app/Contents/Versions/9.6/bin", "Applications/Postgres.app/Contents/Versions/latest/bin", "Applications/Postgres.app/Contents/Versions/16/bin"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			t.Setenv(BinVariable, "")
			t.Setenv("PATH", root)
			var want string
			for _, dir := range c.installed {
				want = install(t, filepath.Join(root, dir))
			}
			// A client alone leaves a directory without the server.
			if err := os.MkdirAll(filepath.Join(root, "usr/lib/postgresql/99/bin"), 0o755); err != nil {
				t.Fatal(err)
			}
			if got, err := find(root); err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestFindNothing(t *testing.T) {
	t.Setenv(BinVariable, "")
	t.Setenv("PATH", t.TempDir())
	_, err := find(t.TempDir())
	if !errors.Is(err, ErrNotInstalled) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"install", BinVariable} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %q", err, want)
		}
	}
	if hint := InstallHint(); hint == "" || strings.Contains(hint, "\n") {
		t.Errorf("the hint is %q; want one line", hint)
	}
}
