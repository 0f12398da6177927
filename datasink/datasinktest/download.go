package datasinktest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

func testDownload(t *testing.T, s *suite) {
	want := map[string][]byte{"empty": nil, "a/empty": nil, "a/b/c/deep": random(10), "big": random(9*block + 5), "one": random(block)}
	for i := range 20 {
		want[fmt.Sprintf("many/%d", i)] = random(i)
	}
	for name, data := range want {
		s.put(t, name, data)
	}
	dir := filepath.Join(t.TempDir(), "new", "target")
	for range 2 { // running it twice works
		done := map[string]int64{}
		result, err := s.sink.Download(t.Context(), dir, &datasink.DownloadOptions{Progress: func(p datasink.Progress) {
			if p.Done > p.Total || p.Done < done[p.Name] {
				t.Errorf("progress %+v after %d", p, done[p.Name])
			}
			done[p.Name] = p.Done
		}})
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Files) != len(want) {
			t.Errorf("%d files, want %d", len(result.Files), len(want))
		}
		if !slices.IsSortedFunc(result.Files, func(a, b datasink.File) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) }) {
			t.Errorf("files are not in order: %v", result.Files)
		}
		for _, f := range result.Files {
			got, err := os.ReadFile(f.Path)
			if err != nil || !bytes.Equal(got, want[f.Name]) || f.Size != int64(len(got)) || done[f.Name] != f.Size {
				t.Errorf("%+v: %d bytes on disk, %d in progress, %v", f, len(got), done[f.Name], err)
			}
		}
		if files := countFiles(t, dir); files != len(want) {
			t.Errorf("%d files on disk, want %d", files, len(want))
		}
	}
	only := t.TempDir()
	result, err := s.sink.Download(t.Context(), only, &datasink.DownloadOptions{Prefix: "a/"})
	if err != nil || len(result.Files) != 2 || countFiles(t, only) != 2 {
		t.Errorf("with prefix: %v, %v", result, err)
	}
}

func testDownloadReplaces(t *testing.T, s *suite) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), random(5*block), 0o600); err != nil {
		t.Fatal(err)
	}
	s.put(t, "a", []byte("new"))
	if _, err := s.sink.Download(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "a")); string(got) != "new" {
		t.Errorf("the file holds %d bytes, %v", len(got), err)
	}
}

func countFiles(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
