package datasink_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

// failing gives so many bytes of ranges and then fails. It may show every blob
// under one ETag.
type failing struct {
	datasink.Backend
	mu     sync.Mutex
	left   int64
	read   int64
	oneTag bool
}

var errDead = errors.New("the line is dead")

func (f *failing) take(n int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left -= int64(n); f.left < 0 {
		return errDead
	}
	f.read += int64(n)
	return nil
}

func (f *failing) Stat(ctx context.Context, name string) (datasink.Item, error) {
	item, err := f.Backend.Stat(ctx, name)
	return f.tagged(item), err
}

func (f *failing) tagged(item datasink.Item) datasink.Item {
	if f.oneTag && item.ETag != "" {
		item.ETag = `"one"`
	}
	return item
}

func (f *failing) ReadStart(ctx context.Context, name string, p []byte) (datasink.Item, int, error) {
	item, n, err := f.Backend.ReadStart(ctx, name, p)
	return f.tagged(item), n, err
}

func (f *failing) ReadRange(ctx context.Context, name, etag string, p []byte, off int64) error {
	if err := f.take(len(p)); err != nil {
		return err
	}
	item, err := f.Backend.Stat(ctx, name)
	if err != nil {
		return err
	}
	if f.oneTag {
		etag = item.ETag
	}
	return f.Backend.ReadRange(ctx, name, etag, p, off)
}

var resuming = &datasink.DownloadOptions{Resume: true}

// onlyFiles fails unless the directory holds these files and nothing else,
// hidden ones included.
func onlyFiles(t *testing.T, what, dir string, files map[string][]byte) {
	t.Helper()
	found := 0
	for _, name := range contents(t, dir) {
		if strings.HasSuffix(name, "/") {
			continue
		}
		found++
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if want, ok := files[name]; err != nil || !ok || !bytes.Equal(got, want) {
			t.Errorf("%s: %s holds %d bytes, %v", what, name, len(got), err)
		}
	}
	if found != len(files) {
		t.Errorf("%s: %d files, want %d", what, found, len(files))
	}
}

// TestDownloadResumes after every few blocks: a run fetches what the runs
// before did not, the files appear whole, and nothing else stays.
func TestDownloadResumes(t *testing.T) {
	for mode, opts := range map[string]*datasink.Options{"plain": {}, "sealed": sealedOptions(t), "cse": cseOptions(t, 16<<10)} {
		opts.BlockSize, opts.Streams = 256<<10, 3
		b := &failing{Backend: datasink.Memory(), left: 1 << 40}
		s := newSink(t, b, opts)
		files := map[string][]byte{"a/large": content(6 << 20), "b/large": content(6<<20 + 1), "empty": nil, "small": content(100)}
		stored := int64(0)
		for name, data := range files {
			put(t, s, name, data)
			stored += int64(len(data))
		}
		dir := t.TempDir()
		b.read = 0
		runs := 0
		for {
			runs++
			b.left = 2 << 20
			result, err := s.Download(t.Context(), dir, resuming)
			for _, name := range contents(t, dir) {
				if data, ok := files[name]; ok {
					if got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err != nil || !bytes.Equal(got, data) {
						t.Fatalf("%s, run %d: %s holds %d bytes, %v", mode, runs, name, len(got), err)
					}
				}
			}
			if err == nil {
				if len(result.Files) != len(files) {
					t.Errorf("%s: %d files", mode, len(result.Files))
				}
				break
			}
			if !errors.Is(err, errDead) || runs == 30 {
				t.Fatalf("%s, run %d: %v", mode, runs, err)
			}
		}
		// What had come out of order when the line died is fetched twice, and
		// the ends of blobs that are looked at when they are opened; without
		// resuming no number of runs would do.
		if limit := 3 * stored; runs < 5 || b.read > limit {
			t.Errorf("%s: %d runs fetched %d bytes of %d, want at most %d", mode, runs, b.read, stored, limit)
		}
		onlyFiles(t, mode, dir, files)
		b.left, b.read = 1<<40, 0
		if _, err := s.Download(t.Context(), dir, resuming); err != nil || b.read < stored-(4<<20) && mode != "sealed" {
			t.Errorf("%s: after a complete run %d bytes were fetched, %v", mode, b.read, err)
		}
		onlyFiles(t, mode, dir, files)
	}
}

