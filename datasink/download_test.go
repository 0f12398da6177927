package datasink_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

// plant writes a blob past the rules of a sink, as a hostile account could.
func plant(t testing.TB, b datasink.Backend, name string, data []byte, metadata map[string]string) {
	t.Helper()
	ctx := context.Background()
	up, err := b.Begin(ctx, name, datasink.UploadOptions{Metadata: metadata})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.Put(ctx, data); err != nil {
		t.Fatal(err)
	}
}

// contents are the files and directories below a directory.
func contents(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if d.IsDir() {
			rel += "/"
		}
		found = append(found, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDownloadRefusesNames(t *testing.T) {
	for _, name := range []string{
		"../evil", "..", "a/../../evil", "/etc/evil", "a/..", "./evil", "a//evil", "a\x00b", "evil\n", `a\..\..\evil`,
		"\xff", strings.Repeat("a", 1025), "//host/share/evil", ".datasink-partial-evil",
	} {
		sink := newSink(t, datasink.Memory(), &datasink.Options{})
		plant(t, sink.Backend(), "0-harmless", []byte("x"), nil)
		plant(t, sink.Backend(), name, []byte("evil"), nil)
		top := t.TempDir()
		_, err := sink.Download(t.Context(), filepath.Join(top, "target"), nil)
		if !errors.Is(err, datasink.ErrName) {
			t.Errorf("%.20q: got %v, want ErrName", name, err)
		}
		if found := contents(t, top); len(found) != 0 {
			t.Errorf("%.20q: a refused download left %q", name, found)
		}
	}
}

func TestDownloadRefusesCollision(t *testing.T) {
	sink := newSink(t, datasink.Memory(), &datasink.Options{})
	plant(t, sink.Backend(), "a", []byte("a file"), nil)
	plant(t, sink.Backend(), "a/b", []byte("below it"), nil)
	_, err := sink.Download(t.Context(), t.TempDir(), nil)
	if !errors.Is(err, datasink.ErrName) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("got %v, want ErrName about a", err)
	}
}

// Markers become directories whether the metadata says so, a blob below them
// does, or their name.
func TestDownloadMarkers(t *testing.T) {
	sink := newSink(t, datasink.Memory(), &datasink.Options{})
	plant(t, sink.Backend(), "by-metadata", nil, map[string]string{"Hdi_isfolder": "true"})
	plant(t, sink.Backend(), "by-child", nil, nil)
	plant(t, sink.Backend(), "by-child/file", []byte("x"), nil)
	plant(t, sink.Backend(), "by-name/", nil, nil)
	plant(t, sink.Backend(), "empty-file", nil, nil)
	dir := t.TempDir()
	result, err := sink.Download(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Files) != 2 {
		t.Errorf("files %v, want two", result.Files)
	}
	want := "by-child/ by-child/file by-metadata/ by-name/ empty-file"
	if got := strings.Join(contents(t, dir), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDownloadRefusesLinkBlob(t *testing.T) {
	sink := newSink(t, datasink.Memory(), &datasink.Options{})
	plant(t, sink.Backend(), "link", []byte("/etc/passwd"), map[string]string{"is_symlink": "true"})
	dir := t.TempDir()
	if _, err := sink.Download(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("got %v", err)
	}
	if found := contents(t, dir); len(found) != 0 {
		t.Errorf("left %q", found)
	}
}

// A link that lies in the target does not lead the download out of it.
func TestDownloadStaysBelowTarget(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		if runtime.GOOS == "windows" {
			t.Skip("this Windows account lacks the right to make symbolic links")
		}
		t.Fatal(err)
	}
	sink := newSink(t, datasink.Memory(), &datasink.Options{})
	plant(t, sink.Backend(), "link/evil", []byte("x"), nil)
	if _, err := sink.Download(t.Context(), dir, nil); err == nil {
		t.Error("the download followed a link out of its target")
	}
	if found := contents(t, outside); len(found) != 0 {
		t.Errorf("outside lies %q", found)
	}
}

// breaking fails the read of one blob at one offset.
type breaking struct {
	datasink.Backend
	name string
	from int64
	err  error
}

func (b *breaking) ReadRange(ctx context.Context, name, etag string, p []byte, off int64) error {
	if name == b.name && off >= b.from {
		return b.err
	}
	return b.Backend.ReadRange(ctx, name, etag, p, off)
}

func TestDownloadLeavesNoPartialFile(t *testing.T) {
	broken := errors.New("the line is dead")
	for _, from := range []int64{0, 1 << 10, 5 << 10} {
		b := &breaking{Backend: datasink.Memory(), name: "b", from: from, err: broken}
		sink := newSink(t, b, &datasink.Options{BlockSize: 1 << 10, Streams: 2})
		for _, name := range []string{"a", "b", "c"} {
			plant(t, b, name, make([]byte, 6<<10), nil)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "b"), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := sink.Download(t.Context(), dir, nil)
		var detail *datasink.Error
		if !errors.Is(err, broken) || !errors.As(err, &detail) || detail.Blob != "b" {
			t.Errorf("got %v, want the backend's error about b", err)
		}
		for _, name := range contents(t, dir) {
			data, err := os.ReadFile(filepath.Join(dir, name))
			switch {
			case err != nil:
				t.Error(err)
			case name == "b" && string(data) != "old", name != "b" && len(data) != 6<<10:
				t.Errorf("%s holds %d bytes", name, len(data))
			}
		}
		b.from = 7 << 10 // the line is up again
		if _, err := sink.Download(t.Context(), dir, nil); err != nil {
			t.Errorf("the second run: %v", err)
		}
	}
}

func TestDownloadCancelled(t *testing.T) {
	sink := newSink(t, datasink.Memory(), &datasink.Options{BlockSize: 1 << 10})
	plant(t, sink.Backend(), "a", make([]byte, 100<<10), nil)
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	dir := t.TempDir()
	_, err := sink.Download(ctx, dir, &datasink.DownloadOptions{Progress: func(datasink.Progress) { once.Do(cancel) }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if found := contents(t, dir); len(found) != 0 {
		t.Errorf("left %q", found)
	}
}

// FuzzDownloadName plants a blob of any name: either the name is refused, or
// there is one file, below the target.
func FuzzDownloadName(f *testing.F) {
	for _, name := range []string{"a", "a/b", "../a", "a/../b", "/a", "a/", "C:/a", `..\a`, "a\x00", "CON", "a:b", "...", "a/.../b", " ", "a//b", ".datasink-partial-x"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		sink := newSink(t, datasink.Memory(), &datasink.Options{})
		plant(t, sink.Backend(), name, []byte("x"), nil)
		top := t.TempDir()
		target := filepath.Join(top, "target")
		result, err := sink.Download(t.Context(), target, nil)
		if err != nil {
			return // a name may also be too long for the file system
		}
		for _, f := range result.Files {
			if rel, err := filepath.Rel(target, f.Path); err != nil || !filepath.IsLocal(rel) {
				t.Fatalf("%q became %q", name, f.Path)
			}
		}
		for _, path := range contents(t, top) {
			if path != "target/" && !strings.HasPrefix(path, "target/") {
				t.Fatalf("%q made %q", name, path)
			}
		}
	})
}
