package cleanroom_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestDEKStoreRotate(t *testing.T) {
	s, dir := openDEKs(t)
	if k, err := s.Rotate("store"); !errors.Is(err, fs.ErrNotExist) || k != nil {
		t.Errorf("rotated what is not there: %v", err)
	}
	k, err := s.Create("store")
	keys := [][]byte{rawKey(t, k, err)}
	for range 3 {
		k, err := s.Rotate("store")
		keys = append(keys, rawKey(t, k, err))
		k, err = s.Load("store")
		if !bytes.Equal(rawKey(t, k, err), keys[len(keys)-1]) {
			t.Error("another key is in use")
		}
	}
	for n, want := range keys[:3] {
		k, err := s.LoadRetired("store", n+1)
		if !bytes.Equal(rawKey(t, k, err), want) || bytes.Equal(want, keys[n+1]) {
			t.Errorf("retired %d is another", n+1)
		}
		if info, err := os.Stat(filepath.Join(dir, "store."+string(rune('1'+n))+".bin")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("retired %d: %v, %v", n+1, info, err)
		}
	}
	for _, n := range []int{-1, 0, 4, 10001} {
		if k, err := s.LoadRetired("store", n); err == nil || k != nil {
			t.Errorf("retired %d was loaded", n)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 4 {
		t.Errorf("files %v, %v", entries, err)
	}
	for _, bad := range []string{"", "../x", "a/b", "store.1"} {
		if k, err := s.Rotate(bad); err == nil || k != nil {
			t.Errorf("%q was rotated", bad)
		}
	}
	// A key that cannot be read is not replaced.
	file := filepath.Join(dir, "store.bin")
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if k, err := s.Rotate("store"); err == nil || k != nil {
		t.Error("a damaged key was rotated")
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "short" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

// However many rotate, no key gets lost.
func TestDEKStoreRotateConcurrently(t *testing.T) {
	s, dir := openDEKs(t)
	k, err := s.Create("store")
	made := map[string]bool{string(rawKey(t, k, err)): true}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			k, err := s.Rotate("store")
			if err != nil {
				if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "remove the file") {
					t.Errorf("rotate: %v", err)
				}
				return
			}
			defer k.Close()
			mu.Lock()
			defer mu.Unlock()
			made[string(k.Clone())] = true
		})
	}
	wg.Wait()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !made[string(b)] {
			t.Errorf("%s holds something else, %v", f, err)
		}
		delete(made, string(b))
	}
	if len(made) > 0 {
		t.Errorf("%d keys are lost", len(made))
	}
	// What an interrupted rotation leaves is named.
	lock := filepath.Join(dir, "store.lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rotate("store"); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), lock) {
		t.Errorf("locked: %v", err)
	}
}
