package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
)

// BinVariable names the environment variable that holds the directory of the
// server's programs when Find would not find them, or should find others.
const BinVariable = "CLEANROOM_PG_BIN"

// BinNone is the value of BinVariable with which Find finds nothing, so that a
// machine with a server can play one without.
const BinNone = "none"

// ErrNotInstalled is wrapped by Find when no server is there. A test skips on
// it.
var ErrNotInstalled = errors.New("PostgreSQL's server programs are not installed")

// places are where packages put the programs without putting them on PATH.
// Within a pattern the highest version counts.
var places = []string{
	"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
	"/usr/pgsql-*/bin",                  // PostgreSQL's RPM packages
	"/usr/lib/postgresql*/bin",          // SUSE
	"/usr/libexec/postgresql*",          // Alpine
	"/opt/homebrew/opt/postgresql*/bin", // Homebrew on Apple's processors
	"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel's
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// Find returns the directory that holds initdb and postgres: the one that
// CLEANROOM_PG_BIN names, else where PATH leads (with symbolic links resolved),
// else the highest version of the usual places. Without any the error wraps
// [ErrNotInstalled] and says how to install.
func Find() (binDir string, err error) { return find("") }

// find looks for places below root.
func find(root string) (string, error) {
	switch dir := os.Getenv(BinVariable); dir {
	case "":
	case BinNone:
		return "", fmt.Errorf("postgres: find: %w: %s is %s", ErrNotInstalled, BinVariable, BinNone)
	default:
		if err := complete(dir); err != nil {
			return "", fmt.Errorf("postgres: find: %s: %w", BinVariable, err)
		}
		return dir, nil
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		// A link on PATH leads to where the rest of the installation is.
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil && complete(filepath.Dir(initdb)) == nil {
			return filepath.Dir(initdb), nil
		}
	}
	for _, pattern := range places {
		dirs, err := filepath.Glob(root + pattern)
		if err != nil {
			return "", fmt.Errorf("postgres: find: internal error: %w", err)
		}
		slices.SortFunc(dirs, func(a, b string) int { return slices.Compare(version(b), version(a)) })
		for _, dir := range dirs {
			if complete(dir) == nil {
				return dir, nil
			}
		}
	}
	return "", fmt.Errorf("postgres: find: %w; %s, or name their directory in %s", ErrNotInstalled, InstallHint(), BinVariable)
}

// complete reports what is missing in a directory of programs.
func complete(dir string) error {
	for _, program := range []string{"initdb", "postgres"} {
		path := filepath.Join(dir, program)
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
		switch info, err := os.Stat(path); {
		case err != nil:
			return err
		case info.IsDir(), runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
			return fmt.Errorf("%s is no program", path)
		}
	}
	return nil
}

var numbers = regexp.MustCompile(`[0-9]+`)

// version is the sequence of numbers in a path.
func version(path string) []int {
	var v []int
	for _, digits := range numbers.FindAllString(path, -1) {
		n, err := strconv.Atoi(digits)
		if err != nil {
			n = 0
		}
		v = append(v, n)
	}
	return v
}

// InstallHint is one line that says how to install PostgreSQL on this system.
func InstallHint() string {
	if runtime.GOOS == "windows" {
		return "run this in the Windows Subsystem for Linux, where PostgreSQL can be installed with: sudo apt-get install postgresql"
	}
	managers := []struct{ program, command string }{
		{"apt-get", "sudo apt-get install postgresql"},
		{"dnf", "sudo dnf install postgresql-server"},
		{"apk", "sudo apk add postgresql"},
		{"pacman", "sudo pacman -S postgresql"},
		{"zypper", "sudo zypper install postgresql-server"},
		{"brew", "brew install postgresql@17"},
	}
	if runtime.GOOS == "darwin" { // other managers may be there, but not the system's
		managers = managers[len(managers)-1:]
	}
	for _, m := range managers {
		if _, err := exec.LookPath(m.program); err == nil {
			return "install them with: " + m.command
		}
	}
	if runtime.GOOS == "darwin" {
		return "install Homebrew and then: " + managers[0].command
	}
	return "install the PostgreSQL server package of this system"
}
