package cleanroom

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// racers create one key at once; who comes late loads. It returns how many
// created it.
func racers(t *testing.T, s *DEKStore, name string, load bool) (created int) {
	t.Helper()
	const callers = 8
	var mu sync.Mutex
	var key []byte
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range callers {
		wg.Go(func() {
			<-start
			dek, err := s.Create(name)
			mine := err == nil
			if errors.Is(err, fs.ErrExist) {
				if !load {
					return
				}
				dek, err = s.Load(name)
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer dek.Close()
			mu.Lock()
			defer mu.Unlock()
			if mine {
				created++
			}
			if raw := dek.Clone(); key == nil {
				key = raw
			} else if !bytes.Equal(key, raw) {
				t.Error("two keys of one name")
			}
		})
	}
	close(start)
	wg.Wait()
	return created
}

// Of many that create one key, one does, and the others load what it got:
// there is no moment at which it is there and not whole.
func TestDEKStoreConcurrentCreate(t *testing.T) {
	s, err := OpenDEKStore(filepath.Join(t.TempDir(), "deks"))
	must(t, err)
	const rounds = 60
	for i := range rounds {
		if n := racers(t, s, fmt.Sprintf("raced-%d", i), true); n != 1 {
			t.Fatalf("%d callers created a key", n)
		}
	}
	onlyKeys(t, s, rounds)
}

// onlyKeys wants whole keys for the owner alone, and nothing beside them.
func onlyKeys(t *testing.T, s *DEKStore, want int) {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	must(t, err)
	if len(entries) != want {
		t.Errorf("%d files, want %d: %v", len(entries), want, entries)
	}
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		if info.Size() != 32 || filepath.Ext(e.Name()) != ".bin" || runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("%s has %d bytes and mode %v", e.Name(), info.Size(), info.Mode())
		}
	}
}

// A file system without links stores keys too, and overwrites none.
func TestDEKStoreWithoutLinks(t *testing.T) {
	defer func() { link = os.Link }()
	link = func(from, to string) error {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: errors.ErrUnsupported}
	}
	s, err := OpenDEKStore(filepath.Join(t.TempDir(), "deks"))
	must(t, err)
	for i := range 20 {
		if n := racers(t, s, fmt.Sprintf("raced-%d", i), false); n != 1 {
			t.Fatalf("%d callers created a key", n)
		}
	}
	onlyKeys(t, s, 20)
	loaded, err := s.Load("raced-0")
	must(t, err)
	defer loaded.Close()
	if k, err := s.Create("raced-0"); k != nil || !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: %v", err)
	}
	again, err := s.Load("raced-0")
	must(t, err)
	defer again.Close()
	if !bytes.Equal(loaded.Clone(), again.Clone()) {
		t.Error("the key was overwritten")
	}
}

// A directory that is gone is an error, and what cannot be stored is no key.
func TestDEKStoreWithoutDirectory(t *testing.T) {
	s, err := OpenDEKStore(filepath.Join(t.TempDir(), "deks"))
	must(t, err)
	must(t, os.Remove(s.dir))
	if k, err := s.Create("nowhere"); k != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
