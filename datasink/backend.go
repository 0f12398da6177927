package datasink

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// Errors that a [Backend] wraps and a caller of a [Sink] may test for. A blob
// that is not there is [fs.ErrNotExist].
var (
	// ErrConflict means that somebody else wrote, or removed, the blob
	// between the start of a write and its commit. Nothing was changed.
	ErrConflict = errors.New("the blob was written by somebody else meanwhile")
	// ErrExist means that a create-only write found a blob.
	ErrExist = fs.ErrExist
	// ErrChanged means that a blob changed while it was being read.
	ErrChanged = errors.New("the blob changed while it was being read")
	// ErrKey means that the blob is under another key, or that it is under a
	// key and none was given, or the reverse.
	ErrKey = errors.New("the blob is not encrypted with this sink's key")
)

// Backend is a place that holds blobs. This package has three: an Azure blob
// container ([New]), a local directory ([Dir]) and memory ([Memory]). All
// methods are safe for concurrent use. Names have passed the rules of
// [Sink.Create]. An error wraps one of the errors above where it applies; its
// text need not repeat the blob's name.
type Backend interface {
	// String names the place for error texts. It holds no secret.
	String() string
	// CreateContainer makes the place unless it exists.
	CreateContainer(ctx context.Context) (created bool, err error)
	// Stat describes one blob with its metadata.
	Stat(ctx context.Context, name string) (Item, error)
	// ReadRange fills p with the bytes at off, which lie within the blob.
	// It fails with [ErrChanged] if the blob's ETag is not etag any more.
	ReadRange(ctx context.Context, name, etag string, p []byte, off int64) error
	// List returns up to a page of blobs in the order of their names,
	// starting at the marker of the page before.
	List(ctx context.Context, prefix, marker string) (Page, error)
	// Begin starts a write of which nothing is visible before its commit.
	Begin(ctx context.Context, name string, opts UploadOptions) (Upload, error)
	// Remove deletes the blob if its ETag is etag; with "" whatever it is.
	Remove(ctx context.Context, name, etag string) error
}

// Upload is one write in progress. Stage is safe for concurrent use; one of
// Put, Commit and Abort ends the upload.
type Upload interface {
	// Stage stores one block; b.Data is the caller's again when it returns.
	Stage(ctx context.Context, b Block) error
	// Put makes a blob of data alone, of which no block was staged.
	Put(ctx context.Context, data []byte) (Item, error)
	// Commit makes a blob of the staged blocks 0 to count-1, in one step.
	Commit(ctx context.Context, count int) (Item, error)
	// Abort forgets what was staged.
	Abort() error
}

// Block is one part of a blob. All blocks of a blob but the last have one
// length, so that a backend may write them to their place in any order.
type Block struct {
	Index  int
	Offset int64 // of the first byte of Data in the blob
	Data   []byte
}

// UploadOptions say what becomes of an upload.
type UploadOptions struct {
	// IfMatch is the ETag of the blob that the commit replaces; zero means
	// that there must be no blob.
	IfMatch string
	// Metadata and ContentType are stored with the blob.
	Metadata    map[string]string
	ContentType string
}

// Item describes a blob.
type Item struct {
	Name     string
	Size     int64 // bytes
	ETag     string
	Modified time.Time
	// ContentType and Metadata are known to Stat; a listing may leave them
	// out. Metadata names are in lower case.
	ContentType string
	Metadata    map[string]string
	// Directory is set for the marker that some file systems over blobs
	// leave for a directory, where a listing can tell.
	Directory bool
}

// Page is one answer of a listing.
type Page struct {
	Items []Item
	Next  string // marker of the next page, "" after the last
}
