package datasink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Dir returns a backend that keeps each blob as a file below a directory, in
// plain. A commit writes to a temporary file beside the others, syncs it and
// renames it, so that a crash leaves the old file or the new one. Files are
// for their owner only. Content type and metadata are not kept.
//
// The check that a commit replaces the right file holds against all writers in
// this process; two processes should not write one name at once. Where rename
// does not work, as on the clean room's own mounts, this backend does not.
func Dir(directory string) Backend { return &dir{filepath.Clean(directory)} }

// dir opens its root for each call, so that it needs no closing. The root
// keeps names and links from leading elsewhere.
type dir struct{ path string }

var _ Backend = (*dir)(nil)

// partialPrefix begins the names of files that are not finished. They are no
// blobs, whoever left them.
const partialPrefix = ".datasink-partial-"

func (d *dir) String() string { return "directory " + d.path }

func (d *dir) CreateContainer(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if info, err := os.Stat(d.path); err == nil && info.IsDir() {
		return false, nil
	}
	err := os.MkdirAll(d.path, 0o700)
	return err == nil, err
}

func (d *dir) open(ctx context.Context) (*os.Root, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		// Not the blob is missing but the place: no reason to create one.
		return nil, errors.New("the directory does not exist: make it with CreateContainer")
	}
	return root, err
}

// local is the file's name, if this system can have such a file.
func local(name string) (string, error) {
	p, err := filepath.Localize(name)
	if err != nil || strings.HasPrefix(path.Base(name), partialPrefix) {
		return "", fmt.Errorf("%w: no file can be called so here", ErrName)
	}
	return p, nil
}

// describeFile makes a blob of a file. The ETag holds the time of the last
// change to the nanosecond, which a commit sets from a clock that does not
// stand still between two of them.
func describeFile(name string, info fs.FileInfo) (Item, error) {
	if !info.Mode().IsRegular() {
		return Item{}, fs.ErrNotExist
	}
	return Item{
		Name: name, Size: info.Size(), Modified: info.ModTime(),
		ETag: fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()),
	}, nil
}

func (d *dir) Stat(ctx context.Context, name string) (Item, error) {
	root, err := d.open(ctx)
	if err != nil {
		return Item{}, err
	}
	defer root.Close()
	return statIn(root, name)
}

func statIn(root *os.Root, name string) (Item, error) {
	file, err := local(name)
	if err != nil {
		return Item{}, err
	}
	info, err := root.Stat(file)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist // a blob a does not keep a/b from being absent
	}
	if err != nil {
		return Item{}, err
	}
	return describeFile(name, info)
}

func (d *dir) ReadRange(ctx context.Context, name, etag string, p []byte, off int64) error {
	root, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer root.Close()
	file, err := local(name)
	if err != nil {
		return err
	}
	f, err := root.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &kinded{ErrChanged, err}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if item, err := describeFile(name, info); err != nil || item.ETag != etag {
		return ErrChanged
	}
	if _, err := f.ReadAt(p, off); err != nil && err != io.EOF {
		return err
	}
	return nil
}

func (d *dir) ReadStart(ctx context.Context, name string, p []byte) (Item, int, error) {
	item, err := d.Stat(ctx, name)
	if err != nil {
		return Item{}, 0, err
	}
	p = p[:min(int64(len(p)), item.Size)]
	return item, len(p), d.ReadRange(ctx, name, item.ETag, p, 0)
}

// List returns all names at once: a directory has no pages.
func (d *dir) List(ctx context.Context, prefix, _ string) (Page, error) {
	root, err := d.open(ctx)
	if err != nil {
		return Page{}, err
	}
	defer root.Close()
	var page Page
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return cmp.Or(err, ctx.Err())
		}
		if entry.IsDir() || !strings.HasPrefix(name, prefix) || strings.HasPrefix(entry.Name(), partialPrefix) {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		if item, err := describeFile(name, info); err == nil {
			page.Items = append(page.Items, item)
		}
		return nil
	})
	// A walk has "a/b" before "a-b"; a blob service has not.
	slices.SortFunc(page.Items, func(a, b Item) int { return cmp.Compare(a.Name, b.Name) })
	return page, err
}

func (d *dir) Remove(ctx context.Context, name, etag string) error {
	root, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer root.Close()
	dirCommit.Lock()
	defer dirCommit.Unlock()
	item, err := statIn(root, name)
	if err != nil {
		return err
	}
	if etag != "" && item.ETag != etag {
		return ErrConflict
	}
	file, err := local(name)
	if err != nil {
		return err
	}
	return root.Remove(file)
}
