package datasink_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cleanroom-go/sdk/datasink"
)

func TestFS(t *testing.T) {
	for name, opts := range map[string]*datasink.Options{"plain": nil, "sealed": sealedOptions(t)} {
		s := newSink(t, datasink.Memory(), opts)
		var names []string
		for i, blob := range []string{"a", "b/c", "b/d/e", "b/d/f", "b-a", "z z/ä"} {
			put(t, s, blob, content(i*10_000))
			names = append(names, blob)
		}
		if err := fstest.TestFS(s.FS(t.Context()), names...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := fs.ReadFile(s.FS(t.Context()), "b/d/e")
		if err != nil || !bytes.Equal(got, content(20_000)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		f, err := s.FS(t.Context()).Open("b/c")
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil || info.Size() != 10_000 || info.Sys().(datasink.Item).Name != "b/c" || info.Mode().Perm() != 0o400 {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFSRefuses: what cannot be a tree is an error, not a tree with less in it.
func TestFSRefuses(t *testing.T) {
	for _, names := range [][]string{{"a", "a/b"}, {"a/b", "a"}} {
		s := newSink(t, datasink.Memory(), nil)
		for _, name := range names {
			put(t, s, name, []byte("x"))
		}
		if _, err := fs.ReadDir(s.FS(t.Context()), "."); !errors.Is(err, datasink.ErrName) || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("%v: %v", names, err)
		}
	}
	s := newSink(t, oddNames{datasink.Memory()}, nil)
	if _, err := fs.Stat(s.FS(t.Context()), "."); !errors.Is(err, datasink.ErrName) || !strings.Contains(err.Error(), `"../x"`) {
		t.Errorf("a name that leads outside: %v", err)
	}
	empty := newSink(t, datasink.Memory(), nil)
	put(t, empty, "a/b", nil)
	put(t, empty, "a", nil) // the marker of a mount
	if entries, err := fs.ReadDir(empty.FS(t.Context()), "a"); err != nil || len(entries) != 1 {
		t.Errorf("a marker: %v, %v", entries, err)
	}
	for _, name := range []string{"", "/a", "a/", "../a", "no", "a/b/c"} {
		if _, err := empty.FS(t.Context()).Open(name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
	if _, err := fs.ReadDir(empty.FS(t.Context()), "a/b"); err == nil {
		t.Error("a file was read as a directory")
	}
}

// oddNames lists a name that no sink would write.
type oddNames struct{ datasink.Backend }

func (o oddNames) List(ctx context.Context, prefix, marker string) (datasink.Page, error) {
	return datasink.Page{Items: []datasink.Item{{Name: "../x", Size: 1}}}, nil
}

func TestRename(t *testing.T) {
	for mode, opts := range map[string]*datasink.Options{"plain": nil, "sealed": sealedOptions(t), "cse": cseOptions(t, 1000)} {
		b := datasink.Memory()
		s := newSink(t, b, opts)
		data := content(70_000)
		w, err := s.Create(t.Context(), "old", &datasink.CreateOptions{ContentType: "text/csv", Metadata: map[string]string{"who": "me"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := s.Rename(t.Context(), "old", "new/name"); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		check(t, s, "new/name", data)
		if item, err := s.Stat(t.Context(), "new/name"); err != nil || item.ContentType != "text/csv" || item.Metadata["who"] != "me" {
			t.Errorf("%s: %+v, %v", mode, item, err)
		}
		if _, err := s.Stat(t.Context(), "old"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the old blob: %v", mode, err)
		}
		put(t, s, "other", []byte("x"))
		for what, test := range map[string]struct {
			from, to string
			want     error
		}{
			"onto another": {"new/name", "other", datasink.ErrExist},
			"from nothing": {"old", "b", fs.ErrNotExist},
			"outside":      {"other", "../b", datasink.ErrName},
			"onto itself":  {"other", "other", nil},
		} {
			if err := s.Rename(t.Context(), test.from, test.to); err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%s, %s: %v, want %v", mode, what, err, test.want)
			}
		}
	}
}

// TestRenameOfReplaced: a blob that is replaced while it is renamed stays.
func TestRenameOfReplaced(t *testing.T) {
	b := datasink.Memory()
	plain := newSink(t, b, nil)
	put(t, plain, "old", []byte("first"))
	s := newSink(t, afterCommit{b, func() { put(t, plain, "old", []byte("second")) }}, nil)
	if err := s.Rename(t.Context(), "old", "new"); !errors.Is(err, datasink.ErrConflict) || !strings.Contains(err.Error(), `"new" is written`) {
		t.Errorf("%v", err)
	}
	check(t, plain, "new", []byte("first"))
	check(t, plain, "old", []byte("second"))
}

// afterCommit does something after each commit.
type afterCommit struct {
	datasink.Backend
	do func()
}

func (a afterCommit) Begin(ctx context.Context, name string, opts datasink.UploadOptions) (datasink.Upload, error) {
	u, err := a.Backend.Begin(ctx, name, opts)
	return committing{u, a.do}, err
}

type committing struct {
	datasink.Upload
	do func()
}

func (c committing) Put(ctx context.Context, data []byte) (datasink.Item, error) {
	item, err := c.Upload.Put(ctx, data)
	c.do()
	return item, err
}
