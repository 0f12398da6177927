package datasink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
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
	// Metadata is stored with the blob, under names that are identifiers.
	// Its case is lost on the way.
	Metadata map[string]string
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
	up := UploadOptions{Metadata: opts.Metadata, ContentType: opts.ContentType}
	switch item, err := s.backend.Stat(ctx, name); {
	case err == nil && opts.Exclusive:
		return nil, s.fail("write", name, ErrExist)
	case err == nil:
		up.IfMatch = item.ETag
	case !errors.Is(err, fs.ErrNotExist):
		return nil, s.fail("write", name, err)
	}
	upload, err := s.backend.Begin(ctx, name, up)
	if err != nil {
		return nil, s.fail("write", name, err)
	}
	w := &Writer{
		sink: s, name: name, upload: upload, exclusive: opts.Exclusive,
		blockSize: s.blockSizeFor(opts.Size),
		free:      make(chan []byte, s.streams+1),
		jobs:      make(chan Block),
		meter:     meter{tell: s.progress, p: Progress{Name: name, Total: -1}},
	}
	if opts.Size > 0 {
		w.meter.p.Total = opts.Size
	}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w, nil
}

// blockSizeFor keeps a blob of a known length below the service's number of
// blocks.
func (s *Sink) blockSizeFor(size int64) int {
	const mib = 1 << 20
	need := (size + maxBlocks - 1) / maxBlocks
	if need <= int64(s.blockSize) {
		return s.blockSize
	}
	return int(min((need+mib-1)/mib*mib, maxBlockSize))
}

// Writer is the write of one blob. It is used like an sql.Tx: Commit makes the
// blob visible, and Close without Commit leaves nothing, so that a deferred
// Close is always right. Errors are sticky: after a failed Write, a failed read
// of ReadFrom or a cancelled context, Commit fails. A Writer is for one
// goroutine.
type Writer struct {
	sink      *Sink
	name      string
	upload    Upload
	exclusive bool
	blockSize int
	ctx       context.Context
	cancel    context.CancelCauseFunc

	buf     []byte      // being filled; len is what it holds
	free    chan []byte // buffers that come back from the workers
	made    int         // buffers in circulation, at most streams+1
	jobs    chan Block
	workers sync.WaitGroup
	started bool
	next    int   // index of the next block
	offset  int64 // of the next block
	done    bool
	err     error // sticky
	meter   meter
}

var (
	_ io.WriteCloser = (*Writer)(nil)
	_ io.ReaderFrom  = (*Writer)(nil)
)

// Write copies p into the current block and stages full blocks.
func (w *Writer) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		if err := w.makeRoom(); err != nil {
			return written, err
		}
		n := copy(w.buf[len(w.buf):cap(w.buf)], p[written:])
		w.buf = w.buf[:len(w.buf)+n]
		written += n
	}
	return written, w.check()
}

// ReadFrom reads r to its end, straight into the blocks. An error of r makes
// Commit fail: half an input is not an output.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	for idle := 0; ; {
		if err := w.makeRoom(); err != nil {
			return total, err
		}
		n, err := r.Read(w.buf[len(w.buf):cap(w.buf)])
		if n < 0 || n > cap(w.buf)-len(w.buf) {
			return total, w.abandon(errors.New("the source returned an impossible count"))
		}
		w.buf = w.buf[:len(w.buf)+n]
		total += int64(n)
		switch {
		case err == io.EOF:
			return total, w.check()
		case err != nil:
			return total, w.abandon(fmt.Errorf("read the source: %w", err))
		case n > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				return total, w.abandon(io.ErrNoProgress)
			}
		}
	}
}

// check returns the sticky error, which a worker or the context may have set.
func (w *Writer) check() error {
	switch {
	case w.err != nil:
	case w.done:
		w.err = w.sink.fail("write", w.name, fs.ErrClosed)
	case w.ctx.Err() != nil:
		w.err = w.sink.fail("write", w.name, context.Cause(w.ctx))
	}
	return w.err
}

// abandon makes err the sticky error and stops the workers.
func (w *Writer) abandon(err error) error {
	if w.err == nil {
		w.err = w.sink.fail("write", w.name, err)
		w.cancel(w.err)
	}
	return w.err
}

