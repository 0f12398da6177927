package datasink

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Backend is a place that holds blobs. This package has four: an Azure blob
// container ([New]), a local directory ([Dir]), the mount of a clean room
// ([Mount]) and memory ([Memory]). All methods are safe for concurrent use. Names have passed the rules of
// [Sink.Create]. An error wraps [fs.ErrNotExist], [ErrConflict], [ErrChanged]
// or [ErrKey] where that applies; its text need not repeat the blob's name.
type Backend interface {
	// String names the place for error texts. It holds no secret.
	String() string
	// CreateContainer makes the place unless it exists.
	CreateContainer(ctx context.Context) (created bool, err error)
	// Stat describes one blob with its metadata.
	Stat(ctx context.Context, name string) (Item, error)
	// ReadStart describes one blob and reads its first bytes into p, as many
	// as there are, up to len(p), in one request if the place can.
	ReadStart(ctx context.Context, name string, p []byte) (Item, int, error)
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

// Upload is one write in progress. Stage is safe for concurrent use. Put,
// Commit or Abort ends the upload; Abort may follow one of the others that
// failed. A commit is refused with [ErrConflict] if the blob is not the one of
// [UploadOptions] any more.
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

// Block is one part of a blob. A backend may write it to its place in any
// order. All blocks of a blob but the first and the last have one length.
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
	Name string
	// Size is the number of bytes. What a [Reader] says is as authentic as
	// the mode allows. What a listing says is the arithmetic of the stored
	// length: exact in mode Sealed if the blob is sealed at all; in mode CSE,
	// which pads, the greatest possible. A backend says what is stored.
	Size int64
	// Stored is the number of bytes that the backend holds. Sinks set it.
	Stored   int64
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

// isDirectory knows the marker that blobfuse2 and the HDFS drivers write.
func isDirectory(metadata map[string]string) bool {
	return strings.EqualFold(metadata["hdi_isfolder"], "true")
}

// errMarked is a blob with bytes that its metadata calls a directory. Markers
// have none: whoever rules the storage could make a result vanish from a
// download that looks complete.
var errMarked = &kinded{ErrDamaged, errors.New("its metadata says that it is a directory, and yet it has bytes")}

// checkMarker refuses such a blob.
func (i Item) checkMarker() error {
	if i.Directory && max(i.Size, i.Stored) > 0 {
		return errMarked
	}
	return nil
}

// Page is one answer of a listing.
type Page struct {
	Items []Item
	Next  string // marker of the next page, "" after the last
}
