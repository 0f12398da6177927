package datasink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Mount returns a backend on a directory that is a mount of blob storage, as a
// clean room gives its application for each sink. It writes as such a mount
// bears it: each file once, from start to end, under its final name, and
// closed once, with an error that counts. It never renames, truncates or syncs,
// all of which the encrypting mount answers with success and then loses or
// damages data.
//
// What a mount cannot do, this backend cannot either. It does not replace a
// file ([ErrExist]): remove it first. The storage sees a file when it is
// closed, so an aborted write is there for the moment between the close and
// the removal; and if the program is killed while it writes, the kernel closes
// the file, and a part of it stays under the final name.
//
// A mount holds plain bytes, since the mount itself encrypts; a sink in mode
// CSE or Sealed on it is refused. The directory must exist: a mount point that
// is not there is not made, or the output would be nowhere.
func Mount(directory string) Backend {
	path := filepath.Clean(directory)
	return &mount{dir{path}, osFiles{path}}
}

// mount reads as a directory does.
type mount struct {
	dir
	files mountFiles
}

var _ Backend = (*mount)(nil)

// mountFiles is what a mount is asked to do. Tests have one that behaves as
// badly as the real ones.
type mountFiles interface {
	// create makes a new file; it is an error if there is one.
	create(name string) (io.WriteCloser, error)
	remove(name string) error
	stat(name string) (Item, error)
}

func (m *mount) String() string { return "mount " + m.path }

func (m *mount) CreateContainer(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if info, err := os.Stat(m.path); err != nil || !info.IsDir() {
		return false, errors.New("nothing is mounted here: the directory does not exist")
	}
	return false, nil
}

func (m *mount) Begin(_ context.Context, name string, opts UploadOptions) (Upload, error) {
	if opts.IfMatch != "" {
		return nil, &kinded{ErrExist, errors.New("a mount cannot replace a file in one step: remove it first")}
	}
	u := &mountUpload{files: m.files, name: name}
	u.turn.L = &u.mu
	return u, nil
}

// mountUpload writes blocks in their order, whatever the order in which
// workers bring them. Blocks are handed out in order, so that the next one is
// always with a worker.
type mountUpload struct {
	files mountFiles
	name  string

	mu     sync.Mutex
	turn   sync.Cond
	file   io.WriteCloser // nil before the first byte and after the close
	next   int
	failed error
}

func (u *mountUpload) Stage(ctx context.Context, b Block) error {
	stop := context.AfterFunc(ctx, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.turn.Broadcast()
	})
	defer stop()
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.next != b.Index && u.failed == nil && ctx.Err() == nil {
		u.turn.Wait()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if u.failed == nil {
		u.failed = u.write(b.Data)
	}
	u.next++
	u.turn.Broadcast()
	return u.failed
}

// write needs mu.
func (u *mountUpload) write(p []byte) error {
	if u.file == nil {
		f, err := u.files.create(u.name)
		if errors.Is(err, fs.ErrExist) {
			return &kinded{ErrConflict, err}
		}
		if err != nil {
			return err
		}
		u.file = f
	}
	if len(p) == 0 {
		return nil
	}
	n, err := u.file.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

func (u *mountUpload) Put(ctx context.Context, data []byte) (Item, error) {
	if err := u.Stage(ctx, Block{Data: data}); err != nil {
		return Item{}, err
	}
	return u.Commit(ctx, 1)
}

// Commit is the close: before it nothing is in the storage, and its error is
// that of the upload.
func (u *mountUpload) Commit(ctx context.Context, _ int) (Item, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Item{}, err
	}
	if u.failed != nil {
		return Item{}, u.failed
	}
	err := u.close()
	if err != nil {
		if removeErr := u.files.remove(u.name); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			return Item{}, &kinded{ErrUncertain, fmt.Errorf("%w; and removing the file failed: %w", err, removeErr)}
		}
		return Item{}, err
	}
	return u.files.stat(u.name)
}

func (u *mountUpload) close() error {
	f := u.file
	u.file = nil
	return f.Close()
}

// Abort closes the file, which the mount cannot do without writing it, and
// removes it.
func (u *mountUpload) Abort() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.file == nil {
		return nil
	}
	u.close() // whether it could be written is of no interest any more
	return u.files.remove(u.name)
}

// osFiles is a real mount.
type osFiles struct{ path string }

func (o osFiles) root(use func(*os.Root) error) error {
	root, err := os.OpenRoot(o.path)
	if err != nil {
		return err
	}
	defer root.Close()
	return use(root)
}

func (o osFiles) create(name string) (file io.WriteCloser, err error) {
	err = o.root(func(root *os.Root) error {
		path, err := local(name)
		if err != nil {
			return err
		}
		if err := root.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		file, err = root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	return file, err
}

func (o osFiles) remove(name string) error {
	return o.root(func(root *os.Root) error {
		path, err := local(name)
		if err != nil {
			return err
		}
		return root.Remove(path)
	})
}

func (o osFiles) stat(name string) (item Item, err error) {
	err = o.root(func(root *os.Root) error {
		item, err = statIn(root, name)
		return err
	})
	return item, err
}
