//go:build linux || darwin

package datasink_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

// small lets files of this process grow to so many bytes: the system's own way
// to refuse a write, as a full disk or a quota does, that needs no privilege.
func small(t *testing.T, limit uint64) (restore func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	now := old
	now.Cur = limit
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
		t.Fatal(err)
	}
	restore = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(restore)
	return restore
}

// TestDiskFull: where the disk takes no more, a download and a write to a
// directory fail with the system's error and the blob's name, and leave the old
// file, or none, and nothing hidden. With room again both work.
func TestDiskFull(t *testing.T) {
	for mode, opts := range map[string]*datasink.Options{"plain": {}, "sealed": sealedOptions(t), "cse": cseOptions(t, 16<<10)} {
		opts.BlockSize, opts.Streams = 64<<10, 3
		s := newSink(t, datasink.Memory(), opts)
		files := map[string][]byte{"large": content(3 << 20), "small": content(10)}
		for name, data := range files {
			put(t, s, name, data)
		}
		for _, resume := range []bool{false, true} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "large"), []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			restore := small(t, 1<<20)
			_, err := s.Download(t.Context(), dir, &datasink.DownloadOptions{Resume: resume})
			restore()
			var detail *datasink.Error
			if !errors.Is(err, syscall.EFBIG) || !errors.As(err, &detail) || detail.Blob != "large" {
				t.Errorf("%s: %v", mode, err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "large")); string(got) != "old" {
				t.Errorf("%s: the old file has %d bytes, %v", mode, len(got), err)
			}
			for _, name := range contents(t, dir) {
				if strings.HasPrefix(name, ".") && !resume {
					t.Errorf("%s: %s is left", mode, name)
				}
			}
			if _, err := s.Download(t.Context(), dir, &datasink.DownloadOptions{Resume: resume}); err != nil {
				t.Errorf("%s: with room: %v", mode, err)
			}
			onlyFiles(t, mode, dir, files)
		}
		dir := t.TempDir()
		onDisk := newSink(t, datasink.Dir(dir), opts)
		put(t, onDisk, "a", []byte("old"))
		restore := small(t, 1<<20)
		w, err := onDisk.Create(t.Context(), "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, writeErr := w.ReadFrom(bytes.NewReader(files["large"]))
		commitErr := w.Commit()
		restore()
		if !errors.Is(commitErr, syscall.EFBIG) || writeErr != nil && !errors.Is(writeErr, syscall.EFBIG) {
			t.Errorf("%s: write says %v, commit %v", mode, writeErr, commitErr)
		}
		check(t, onDisk, "a", []byte("old"))
		if found := contents(t, dir); len(found) != 1 {
			t.Errorf("%s: in the directory lies %q", mode, found)
		}
		// A tree goes up as far as there is room, and on from there.
		up := tree(t, files)
		restore = small(t, 1<<20)
		_, err = onDisk.Upload(t.Context(), up, nil)
		restore()
		var detail *datasink.Error
		if !errors.Is(err, syscall.EFBIG) || !errors.As(err, &detail) || detail.Blob != "large" {
			t.Errorf("%s: upload says %v", mode, err)
		}
		if _, err := onDisk.Stat(t.Context(), "large"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: half a blob: %v", mode, err)
		}
		if _, err := onDisk.Upload(t.Context(), up, nil); err != nil {
			t.Errorf("%s: upload with room: %v", mode, err)
		}
		check(t, onDisk, "large", files["large"])
	}
}
