package datasink

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// Options of a [Sink]. The zero value means a plain sink with defaults.
type Options struct {
	// ClientOptions are those of every Azure client: transport, retries,
	// logging, tracing. No client of this package follows a redirect.
	azcore.ClientOptions
	// Mode says who encrypts; [New] insists on one.
	Mode Mode
	// DEK is the key of mode CPK. The sink keeps a copy.
	DEK *DEK
	// BlockSize is the number of bytes staged at once. Zero means 8 MiB.
	// It is raised where a known length would need too many blocks.
	BlockSize int
	// Streams is the number of blocks in flight. Zero means 4.
	Streams int
	// Progress, if set, is told about bytes written and read. Calls of one
	// write or download do not overlap.
	Progress func(Progress)
}

// Progress is a step of a write or a download.
type Progress struct {
	Name  string // of the blob
	Done  int64  // bytes so far
	Total int64  // bytes in all, -1 if unknown
}

// Sink reads and writes the blobs of one container.
type Sink struct {
	backend Backend
}

// New returns the sink of an Azure blob container, given as
// https://ACCOUNT.blob.core.windows.net/CONTAINER. Only https is accepted.
func New(containerURL string, cred azcore.TokenCredential, opts *Options) (*Sink, error) {
	return nil, errors.ErrUnsupported
}

// NewWithBackend returns a sink on a backend.
func NewWithBackend(b Backend, opts *Options) (*Sink, error) { return nil, errors.ErrUnsupported }

// Dir is a backend that keeps blobs as files below a directory.
func Dir(path string) Backend { return nil }

// Memory is a backend that keeps blobs in memory.
func Memory() Backend { return nil }

// Backend is where the sink's blobs are.
func (s *Sink) Backend() Backend { return s.backend }

// CreateContainer makes the container unless it exists.
func (s *Sink) CreateContainer(ctx context.Context) (created bool, err error) {
	return false, errors.ErrUnsupported
}

// CreateOptions of a write.
type CreateOptions struct {
	// ContentType is stored with the blob. Zero means application/octet-stream.
	ContentType string
	// Exclusive refuses to replace a blob that exists ([ErrExist]).
	Exclusive bool
	// Size is the expected number of bytes, zero if unknown.
	Size int64
	// Metadata is stored with the blob.
	Metadata map[string]string
}

// Create starts a write.
func (s *Sink) Create(ctx context.Context, name string, opts *CreateOptions) (*Writer, error) {
	return nil, errors.ErrUnsupported
}

// Writer is a write in progress.
type Writer struct{}

func (w *Writer) Write(p []byte) (int, error)         { return 0, errors.ErrUnsupported }
func (w *Writer) ReadFrom(r io.Reader) (int64, error) { return 0, errors.ErrUnsupported }
func (w *Writer) Commit() error                       { return errors.ErrUnsupported }
func (w *Writer) Close() error                        { return errors.ErrUnsupported }

// WriteFile writes one blob and commits only if write returns nil.
func (s *Sink) WriteFile(ctx context.Context, name string, write func(io.Writer) error) error {
	return errors.ErrUnsupported
}

// Open opens a blob for reading.
func (s *Sink) Open(ctx context.Context, name string) (*Reader, error) {
	return nil, errors.ErrUnsupported
}

// Reader reads one blob.
type Reader struct{}

func (r *Reader) Read(p []byte) (int, error)                   { return 0, errors.ErrUnsupported }
func (r *Reader) ReadAt(p []byte, off int64) (int, error)      { return 0, errors.ErrUnsupported }
func (r *Reader) Seek(offset int64, whence int) (int64, error) { return 0, errors.ErrUnsupported }
func (r *Reader) WriteTo(w io.Writer) (int64, error)           { return 0, errors.ErrUnsupported }
func (r *Reader) Size() int64                                  { return 0 }
func (r *Reader) Close() error                                 { return errors.ErrUnsupported }

// List yields the blobs in the order of their names.
func (s *Sink) List(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {}
}

// Remove deletes a blob.
func (s *Sink) Remove(ctx context.Context, name string) error { return errors.ErrUnsupported }

// DownloadOptions of a [Sink.Download].
type DownloadOptions struct {
	// Prefix limits the download to names that start with it.
	Prefix string
	// Progress is told about each file; nil means the sink's own.
	Progress func(Progress)
}

// DownloadResult lists what was written.
type DownloadResult struct{ Files []File }

// File is one downloaded file.
type File struct {
	Name string // of the blob
	Path string // of the file, below the target directory
	Size int64  // bytes
}

// Download copies all blobs into the directory dir.
func (s *Sink) Download(ctx context.Context, dir string, opts *DownloadOptions) (*DownloadResult, error) {
	return nil, errors.ErrUnsupported
}
