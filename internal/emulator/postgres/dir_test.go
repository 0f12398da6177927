//go:build linux || darwin

package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestSweep(t *testing.T) {
	base := t.TempDir()
	living, lock, err := makeDir(base)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	stale := filepath.Join(base, prefix+"1")
	if err := os.MkdirAll(filepath.Join(stale, "data", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	link, other := filepath.Join(base, prefix+"2"), filepath.Join(base, "other")
	if err := errors.Join(os.Symlink(elsewhere, link), os.Mkdir(other, 0o700)); err != nil {
		t.Fatal(err)
	}
	sweep(base, nil)
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a stale directory stays: %v", err)
	}
	for _, dir := range []string{living, elsewhere, link, other} {
		if _, err := os.Lstat(dir); err != nil {
			t.Errorf("the sweep removed too much: %v", err)
		}
	}
}

func TestMakeDirRefusesLongPaths(t *testing.T) {
	base := filepath.Join(t.TempDir(), "a-name-of-twenty-five-bytes", "a-name-of-twenty-five-bytes", "a-name-of-twenty-five-bytes")
	if err := os.MkdirAll(base, 0o700); err != nil {
		t.Fatal(err)
	}
	if dir, _, err := makeDir(base); err == nil {
		t.Errorf("made %s, in which no socket fits", dir)
	}
	if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestDefaultBase makes sure that an unusable temporary directory is passed
// over.
func TestDefaultBase(t *testing.T) {
	for _, a := range []*account{nil, {"nobody", 65534, 65534}} {
		private := filepath.Join(t.TempDir(), "private")
		if err := os.Mkdir(private, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", private)
		base := defaultBase(a)
		if a != nil && !open(base) {
			t.Errorf("%s is closed to the account of the server", base)
		}
		if len(base)+1+len(prefix)+10 > maxSocketDir {
			t.Errorf("no socket fits below %s", base)
		}
	}
}
