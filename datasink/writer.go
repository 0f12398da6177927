package datasink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"strings"
)

// CreateOptions of [Sink.Create].
type CreateOptions struct {
	// ContentType is stored with the blob. Zero means application/octet-stream.
	ContentType string
	// Exclusive refuses to replace a blob that exists ([ErrExist]).
	Exclusive bool
	// Size is the expected number of bytes, zero if unknown. It chooses the
	// block size and the total of the progress; it need not be exact.
	Size int64
	// Metadata is stored with the blob, in the clear, under names that are
	// identifiers and do not begin with cleanroom_. Its case is lost on the
	// way.
	Metadata map[string]string

	source string         // what the blob is made from, for a later upload
	tell   func(Progress) // instead of the sink's
}

// Create starts the write of a blob. Nothing is visible before
// [Writer.Commit], which replaces exactly the blob that is there now: if
// somebody else writes it meanwhile, the commit fails with [ErrConflict].
//
// A name is a slash-separated path as [fs.ValidPath] has it, of at most 1,024
// characters, without control characters and back slashes. The context governs
// the whole write, up to and including the commit.
func (s *Sink) Create(ctx context.Context, name string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	if err := checkName(name); err != nil {
		return nil, s.fail("write", name, err)
	}
	switch item, err := s.backend.Stat(ctx, name); {
	case err == nil && opts.Exclusive:
		return nil, s.fail("write", name, ErrExist)
	case err == nil:
		return s.replace(ctx, name, item.ETag, opts)
	case errors.Is(err, fs.ErrNotExist):
		return s.replace(ctx, name, "", opts)
	default:
		return nil, s.fail("write", name, err)
	}
}

// replace starts the write of a blob that shall replace the one with an ETag,
// or with "" none.
func (s *Sink) replace(ctx context.Context, name, etag string, opts *CreateOptions) (*Writer, error) {
	blockSize, err := s.blockSizeFor(opts.Size)
	if err != nil {
		return nil, s.fail("write", name, err)
	}
	for key := range opts.Metadata {
		if isOwn(key) {
			return nil, s.fail("write", name, fmt.Errorf("the metadata name %q begins with %q, which this package keeps for itself", key, ownMetadata))
		}
	}
	up := UploadOptions{IfMatch: etag, Metadata: s.label(opts.Metadata, opts.source), ContentType: opts.ContentType}
	encoder, err := s.format.encode(name)
	if err != nil {
		return nil, s.fail("write", name, err)
	}
	upload, err := s.backend.Begin(ctx, name, up)
	if err != nil {
		encoder.release()
		return nil, s.fail("write", name, err)
	}
	w := &Writer{stage: newStager(ctx, s, name, upload, blockSize, opts.Size), encoder: encoder, exclusive: opts.Exclusive}
	encoder.begin(w.stage)
	if opts.tell != nil {
		w.stage.meter.tell = opts.tell
	}
	return w, nil
}

// blockSizeFor keeps a blob of a known length below the service's number of
// blocks.
func (s *Sink) blockSizeFor(size int64) (int, error) {
	const mib = 1 << 20
	size = max(size, 0)
	stored, err := s.format.stored(size)
	if err != nil {
		return 0, err
	}
	blockSize := s.blockSize
	if s.format.blocks(size, blockSize) > maxBlocks {
		blockSize = int(min(divideUp(divideUp(stored, maxBlocks), mib)*mib, maxBlockSize))
	}
	for blockSize < maxBlockSize && s.format.blocks(size, blockSize) > maxBlocks {
		blockSize += mib // what a block has less than its size adds up
	}
	return blockSize, nil
}

// ownMetadata begins the names of this package's metadata.
const ownMetadata = "cleanroom_"

func isOwn(name string) bool { return strings.HasPrefix(strings.ToLower(name), ownMetadata) }

// formatName is the metadata that says how a blob is stored. It is a hint for
// people and error texts: whoever rules the storage can change it.
const formatName = "cleanroom_format"

// label adds what this package notes.
func (s *Sink) label(metadata map[string]string, source string) map[string]string {
	labelled := maps.Clone(metadata)
	if labelled == nil {
		labelled = map[string]string{}
	}
	if s.mode == CSE || s.mode == Sealed {
		labelled[formatName] = string(s.mode)
	}
	if source != "" {
		labelled[sourceName] = source
	}
	return labelled
}

// Writer is the write of one blob. It is used like an sql.Tx: Commit makes the
// blob visible, and Close without Commit leaves nothing, so that a deferred
// Close is always right. Errors are sticky: after a failed Write, a failed read
// of ReadFrom or a cancelled context, Commit fails. A Writer is for one
// goroutine.
type Writer struct {
	stage     *stager
	encoder   encoder
	exclusive bool
}

var (
	_ io.WriteCloser = (*Writer)(nil)
	_ io.ReaderFrom  = (*Writer)(nil)
)

// Write puts p into the current block and stages full blocks. Mode CSE encrypts
// before that; in mode Sealed each block is encrypted by the worker that sends
// it.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.stage.check(); err != nil {
		return 0, err
	}
	return w.encoder.write(w.stage, p)
}

// ReadFrom reads r to its end. An error of r makes Commit fail: half an input
// is not an output.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	if err := w.stage.check(); err != nil {
		return 0, err
	}
	return w.encoder.readFrom(w.stage, r)
}

// Commit makes the blob visible, all of it in one step, and ends the write. If
// it fails there is no trace of the write, but for [ErrUncertain], and but for
// a request that was cut off under way and that the service completes later:
// then too the blob is the old one or the new one.
func (w *Writer) Commit() error {
	err := w.stage.check()
	if err == nil {
		err = w.encoder.finish(w.stage)
	}
	if err == nil {
		err = w.stage.commit()
	}
	if err != nil {
		if w.exclusive && errors.Is(err, ErrConflict) {
			err = &kinded{ErrExist, err}
		}
		err = w.stage.abandon(err)
		w.Close()
		return err
	}
	w.stage.meter.finish()
	w.stage.release()
	w.encoder.release()
	return nil
}

// Close ends the write. Without a Commit before it, nothing of the write
// becomes visible and the blob stays as it was.
func (w *Writer) Close() error {
	if w.stage.done {
		return nil
	}
	err := w.stage.abort()
	w.encoder.release()
	return w.stage.sink.fail("abort write", w.stage.name, err)
}

// buffer returns one of size bytes, of any content. One for a block has the
// format's slack behind it.
func (s *Sink) buffer(size int) []byte {
	if size > s.blockSize+s.format.slack() {
		return make([]byte, size, size+s.format.slack())
	}
	return (*s.buffers.Get().(*[]byte))[:size]
}

// recycle takes back what buffer gave out.
func (s *Sink) recycle(buf []byte) {
	if cap(buf) == s.blockSize+s.format.slack() {
		buf = buf[:s.blockSize]
		s.buffers.Put(&buf)
	}
}