// TestResumeOfAnother: between two runs the blob is replaced, with another
// ETag or, by a service that lies, with the same. No file is made of both. And
// the notes on disk may be cut off or nonsense.
func TestResumeOfAnother(t *testing.T) {
	for _, oneTag := range []bool{false, true} {
		opts := sealedOptions(t)
		opts.BlockSize, opts.Streams = 256<<10, 2
		b := &failing{Backend: datasink.Memory(), left: 1 << 40, oneTag: oneTag}
		s := newSink(t, b, opts)
		writer := newSink(t, b.Backend, opts)
		was, is := content(6<<20), bytes.Repeat([]byte("new"), 2<<20)
		put(t, writer, "a", was)
		dir := t.TempDir()
		b.left = 3 << 20
		if _, err := s.Download(t.Context(), dir, resuming); !errors.Is(err, errDead) {
			t.Fatal(err)
		}
		put(t, writer, "a", is)
		b.left = 1 << 40
		if _, err := s.Download(t.Context(), dir, resuming); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || !bytes.Equal(got, is) {
			t.Errorf("one ETag %v: the file has %d bytes, %v, and is the old one: %v", oneTag, len(got), err, bytes.Equal(got, was))
		}
	}
	for _, cut := range []func(p []byte) []byte{
		func(p []byte) []byte { return p[:len(p)-5] },
		func(p []byte) []byte { return append(p, `{"blob":"a","id":"`...) },
		func(p []byte) []byte { return []byte("nonsense\n\n{}\n[]\n" + string(p)) },
		func([]byte) []byte { return nil },
	} {
		b := &failing{Backend: datasink.Memory(), left: 1 << 40}
		s := newSink(t, b, &datasink.Options{BlockSize: 256 << 10, Streams: 2})
		put(t, s, "a", content(3<<20))
		put(t, s, "b", content(5))
		dir := t.TempDir()
		b.left = 2 << 20
		if _, err := s.Download(t.Context(), dir, resuming); !errors.Is(err, errDead) {
			t.Fatal(err)
		}
		journal := filepath.Join(dir, ".datasink-partial-journal")
		p, err := os.ReadFile(journal)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(journal, cut(p), 0o600); err != nil {
			t.Fatal(err)
		}
		b.left = 1 << 40
		if _, err := s.Download(t.Context(), dir, resuming); err != nil {
			t.Fatal(err)
		}
		onlyFiles(t, "cut journal", dir, map[string][]byte{"a": content(3 << 20), "b": content(5)})
	}
}

// TestResumeAfterKill looks at the directory as it is in the middle of a run,
// which is what a program that is killed leaves.
func TestResumeAfterKill(t *testing.T) {
	b := &failing{Backend: datasink.Memory(), left: 1 << 40}
	s := newSink(t, b, &datasink.Options{Streams: 1}) // so that ranges come in order
	data := content(80 << 20)
	put(t, s, "a", data)
	dir, left := t.TempDir(), t.TempDir()
	var once sync.Once
	_, err := s.Download(t.Context(), dir, &datasink.DownloadOptions{Resume: true, Progress: func(p datasink.Progress) {
		if p.Done >= 72<<20 {
			once.Do(func() {
				if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
					t.Error(err)
				}
			})
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.read = 0
	told := int64(-1)
	if _, err := s.Download(t.Context(), left, &datasink.DownloadOptions{Resume: true, Progress: func(p datasink.Progress) {
		if told < 0 {
			told = p.Done
		}
	}}); err != nil {
		t.Fatal(err)
	}
	if b.read > 32<<20 || told < 64<<20 {
		t.Errorf("%d bytes were fetched again, the first progress was %d", b.read, told)
	}
	onlyFiles(t, "killed", left, map[string][]byte{"a": data})
}

// TestLayouts puts files where the command lines of the generations do, and
// refuses where two blobs fall together or a layout leads out of the target.
func TestLayouts(t *testing.T) {
	blobs := []string{"output.txt", "x/a", "x/b/c/d"}
	for _, test := range []struct {
		layout datasink.Layout
		want   string
	}{
		{nil, "output.txt x/a x/b/c/d"},
		{datasink.LayoutG0("consumer-output"), "consumer-output/output.txt consumer-output/x/a consumer-output/x/b/c/d"},
		{datasink.LayoutG1("store", "box"), "store/box/output.txt store/box/x/a store/box/x/b/c/d"},
		{datasink.LayoutG2("store", ""), "store/output.txt store/x/a store/x/d"},
		{datasink.LayoutG2("store", "x"), "store/a store/b/d store/output.txt"},
	} {
		for _, resume := range []bool{false, true} {
			s := newSink(t, datasink.Memory(), nil)
			for _, name := range blobs {
				put(t, s, name, []byte(name))
			}
			dir := t.TempDir()
			result, err := s.Download(t.Context(), dir, &datasink.DownloadOptions{Layout: test.layout, Resume: resume})
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, name := range contents(t, dir) {
				if !strings.HasSuffix(name, "/") {
					found = append(found, name)
				}
			}
			if got := strings.Join(found, " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			for _, f := range result.Files {
				if got, err := os.ReadFile(f.Path); err != nil || string(got) != f.Name {
					t.Errorf("%s is in %s, which holds %q, %v", f.Name, f.Path, got, err)
				}
			}
		}
	}
	for what, layout := range map[string]datasink.Layout{
		"two in one place": datasink.LayoutG2("store", "x"),
		"out of it":        func(blob string) string { return "../" + blob },
		"absolute":         datasink.LayoutG0("/tmp"),
		"empty":            datasink.LayoutG1("", ""),
		"all in one":       func(string) string { return "one" },
		"in a file":        func(blob string) string { return strings.Replace(blob, "x/", "output.txt/", 1) },
	} {
		s := newSink(t, datasink.Memory(), nil)
		for _, name := range append(blobs, "x/b/e/d") {
			put(t, s, name, []byte(name))
		}
		dir := t.TempDir()
		if _, err := s.Download(t.Context(), dir, &datasink.DownloadOptions{Layout: layout}); !errors.Is(err, datasink.ErrName) {
			t.Errorf("%s: %v", what, err)
		}
		if found := contents(t, dir); len(found) != 0 {
			t.Errorf("%s: left %q", what, found)
		}
	}
}
