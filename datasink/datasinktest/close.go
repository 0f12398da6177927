package datasinktest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

// testClosed: after Close nothing of the sink works, nor of what was made from
// it, and a writer that was open leaves nothing.
func testClosed(t *testing.T, s *suite) {
	ctx := t.Context()
	data := make([]byte, 5*block)
	if err := s.sink.WriteFile(ctx, "there", func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
		t.Fatal(err)
	}
	reader, err := s.sink.Open(ctx, "there")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	writer := func(n int) *datasink.Writer {
		w, err := s.sink.Create(ctx, "late", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data[:n]); err != nil {
			t.Fatal(err)
		}
		return w
	}
	small, large := writer(1), writer(5*block)
	defer small.Close()
	defer large.Close()
	for range 2 {
		if err := s.sink.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range map[string]func() error{
		"CreateContainer": func() error { _, err := s.sink.CreateContainer(ctx); return err },
		"Stat":            func() error { _, err := s.sink.Stat(ctx, "there"); return err },
		"Remove":          func() error { return s.sink.Remove(ctx, "there") },
		"Create":          func() error { _, err := s.sink.Create(ctx, "new", nil); return err },
		"Open":            func() error { _, err := s.sink.Open(ctx, "there"); return err },
		"WriteFile": func() error {
			return s.sink.WriteFile(ctx, "new", func(w io.Writer) error { return nil })
		},
		"List": func() error {
			for _, err := range s.sink.List(ctx) {
				return err
			}
			return nil
		},
		"Download": func() error {
			_, err := s.sink.Download(ctx, filepath.Join(t.TempDir(), "d"), nil)
			return err
		},
		"ReadAt":  func() error { _, err := reader.ReadAt(make([]byte, 1), 0); return err },
		"Read":    func() error { _, err := reader.Read(make([]byte, 1)); return err },
		"WriteTo": func() error { _, err := reader.WriteTo(&bytes.Buffer{}); return err },
		"small":   small.Commit,
		"large":   large.Commit,
	} {
		if err := f(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}
