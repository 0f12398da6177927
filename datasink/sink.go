package datasink

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/internal/trace"
)

// Defaults of [Options], and the bounds that keep a mistyped value from
// taking all memory.
const (
	defaultBlockSize = 8 << 20
	defaultChunkSize = 16 << 20 // of mode CSE, and its blocks
	defaultStreams   = 4
	maxBlockSize     = 1 << 30 // the service takes 4,000 MiB; a 32-bit int does not
	maxStreams       = 256
	maxBlocks        = 50_000 // of Put Block List
)

// Options of a [Sink].
type Options struct {
	// ClientOptions are those of every Azure client: transport, retries,
	// logging, tracing. Whatever they say, no redirect is followed by an
	// *http.Client, bodies are not logged, and neither is a key.
	azcore.ClientOptions
	// Mode says who encrypts. [New] insists on one; zero means SSE on the
	// other backends, which cannot do CPK.
	Mode Mode
	// DEK is the key of modes CPK, CSE and Sealed. The sink keeps what it
	// needs of it.
	DEK *DEK
	// Contract and Datasink are the id of the contract and the name of the
	// datasink, to which mode Sealed binds the blobs: a blob opens only in a
	// sink of the same two, and under its own name. Other modes ignore them.
	Contract, Datasink string
	// ChunkSize is the number of bytes in a chunk of mode CSE, on which
	// writers and readers agree. Zero means 16 MiB, as in releases from 2026
	// on; those before have 4 MiB.
	ChunkSize int
	// BlockSize is the number of bytes staged at once. Zero means 8 MiB, and
	// 16 MiB in mode CSE, whose blobs a mount may want to change. It is
	// raised where a known length would need more than 50,000 blocks. In mode
	// Sealed a block has as many whole chunks of 16 KiB as fit, at least one.
	BlockSize int
	// Streams is the number of blocks in flight. Zero means 4. A write holds
	// Streams+1 blocks in memory, whatever its length.
	Streams int
	// Checksum sends a CRC-64 with each block, which the service checks. TLS
	// protects the bytes on their way already; this finds what a faulty machine
	// does to them before and after, at 0.3 to 0.6 s of processor time per GiB.
	Checksum bool
	// Progress, if not nil, is told about bytes that have arrived. The calls
	// of one write or one download do not overlap.
	Progress func(Progress)
	// DangerouslyAllowOtherStorageHosts lets [New] send tokens and keys to
	// hosts that are not Azure Blob Storage's own: whoever answers there can
	// use both. It is for an endpoint of another name that is known to lead
	// to the service.
	DangerouslyAllowOtherStorageHosts bool
}

// Progress is a step of a write or of a download.
type Progress struct {
	Name  string // of the blob
	Done  int64  // bytes so far
	Total int64  // bytes in all, -1 while unknown
}

// Sink reads and writes the blobs of one container. It is safe for concurrent
// use. [Sink.Close] forgets its key; a sink without one need not be closed.
type Sink struct {
	backend   *gate
	mode      Mode
	format    format
	blockSize int
	streams   int
	progress  func(Progress)
	tracer    trace.Tracer
	buffers   sync.Pool // of *[]byte with blockSize bytes
}

// New returns a sink on an Azure blob container, given by its URL
// https://ACCOUNT.blob.core.windows.net/CONTAINER; the hosts of the sovereign
// clouds end in blob.core.usgovcloudapi.net and blob.core.chinacloudapi.cn. It
// makes no request. Only https to such a host is accepted, since the token and
// the key go there, and no query: a URL with a signature is a secret.
func New(containerURL string, cred azcore.TokenCredential, opts *Options) (*Sink, error) {
	if opts == nil {
		opts = &Options{}
	}
	if err := opts.Mode.check(opts.DEK); err != nil {
		return nil, fmt.Errorf("datasink: new sink: %w", err)
	}
	backend, err := newBlobBackend(containerURL, cred, opts)
	if err != nil {
		return nil, fmt.Errorf("datasink: new sink: %w", err)
	}
	return newSink(backend, opts)
}

