package datasink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/datasink"
)

// tree writes files below a new directory.
func tree(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func someFiles() map[string][]byte {
	files := map[string][]byte{"empty": nil, "a/b/c": content(10), "a/large": content(300_000), "ä #?%": content(17_000)}
	for i := range 30 {
		files[fmt.Sprintf("many/%02d", i)] = content(i * 100)
	}
	return files
}

// TestUpload brings a tree up and down again, twice, in each mode.
func TestUpload(t *testing.T) {
	for mode, opts := range map[string]*datasink.Options{"plain": {}, "sealed": sealedOptions(t), "cse": cseOptions(t, 1000)} {
		opts.BlockSize, opts.Streams = 50_000, 3
		told := map[string]int64{}
		opts.Progress = func(p datasink.Progress) { told[p.Name] = p.Done }
		s := newSink(t, datasink.Memory(), opts)
		files := someFiles()
		dir := tree(t, files)
		result, err := s.Upload(t.Context(), dir, &datasink.UploadDirOptions{Prefix: "up/"})
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if len(result.Files) != len(files) || len(result.Unchanged) != 0 {
			t.Errorf("%s: %d files uploaded, %d unchanged, want %d", mode, len(result.Files), len(result.Unchanged), len(files))
		}
		if !slices.IsSortedFunc(result.Files, func(a, b datasink.File) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: the result is not in the order of names", mode)
		}
		for name, data := range files {
			if told["up/"+name] != int64(len(data)) {
				t.Errorf("%s: of %s %d bytes were told, want %d", mode, name, told["up/"+name], len(data))
			}
		}
		for range 2 {
			down := t.TempDir()
			if _, err := s.Download(t.Context(), down, nil); err != nil {
				t.Fatalf("%s: %v", mode, err)
			}
			for name, data := range files {
				if got, err := os.ReadFile(filepath.Join(down, "up", filepath.FromSlash(name))); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s: %s has %d bytes, %v", mode, name, len(got), err)
				}
			}
		}
		// The second time only what changed is written.
		if err := os.WriteFile(filepath.Join(dir, "empty"), []byte("no more"), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "a", "large"), old, old); err != nil {
			t.Fatal(err)
		}
		result, err = s.Upload(t.Context(), dir, &datasink.UploadDirOptions{Prefix: "up/"})
		if err != nil || len(result.Files) != 2 || len(result.Unchanged) != len(files)-2 {
			t.Errorf("%s: again: %+v, %v", mode, result, err)
		}
		check(t, s, "up/empty", []byte("no more"))
		result, err = s.Upload(t.Context(), dir, &datasink.UploadDirOptions{Prefix: "up/", Again: true})
		if err != nil || len(result.Files) != len(files) {
			t.Errorf("%s: all again: %v", mode, err)
		}
		for item, err := range s.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if source := item.Metadata["cleanroom_source"]; len(source) != 32 {
				t.Errorf("%s: %s has the source %q", mode, item.Name, source)
			}
		}
	}
}

func TestUploadRefuses(t *testing.T) {
	s := newSink(t, datasink.Memory(), nil)
	dir := tree(t, map[string][]byte{"a": content(1), "b/c": content(2)})
	if err := os.Symlink("a", filepath.Join(dir, "b", "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Upload(t.Context(), dir, nil); !errors.Is(err, datasink.ErrName) || !strings.Contains(err.Error(), `"b/link"`) {
		t.Errorf("a link: %v", err)
	}
	odd := tree(t, map[string][]byte{"a": content(1), "b\\c": content(2)})
	if filepath.Separator == '/' {
		if _, err := s.Upload(t.Context(), odd, nil); !errors.Is(err, datasink.ErrName) || !strings.Contains(err.Error(), `b\\c`) {
			t.Errorf("a back slash: %v", err)
		}
	}
	if _, err := s.Upload(t.Context(), tree(t, map[string][]byte{"a": nil}), &datasink.UploadDirOptions{Prefix: "../"}); !errors.Is(err, datasink.ErrName) {
		t.Errorf("a prefix that leads outside: %v", err)
	}
	if _, err := s.Upload(t.Context(), filepath.Join(dir, "nothing"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Upload(ctx, tree(t, map[string][]byte{"a": nil}), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for item := range s.List(t.Context()) {
		t.Errorf("a refused upload wrote %s", item.Name)
	}
}

// TestUploadOfGrowing: a file that grows while it is read is not uploaded half.
func TestUploadOfGrowing(t *testing.T) {
	dir := tree(t, map[string][]byte{"log": content(5000), "other": content(1)})
	grow := func() {
		f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if _, err := f.WriteString("one line more\n"); err != nil {
			t.Error(err)
		}
	}
	b := datasink.Memory()
	s := newSink(t, onStage{b, grow}, &datasink.Options{BlockSize: 1000, Streams: 1})
	if _, err := s.Upload(t.Context(), dir, nil); !errors.Is(err, datasink.ErrChanged) {
		t.Errorf("%v", err)
	}
	if _, err := s.Stat(t.Context(), "log"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}

// onStage does something before each block.
type onStage struct {
	datasink.Backend
	do func()
}

func (o onStage) Begin(ctx context.Context, name string, opts datasink.UploadOptions) (datasink.Upload, error) {
	u, err := o.Backend.Begin(ctx, name, opts)
	return staging{u, o.do}, err
}

type staging struct {
	datasink.Upload
	do func()
}

func (s staging) Stage(ctx context.Context, b datasink.Block) error {
	s.do()
	return s.Upload.Stage(ctx, b)
}

// TestVerify finds every bad blob and reads the others.
func TestVerify(t *testing.T) {
	b := datasink.Memory()
	s := newSink(t, b, sealedOptions(t))
	for i := range 20 {
		put(t, s, fmt.Sprintf("%02d", i), content(i*5000))
	}
	result, err := s.Verify(t.Context(), nil)
	if err != nil || len(result.Files) != 20 || len(result.Failed) != 0 || len(result.Unchecked) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	copyStored(t, b, "03", b, "04")
	copyStored(t, b, "05", b, "new")
	result, err = s.Verify(t.Context(), nil)
	if !errors.Is(err, datasink.ErrKey) || len(result.Files) != 19 || len(result.Failed) != 2 || !strings.Contains(err.Error(), "2 of 21 blobs failed") {
		t.Errorf("%d files, failed %v, %v", len(result.Files), result.Failed, err)
	}
	result, err = s.Verify(t.Context(), &datasink.VerifyOptions{Prefix: "1"})
	if err != nil || len(result.Files) != 10 || result.Files[0].Path != "" {
		t.Errorf("with a prefix: %+v, %v", result, err)
	}
}
