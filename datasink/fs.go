package datasink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// FS is the sink as a read-only file system, for looking and for programs that
// take an [fs.FS]; to bring blobs to disk use [Sink.Download]. The context
// governs everything that is done with it.
//
// The names are listed once, when they are first needed, and stay: make
// another FS to look again. Directories are those of the names and the markers
// of mounts. A name that [fs.ValidPath] refuses, or that is a file and a
// directory at once, makes every use of the listing fail with [ErrName]: a
// tree that lacks a file must not look complete. A blob with bytes that is
// marked as a directory does the same with [ErrDamaged].
//
// The size that [fs.ReadDirFS] and [fs.StatFS] tell is arithmetic and not
// authenticated, see [Item]; that of an opened file is as good as
// [Reader.Size]. [fs.FileInfo.Sys] is the [Item].
//
// A file is also an io.ReaderAt, io.Seeker and io.WriterTo.
func (s *Sink) FS(ctx context.Context) fs.FS { return &fileSystem{sink: s, ctx: ctx} }

type fileSystem struct {
	sink *Sink
	ctx  context.Context

	once sync.Once
	err  error
	tree map[string]*node
}

// node is a file or a directory of the listing.
type node struct {
	item     Item
	children []*node // in the order of their names
}

var (
	_ fs.ReadDirFS = (*fileSystem)(nil)
	_ fs.StatFS    = (*fileSystem)(nil)
)

// look lists the names.
func (f *fileSystem) look() error {
	f.once.Do(func() {
		f.tree = map[string]*node{".": {item: Item{Name: ".", Directory: true}}}
		for item, err := range f.sink.List(f.ctx) {
			if err == nil {
				err = f.add(item)
			}
			if err != nil {
				f.err = err
				return
			}
		}
		for _, n := range f.tree {
			slices.SortFunc(n.children, func(a, b *node) int { return cmp.Compare(a.item.Name, b.item.Name) })
		}
	})
	return f.err
}

// add puts one blob into the tree.
func (f *fileSystem) add(item Item) error {
	if trimmed, ok := strings.CutSuffix(item.Name, "/"); ok && item.Stored == 0 {
		item.Name, item.Directory = trimmed, true
	}
	if err := errors.Join(checkName(item.Name), item.checkMarker()); err != nil {
		return f.sink.fail("list", item.Name, err)
	}
	parent, err := f.directory(path.Dir(item.Name))
	if err != nil {
		return err
	}
	switch old := f.tree[item.Name]; {
	case old == nil:
		n := &node{item: item}
		f.tree[item.Name] = n
		parent.children = append(parent.children, n)
	case old.item.Directory && (item.Directory || item.Stored == 0):
		// A marker, listed after what is in the directory.
	default:
		return f.sink.fail("list", item.Name, errBoth)
	}
	return nil
}

var errBoth = fmt.Errorf("%w: it is a file, and a directory of other blobs", ErrName)

// directory finds or makes a directory and those above it. A blob of no bytes
// that was listed before what is in it is a marker.
func (f *fileSystem) directory(name string) (*node, error) {
	if n := f.tree[name]; n != nil {
		if !n.item.Directory && n.item.Stored > 0 {
			return nil, f.sink.fail("list", name, errBoth)
		}
		n.item.Directory = true
		return n, nil
	}
	parent, err := f.directory(path.Dir(name))
	if err != nil {
		return nil, err
	}
	n := &node{item: Item{Name: name, Directory: true}}
	f.tree[name] = n
	parent.children = append(parent.children, n)
	return n, nil
}

func (f *fileSystem) find(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if err := f.look(); err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	n := f.tree[name]
	if n == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return n, nil
}

// Open opens a file or a directory.
func (f *fileSystem) Open(name string) (fs.File, error) {
	n, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.item.Directory {
		return &openDirectory{node: n}, nil
	}
	r, err := f.sink.Open(f.ctx, name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{r}, nil
}

// Stat describes a file or a directory as it was listed.
func (f *fileSystem) Stat(name string) (fs.FileInfo, error) {
	n, err := f.find("stat", name)
	if err != nil {
		return nil, err
	}
	return fileInfo{n.item}, nil
}

// ReadDir lists a directory.
func (f *fileSystem) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.item.Directory {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("it is no directory")}
	}
	return n.entries(), nil
}

func (n *node) entries() []fs.DirEntry {
	entries := make([]fs.DirEntry, len(n.children))
	for i, c := range n.children {
		entries[i] = fs.FileInfoToDirEntry(fileInfo{c.item})
	}
	return entries
}

// fileInfo is an item as io/fs has it.
type fileInfo struct{ item Item }

func (i fileInfo) Name() string       { return path.Base(i.item.Name) }
func (i fileInfo) ModTime() time.Time { return i.item.Modified }
func (i fileInfo) IsDir() bool        { return i.item.Directory }
func (i fileInfo) Sys() any           { return i.item }

func (i fileInfo) Size() int64 {
	if i.item.Directory {
		return 0
	}
	return i.item.Size
}

func (i fileInfo) Mode() fs.FileMode {
	if i.item.Directory {
		return fs.ModeDir | 0o500
	}
	return 0o400
}

// openFile is a Reader with the methods of a file.
type openFile struct{ *Reader }

var (
	_ fs.File       = (*openFile)(nil)
	_ io.ReaderAt   = (*openFile)(nil)
	_ io.ReadSeeker = (*openFile)(nil)
	_ io.WriterTo   = (*openFile)(nil)
)

func (f *openFile) Stat() (fs.FileInfo, error) { return fileInfo{f.Item()}, nil }

// openDirectory is a directory that is being read.
type openDirectory struct {
	node *node
	read int
}

var _ fs.ReadDirFile = (*openDirectory)(nil)

func (d *openDirectory) Stat() (fs.FileInfo, error) { return fileInfo{d.node.item}, nil }
func (d *openDirectory) Close() error               { return nil }

func (d *openDirectory) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.node.item.Name, Err: errors.New("it is a directory")}
}

// ReadDir gives the next n entries, or with n <= 0 all that are left.
func (d *openDirectory) ReadDir(n int) ([]fs.DirEntry, error) {
	left := d.node.entries()[d.read:]
	if n > 0 {
		if len(left) == 0 {
			return nil, io.EOF
		}
		left = left[:min(n, len(left))]
	}
	d.read += len(left)
	return left, nil
}