// NewWithBackend returns a sink on another backend, such as [Dir] or
// [Memory]. These hold what this package stores, in mode SSE the plain bytes;
// mode CPK, whose key they would ignore, is refused.
func NewWithBackend(b Backend, opts *Options) (*Sink, error) {
	if opts == nil {
		opts = &Options{}
	}
	if b == nil {
		return nil, errors.New("datasink: new sink: no backend")
	}
	mode := opts.Mode
	if mode == "" {
		mode = SSE
	}
	if mode == CPK {
		return nil, fmt.Errorf("datasink: new sink in %s: only a blob container can apply a customer's key", b)
	}
	if _, ok := b.(*mount); ok && mode != SSE {
		return nil, fmt.Errorf("datasink: new sink in %s: the mount encrypts, so mode %s would do it twice and nobody would find the inner key: use mode SSE", b, mode)
	}
	if err := mode.check(opts.DEK); err != nil {
		return nil, fmt.Errorf("datasink: new sink in %s: %w", b, err)
	}
	return newSink(b, opts)
}

func newSink(b Backend, opts *Options) (*Sink, error) {
	s := &Sink{backend: &gate{Backend: b}, mode: opts.Mode, blockSize: opts.BlockSize, streams: opts.Streams, progress: opts.Progress, tracer: trace.New(opts.TracingProvider, "datasink")}
	if s.mode == "" {
		s.mode = SSE
	}
	if s.blockSize == 0 {
		s.blockSize = defaultBlockSize
		if s.mode == CSE {
			s.blockSize = defaultChunkSize
		}
	}
	if s.streams == 0 {
		s.streams = defaultStreams
	}
	if s.blockSize < 0 || s.blockSize > maxBlockSize {
		return nil, fmt.Errorf("datasink: new sink in %s: block size %d is not within 1 and %d bytes", b, s.blockSize, maxBlockSize)
	}
	if s.streams < 0 || s.streams > maxStreams {
		return nil, fmt.Errorf("datasink: new sink in %s: %d streams are not within 1 and %d", b, s.streams, maxStreams)
	}
	var err error
	if s.format, err = newFormat(opts); err != nil {
		return nil, fmt.Errorf("datasink: new sink in %s: %w", b, err)
	}
	s.buffers.New = func() any {
		buf := make([]byte, s.blockSize, s.blockSize+s.format.slack())
		return &buf
	}
	return s, nil
}

// String names the sink's place: the container's URL, or the backend.
func (s *Sink) String() string { return s.backend.String() }

// Mode says who encrypts, and how.
func (s *Sink) Mode() Mode { return s.mode }

// Backend is the place itself.
func (s *Sink) Backend() Backend { return s.backend.Backend }

// CreateContainer makes the container unless it exists. A new container is
// private.
func (s *Sink) CreateContainer(ctx context.Context) (created bool, err error) {
	ctx, end := s.tracer.Start(ctx, "CreateContainer")
	defer end(&err)
	created, err = s.backend.CreateContainer(ctx)
	return created, s.fail("create container", "", err)
}

// Stat describes one blob, with its metadata. Nothing is opened, so in modes
// CSE and Sealed the size is arithmetic: see [Item].
func (s *Sink) Stat(ctx context.Context, name string) (_ Item, err error) {
	ctx, end := s.tracer.Start(ctx, "Stat")
	defer end(&err)
	if err := checkName(name); err != nil {
		return Item{}, s.fail("stat", name, err)
	}
	item, err := s.backend.Stat(ctx, name)
	return s.measure(item), s.fail("stat", name, err)
}

// List yields all blobs in the order of their names' bytes, page by page as
// the loop goes on. After an error it ends. Sizes are the service's word, and
// arithmetic: see [Item]. The manifest of a sealed sink is left out.
func (s *Sink) List(ctx context.Context) iter.Seq2[Item, error] {
	return s.list(ctx, "")
}

func (s *Sink) list(ctx context.Context, prefix string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for marker := ""; ; {
			page, err := s.backend.List(ctx, prefix, marker)
			if err != nil {
				yield(Item{}, s.fail("list", "", err))
				return
			}
			for _, item := range page.Items {
				if s.mode == Sealed && item.Name == manifestName {
					continue
				}
				if !yield(s.measure(item), nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			if page.Next == marker {
				yield(Item{}, s.fail("list", "", errors.New("the listing does not advance")))
				return
			}
			marker = page.Next
		}
	}
}

// measure tells the bytes from what is stored of them.
func (s *Sink) measure(item Item) Item {
	item.Stored = item.Size
	item.Size = s.format.plain(item.Stored)
	return item
}

// Remove deletes a blob. It is an error ([fs.ErrNotExist]) if there is none.
// No key is needed to remove a blob.
func (s *Sink) Remove(ctx context.Context, name string) (err error) {
	ctx, end := s.tracer.Start(ctx, "Remove")
	defer end(&err)
	if err := checkName(name); err != nil {
		return s.fail("remove", name, err)
	}
	return s.fail("remove", name, s.backend.Remove(ctx, name, ""))
}