// makeRoom leaves a buffer with at least one free byte. A full one is staged
// only when more is to come, so that a small blob can be one request.
func (w *Writer) makeRoom() error {
	if err := w.check(); err != nil {
		return err
	}
	if w.buf != nil && len(w.buf) == cap(w.buf) {
		if err := w.dispatch(); err != nil {
			return err
		}
	}
	if w.buf == nil {
		w.buf = w.takeBuffer()
	}
	return w.check()
}

// dispatch hands the current buffer to a worker.
func (w *Writer) dispatch() error {
	if w.next == maxBlocks {
		return w.abandon(fmt.Errorf("more than %d blocks of %d bytes: say the expected length in CreateOptions.Size, or raise the block size", maxBlocks, w.blockSize))
	}
	if !w.started {
		w.started = true
		for range w.sink.streams {
			w.workers.Go(w.work)
		}
	}
	select {
	case w.jobs <- Block{Index: w.next, Offset: w.offset, Data: w.buf}:
		w.next++
		w.offset += int64(len(w.buf))
		w.buf = nil
	case <-w.ctx.Done():
	}
	return w.check()
}

// takeBuffer waits for a buffer unless one may still be made. It returns nil
// if the write has failed.
func (w *Writer) takeBuffer() []byte {
	select {
	case buf := <-w.free:
		return buf
	default:
	}
	if w.made <= w.sink.streams {
		w.made++
		return w.sink.buffer(w.blockSize)[:0]
	}
	select {
	case buf := <-w.free:
		return buf
	case <-w.ctx.Done():
		return nil
	}
}

func (w *Writer) work() {
	for {
		select {
		case <-w.ctx.Done():
			return
		case b, open := <-w.jobs:
			if !open {
				return
			}
			if err := w.upload.Stage(w.ctx, b); err != nil {
				w.cancel(err)
			} else {
				w.meter.add(len(b.Data))
			}
			w.free <- b.Data[:0] // has room for every buffer
		}
	}
}

// Commit makes the blob visible, all of it in one step, and ends the write. If
// it fails there is no trace of the write, but for [ErrUncertain], and but for
// a request that was cut off under way and that the service completes later:
// then too the blob is the old one or the new one.
func (w *Writer) Commit() error {
	if err := w.check(); err != nil {
		w.Close()
		return err
	}
	err := w.commit()
	if err != nil {
		if w.exclusive && errors.Is(err, ErrConflict) {
			err = &kinded{ErrExist, err}
		}
		err = w.abandon(err)
		w.Close()
		return err
	}
	w.meter.finish()
	w.release()
	return nil
}

func (w *Writer) commit() error {
	if w.next == 0 {
		_, err := w.upload.Put(w.ctx, w.buf)
		if err == nil {
			w.meter.add(len(w.buf))
		}
		return err
	}
	if len(w.buf) > 0 {
		if err := w.dispatch(); err != nil {
			return err
		}
	}
	close(w.jobs)
	w.workers.Wait()
	if err := w.check(); err != nil {
		return err
	}
	_, err := w.upload.Commit(w.ctx, w.next)
	return err
}

// Close ends the write. Without a Commit before it, nothing of the write
// becomes visible and the blob stays as it was.
func (w *Writer) Close() error {
	if w.done {
		return nil
	}
	w.cancel(context.Canceled)
	w.workers.Wait()
	err := w.upload.Abort()
	w.release()
	return w.sink.fail("abort write", w.name, err)
}

// release gives the buffers back. The workers have ended.
func (w *Writer) release() {
	w.done = true
	w.cancel(context.Canceled)
	if w.buf != nil {
		w.sink.recycle(w.buf)
		w.buf = nil
	}
	for {
		select {
		case buf := <-w.free:
			w.sink.recycle(buf)
		default:
			return
		}
	}
}

// buffer returns one of size bytes, of any content.
func (s *Sink) buffer(size int) []byte {
	if size != s.blockSize {
		return make([]byte, size)
	}
	return *s.buffers.Get().(*[]byte)
}

// recycle takes back what buffer gave out.
func (s *Sink) recycle(buf []byte) {
	if buf = buf[:cap(buf)]; len(buf) == s.blockSize {
		s.buffers.Put(&buf)
	}
}
