package cleanroom

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

// TestDEKHasOneMode, also across programs: the store remembers.
func TestDEKHasOneMode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deks")
	open := func() *DEKStore {
		s, err := OpenDEKStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	dek, err := open().Create("output")
	if err != nil {
		t.Fatal(err)
	}
	dek.Close()
	for range 2 {
		if _, err := open().LoadFor("output", datasink.CPK); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []datasink.Mode{datasink.Sealed, datasink.CSE} {
		if _, err := open().LoadFor("output", mode); err == nil || !strings.Contains(err.Error(), `belongs to mode "CPK"`) {
			t.Errorf("%s: %v", mode, err)
		}
	}
	for _, mode := range []datasink.Mode{datasink.SSE, "", "other"} {
		if _, err := open().LoadFor("output", mode); err == nil {
			t.Errorf("mode %q: no error", mode)
		}
	}
	if _, err := open().Rotate("output"); err != nil {
		t.Fatal(err)
	}
	if _, err := open().LoadFor("output", datasink.Sealed); err != nil {
		t.Errorf("the rotated key: %v", err)
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".tmp") {
			t.Errorf("%s stays", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestDEKModeRace: of several programs that want different modes, those of one
// mode win.
func TestDEKModeRace(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := OpenDEKStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create("output"); err != nil {
		t.Fatal(err)
	}
	modes := []datasink.Mode{datasink.CPK, datasink.Sealed, datasink.CSE, datasink.CPK, datasink.Sealed, datasink.CSE}
	won := make([]bool, len(modes))
	var wg sync.WaitGroup
	for i, mode := range modes {
		wg.Go(func() {
			_, err := s.LoadFor("output", mode)
			won[i] = err == nil
		})
	}
	wg.Wait()
	winners := map[datasink.Mode]bool{}
	for i, mode := range modes {
		if won[i] {
			winners[mode] = true
		}
	}
	if len(winners) != 1 {
		t.Errorf("winners: %v", winners)
	}
}
