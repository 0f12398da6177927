package datasinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/cleanroom-go/sdk/datasink"
)

func testNothingBeforeCommit(t *testing.T, s *suite) {
	w, err := s.sink.Create(t.Context(), "a/b", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(random(5*block + 3)); err != nil {
		t.Fatal(err)
	}
	if names := s.names(t); len(names) != 0 {
		t.Fatalf("before the commit the listing has %q", names)
	}
	if _, err := s.sink.Stat(t.Context(), "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before the commit: got %v, want fs.ErrNotExist", err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	s.want(t, "a/b", random(5*block+3))
}

func testAbortKeepsOld(t *testing.T, s *suite) {
	s.put(t, "a", []byte("old"))
	for _, n := range sizes {
		w, err := s.sink.Create(t.Context(), "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(random(n)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatalf("second close: %v", err)
		}
	}
	s.want(t, "a", []byte("old"))
	if names := s.names(t); len(names) != 1 {
		t.Fatalf("after aborts the listing has %q", names)
	}
}

func testStickyErrors(t *testing.T, s *suite) {
	broken := errors.New("the source broke")
	for _, n := range []int{0, 10, 3*block + 1} {
		w, err := s.sink.Create(t.Context(), "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		source := io.MultiReader(bytes.NewReader(random(n)), iotest.ErrReader(broken))
		if _, err := w.ReadFrom(source); !errors.Is(err, broken) {
			t.Fatalf("ReadFrom: got %v, want the source's error", err)
		}
		if _, err := w.Write([]byte("more")); !errors.Is(err, broken) {
			t.Fatalf("Write after it: got %v, want the source's error", err)
		}
		if err := w.Commit(); !errors.Is(err, broken) {
			t.Fatalf("Commit after it: got %v, want the source's error", err)
		}
	}
	if names := s.names(t); len(names) != 0 {
		t.Fatalf("failed writes left %q", names)
	}
}

func testCancelled(t *testing.T, s *suite) {
	for _, n := range []int{0, 1, 4*block + 1} {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := s.sink.Create(ctx, "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(random(n)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := w.Write([]byte{1}); !errors.Is(err, context.Canceled) {
			t.Fatalf("Write: got %v, want context.Canceled", err)
		}
		if err := w.Commit(); !errors.Is(err, context.Canceled) {
			t.Fatalf("Commit: got %v, want context.Canceled", err)
		}
	}
	if names := s.names(t); len(names) != 0 {
		t.Fatalf("cancelled writes left %q", names)
	}
}

func testEndedWriter(t *testing.T, s *suite) {
	w, err := s.sink.Create(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("Close after Commit: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second Commit: got %v, want fs.ErrClosed", err)
	}
	if _, err := w.Write([]byte{1}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write after Commit: got %v, want fs.ErrClosed", err)
	}
	if _, err := w.ReadFrom(strings.NewReader("x")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("ReadFrom after Commit: got %v, want fs.ErrClosed", err)
	}
	s.want(t, "a", nil)
}

func testWriteFile(t *testing.T, s *suite) {
	ctx := t.Context()
	refused := errors.New("no more rows")
	err := s.sink.WriteFile(ctx, "a", func(w io.Writer) error {
		w.Write(random(3 * block))
		return refused
	})
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), s.sink.String()) {
		t.Errorf("got %v, want the function's error with sink and name", err)
	}
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v, want the function's panic", r)
			}
		}()
		s.sink.WriteFile(ctx, "a", func(w io.Writer) error {
			w.Write(random(3 * block))
			panic("boom")
		})
	}()
	var ended sync.WaitGroup
	ended.Go(func() {
		s.sink.WriteFile(ctx, "a", func(w io.Writer) error {
			w.Write(random(3 * block))
			runtime.Goexit()
			return nil
		})
	})
	ended.Wait()
	// A function that swallows the error of a write does not get its commit.
	broken := errors.New("the source broke")
	err = s.sink.WriteFile(ctx, "a", func(w io.Writer) error {
		w.(io.ReaderFrom).ReadFrom(iotest.ErrReader(broken))
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("swallowed error: got %v", err)
	}
	if names := s.names(t); len(names) != 0 {
		t.Fatalf("failed functions left %q", names)
	}
}

func testTwoWriters(t *testing.T, s *suite) {
	for _, n := range []int{3, 2*block + 3} {
		name := fmt.Sprintf("size-%d", n)
		for round := range 2 { // to create, then to replace
			first, err := s.sink.Create(t.Context(), name, nil)
			if err != nil {
				t.Fatal(err)
			}
			second, err := s.sink.Create(t.Context(), name, nil)
			if err != nil {
				t.Fatal(err)
			}
			data := random(n + round)
			first.Write(random(n + 100))
			second.Write(data)
			if err := second.Commit(); err != nil {
				t.Fatal(err)
			}
			err = first.Commit()
			if !errors.Is(err, datasink.ErrConflict) {
				t.Fatalf("round %d: the second commit gives %v, want ErrConflict", round, err)
			}
			var detail *datasink.Error
			if !errors.As(err, &detail) || detail.Blob != name || detail.Sink != s.sink.String() || detail.Remedy == "" {
				t.Fatalf("round %d: %v does not name sink, blob and remedy", round, err)
			}
			s.want(t, name, data)
		}
	}
}

func testExclusive(t *testing.T, s *suite) {
	exclusive := &datasink.CreateOptions{Exclusive: true}
	w, err := s.sink.Create(t.Context(), "a", exclusive)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s.put(t, "a", []byte("first"))
	if err := w.Commit(); !errors.Is(err, datasink.ErrExist) {
		t.Errorf("commit: got %v, want ErrExist", err)
	}
	if _, err := s.sink.Create(t.Context(), "a", exclusive); !errors.Is(err, datasink.ErrExist) {
		t.Errorf("create: got %v, want ErrExist", err)
	}
	s.want(t, "a", []byte("first"))
}

func testRemovedMeanwhile(t *testing.T, s *suite) {
	s.put(t, "a", []byte("old"))
	w, err := s.sink.Create(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := s.sink.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); !errors.Is(err, datasink.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if names := s.names(t); len(names) != 0 {
		t.Errorf("a refused commit left %q", names)
	}
}

func testConcurrent(t *testing.T, s *suite) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			data := random(4*block + i)
			name := fmt.Sprintf("d%d/f", i)
			err := s.sink.WriteFile(t.Context(), name, func(w io.Writer) error {
				_, err := io.Copy(w, bytes.NewReader(data))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 8 {
		s.want(t, fmt.Sprintf("d%d/f", i), random(4*block+i))
	}
}

func testProgress(t *testing.T, s *suite) {
	var seen []datasink.Progress
	sink := s.open(t, &datasink.Options{Progress: func(p datasink.Progress) { seen = append(seen, p) }})
	for _, n := range []int{0, 10, 5*block + 1} {
		seen = nil
		w, err := sink.Create(t.Context(), "a", &datasink.CreateOptions{Size: int64(n)})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(random(n))
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if len(seen) == 0 || seen[len(seen)-1] != (datasink.Progress{Name: "a", Done: int64(n), Total: int64(n)}) {
			t.Errorf("%d bytes: progress ends with %v", n, seen)
		}
		for i := 1; i < len(seen); i++ {
			if seen[i].Done < seen[i-1].Done {
				t.Errorf("%d bytes: progress goes back: %v", n, seen)
			}
		}
	}
}
