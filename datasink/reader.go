package datasink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Open opens a blob for reading. It asks for size and ETag once; every range
// that is read later is asked for under that ETag, so that a blob which
// changes under the reader is [ErrChanged], never a mixture of two. The
// context governs all reads.
func (s *Sink) Open(ctx context.Context, name string) (*Reader, error) {
	if err := checkName(name); err != nil {
		return nil, s.fail("open", name, err)
	}
	item, err := s.backend.Stat(ctx, name)
	if err != nil {
		return nil, s.fail("open", name, err)
	}
	if item.Directory {
		return nil, s.fail("open", name, errors.New("it is the marker of a directory"))
	}
	r := &Reader{sink: s, item: item}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	return r, nil
}

// Reader reads one blob. ReadAt is safe for concurrent use; the other methods
// share one position and are for one goroutine. WriteTo, which io.Copy uses,
// has several ranges in flight.
type Reader struct {
	sink   *Sink
	item   Item
	ctx    context.Context
	cancel context.CancelCauseFunc
	pos    int64
	ahead  []byte // what was read ahead for small Reads
	start  int64  // offset of ahead
}

var (
	_ io.ReadSeekCloser = (*Reader)(nil)
	_ io.ReaderAt       = (*Reader)(nil)
	_ io.WriterTo       = (*Reader)(nil)
)

// Size is the length of the blob in bytes.
func (r *Reader) Size() int64 { return r.item.Size }

// Item describes the blob as it was when it was opened.
func (r *Reader) Item() Item { return r.item }

// Close ends the reader. Reads in progress fail.
func (r *Reader) Close() error {
	r.cancel(fs.ErrClosed)
	return nil
}

// ReadAt reads len(p) bytes at off in one request.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, r.fail(fmt.Errorf("offset %d is negative", off))
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= r.item.Size {
		return 0, io.EOF
	}
	short := int64(len(p)) > r.item.Size-off
	if short {
		p = p[:r.item.Size-off]
	}
	if err := r.fetch(r.ctx, p, off); err != nil {
		return 0, err
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// fetch fills p from a range within the blob.
func (r *Reader) fetch(ctx context.Context, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return r.fail(err)
	}
	return r.fail(r.sink.backend.ReadRange(ctx, r.item.Name, r.item.ETag, p, off))
}

func (r *Reader) fail(err error) error {
	if err != nil && context.Cause(r.ctx) == fs.ErrClosed {
		err = &kinded{fs.ErrClosed, err}
	}
	return r.sink.fail("read", r.item.Name, err)
}

// Read reads from the position, with a block of read-ahead for small reads.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.pos >= r.item.Size {
		return 0, io.EOF
	}
	if !r.isAhead() {
		if len(p) >= r.sink.blockSize {
			n, err := r.ReadAt(p, r.pos)
			r.pos += int64(n)
			if n > 0 && err == io.EOF {
				err = nil
			}
			return n, err
		}
		if err := r.readAhead(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.ahead[r.pos-r.start:])
	r.pos += int64(n)
	return n, nil
}

func (r *Reader) isAhead() bool {
	return r.pos >= r.start && r.pos < r.start+int64(len(r.ahead))
}

func (r *Reader) readAhead() error {
	n := min(int64(r.sink.blockSize), r.item.Size-r.pos)
	if int64(cap(r.ahead)) < n {
		r.ahead = make([]byte, n)
	}
	r.ahead = r.ahead[:n]
	if err := r.fetch(r.ctx, r.ahead, r.pos); err != nil {
		r.ahead = r.ahead[:0]
		return err
	}
	r.start = r.pos
	return nil
}

// Seek sets the position of the next Read. It makes no request.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.item.Size
	default:
		return 0, r.fail(fmt.Errorf("seek from %d is unknown", whence))
	}
	if offset < 0 {
		return 0, r.fail(errors.New("seek to before the start"))
	}
	r.pos = offset
	return offset, nil
}

// WriteTo copies from the position to the end, in order, with as many ranges
// in flight as the sink has streams.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	ring := newRing(r, ctx)
	defer ring.drain()
	defer cancel()
	var total int64
	for {
		block, err := ring.next()
		if err != nil || block == nil {
			return total, err
		}
		n, err := w.Write(block)
		total += int64(n)
		r.pos += int64(n)
		if err == nil && n < len(block) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, fmt.Errorf("datasink: copy %q: %w", r.item.Name, err)
		}
		ring.recycle(block)
	}
}
