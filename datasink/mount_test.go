package datasink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"testing"
)

// badMount behaves as the reference's encrypting mount does: a rename and a
// truncation report success and do nothing, a write after a sync or at a place
// where one was before damages the file, and the storage sees a file when it is
// closed.
type badMount struct {
	mu      sync.Mutex
	storage map[string][]byte
	log     []string
	fail    map[string]error // by operation
}

func newBadMount() *badMount {
	return &badMount{storage: map[string][]byte{}, fail: map[string]error{}}
}

func (m *badMount) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

func (m *badMount) create(name string) (io.WriteCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note("create %s", name)
	if err := m.fail["create"]; err != nil {
		return nil, err
	}
	if _, ok := m.storage[name]; ok {
		return nil, fs.ErrExist
	}
	m.storage[name] = nil // the entry is there at once, the bytes are not
	return &badFile{m: m, name: name}, nil
}

func (m *badMount) remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note("remove %s", name)
	if _, ok := m.storage[name]; !ok {
		return fs.ErrNotExist
	}
	if err := m.fail["remove"]; err != nil {
		return err
	}
	delete(m.storage, name)
	return nil
}

func (m *badMount) stat(name string) (Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.storage[name]
	if !ok {
		return Item{}, fs.ErrNotExist
	}
	return Item{Name: name, Size: int64(len(data)), ETag: `"1"`}, nil
}

func (m *badMount) rename(string, string) error { return nil }

type badFile struct {
	m      *badMount
	name   string
	data   []byte
	synced bool
	closed bool
}

func (f *badFile) Write(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.note("write %d", len(p))
	if err := f.m.fail["write"]; err != nil {
		return 0, err
	}
	if f.synced {
		f.data = append(f.data, make([]byte, len(p))...) // zeros where the bytes should be
		return len(p), nil
	}
	f.data = append(f.data, p...)
	return len(p), nil
}

func (f *badFile) sync() error {
	f.synced = true
	return nil
}

func (f *badFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.note("close")
	if f.closed {
		return errors.New("closed twice")
	}
	f.closed = true
	if err := f.m.fail["close"]; err != nil {
		return err
	}
	f.m.storage[f.name] = f.data
	return nil
}

func mountSink(t *testing.T, m *badMount) *Sink {
	t.Helper()
	s, err := NewWithBackend(&mount{dir{t.TempDir()}, m}, &Options{BlockSize: 100, Streams: 4})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(ctx context.Context, s *Sink, name string, data []byte) error {
	return s.WriteFile(ctx, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// TestMountWritesOnce: whatever the number of streams, a mount sees one create,
// writes in order and one close.
func TestMountWritesOnce(t *testing.T) {
	for _, n := range []int{0, 1, 100, 101, 12_345} {
		m := newBadMount()
		s := mountSink(t, m)
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i * 7)
		}
		if err := write(t.Context(), s, "a/b", data); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.storage["a/b"], data) {
			t.Errorf("%d bytes: the storage has other ones", n)
		}
		if m.log[0] != "create a/b" || m.log[len(m.log)-1] != "close" || slices.Contains(m.log[1:len(m.log)-1], "close") {
			t.Errorf("%d bytes: %v", n, m.log)
		}
	}
}

// TestBadMountIsBad: what the writer avoids would go wrong here, so the tests
// above prove something.
func TestBadMountIsBad(t *testing.T) {
	m := newBadMount()
	f, err := m.create("temporary")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("result")); err != nil {
		t.Fatal(err)
	}
	if len(m.storage["temporary"]) != 0 {
		t.Error("the storage sees a file before it is closed")
	}
	if err := f.(*badFile).sync(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), m.rename("temporary", "result")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.stat("result"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a rename did something")
	}
	if string(m.storage["temporary"]) != "result\x00\x00\x00\x00" {
		t.Error("a write after a sync went well")
	}
}

var errMount = errors.New("no space left")

func TestMountFailures(t *testing.T) {
	for _, operation := range []string{"create", "write", "close"} {
		m := newBadMount()
		m.fail[operation] = errMount
		s := mountSink(t, m)
		err := write(t.Context(), s, "a", make([]byte, 1000))
		if !errors.Is(err, errMount) {
			t.Errorf("%s fails: %v", operation, err)
		}
		if _, ok := m.storage["a"]; ok {
			t.Errorf("%s fails: a part of the file stays: %v", operation, m.log)
		}
	}
	m := newBadMount()
	m.fail["close"], m.fail["remove"] = errMount, errors.New("gone")
	if err := write(t.Context(), mountSink(t, m), "a", make([]byte, 1000)); !errors.Is(err, ErrUncertain) || !errors.Is(err, errMount) {
		t.Errorf("close and remove fail: %v", err)
	}
}

func TestMountAborts(t *testing.T) {
	m := newBadMount()
	s := mountSink(t, m)
	w, err := s.Create(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err = s.Create(ctx, "b", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Commit(); !errors.Is(err, context.Canceled) {
		t.Errorf("commit after a cancellation: %v", err)
	}
	if len(m.storage) != 0 {
		t.Errorf("aborted files stay: %v", m.log)
	}
}

// TestMountHoldsPlainBytes: what a mount encrypts is not encrypted before.
func TestMountHoldsPlainBytes(t *testing.T) {
	dek, err := NewDEK()
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []Mode{Sealed, CSE, CPK} {
		if _, err := NewWithBackend(Mount(t.TempDir()), &Options{Mode: mode, DEK: dek, Contract: "c", Datasink: "d"}); err == nil {
			t.Errorf("mode %s inside a mount: no error", mode)
		}
	}
}

// TestMountOfFiles runs on real files.
func TestMountOfFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := NewWithBackend(Mount(dir), &Options{BlockSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	if created, err := s.CreateContainer(t.Context()); created || err != nil {
		t.Errorf("a mount that is there: %v, %v", created, err)
	}
	data := bytes.Repeat([]byte("line\n"), 1000)
	if err := write(t.Context(), s, "a/b", data); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if err := write(t.Context(), s, "a/b", data); !errors.Is(err, ErrExist) {
		t.Errorf("replaced: %v", err)
	}
	if err := s.Remove(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), s, "a/b", data); err != nil {
		t.Errorf("after the removal: %v", err)
	}
	nowhere, err := NewWithBackend(Mount(dir+"/nothing"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nowhere.CreateContainer(t.Context()); err == nil {
		t.Error("a mount point was made")
	}
}
