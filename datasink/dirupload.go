package datasink

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// dirCommit orders the commits of all directories of this process, so that
// looking at a file and replacing it is one step.
var dirCommit sync.Mutex

// lastCommit is the latest time that was given to a file, guarded by
// dirCommit. No two commits share one, so that ETags differ.
var lastCommit time.Time

// dirUpload writes blocks to their places in a temporary file.
type dirUpload struct {
	root *os.Root
	name string
	opts UploadOptions
	part *partial
}

func (d *dir) Begin(ctx context.Context, name string, opts UploadOptions) (Upload, error) {
	root, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	if _, err = local(name); err == nil {
		var part *partial
		if part, err = newPartial(root, "."); err == nil {
			return &dirUpload{root, name, opts, part}, nil
		}
	}
	root.Close()
	return nil, err
}

func (u *dirUpload) Stage(ctx context.Context, b Block) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := u.part.f.WriteAt(b.Data, b.Offset)
	return err
}

func (u *dirUpload) Put(ctx context.Context, data []byte) (Item, error) {
	if err := u.Stage(ctx, Block{Data: data}); err != nil {
		return Item{}, err
	}
	return u.Commit(ctx, 1)
}

func (u *dirUpload) Commit(ctx context.Context, _ int) (Item, error) {
	if err := u.part.sync(); err != nil {
		return Item{}, err
	}
	dirCommit.Lock()
	defer dirCommit.Unlock()
	if err := ctx.Err(); err != nil {
		return Item{}, err
	}
	old, err := statIn(u.root, u.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Item{}, err
	}
	if old.ETag != u.opts.IfMatch {
		return Item{}, ErrConflict
	}
	if err := u.part.stamp(nextCommit()); err != nil {
		return Item{}, err
	}
	if err := u.part.publish(u.name); err != nil {
		return Item{}, err
	}
	item, err := statIn(u.root, u.name)
	u.root.Close()
	return item, err
}

// nextCommit needs dirCommit.
func nextCommit() time.Time {
	now := time.Now()
	// A file system of 100 ns is the coarsest that keeps parts of a second.
	if least := lastCommit.Add(time.Microsecond); now.Before(least) {
		now = least
	}
	lastCommit = now
	return now
}

func (u *dirUpload) Abort() error {
	err := u.part.discard()
	u.root.Close()
	return err
}

// partial is a file that is not finished.
type partial struct {
	root *os.Root
	path string
	f    *os.File
}

// newPartial makes one in a directory below the root.
func newPartial(root *os.Root, directory string) (*partial, error) {
	id, err := random()
	if err != nil {
		return nil, err
	}
	p := filepath.Join(directory, partialPrefix+id)
	f, err := root.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &partial{root, p, f}, nil
}

// sync brings the bytes to the disk and closes the file.
func (p *partial) sync() error {
	err := p.f.Sync()
	if closeErr := p.f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (p *partial) stamp(t time.Time) error { return p.root.Chtimes(p.path, t, t) }

// publish gives the file, which is synced, its name, and brings that to the
// disk as well.
func (p *partial) publish(name string) error {
	file, err := local(name)
	if err != nil {
		return err
	}
	if err := p.root.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := p.root.Rename(p.path, file); err != nil {
		return err
	}
	if err := syncDirectory(p.root, filepath.Dir(file)); err != nil {
		return &kinded{ErrUncertain, err} // the file is there; whether it stays is for the disk to say
	}
	return nil
}

// discard removes the file, if it still has its temporary name.
func (p *partial) discard() error {
	p.f.Close()
	err := p.root.Remove(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}
