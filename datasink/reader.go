package datasink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/cleanroom-go/sdk/datasink/cse"
)

// Open opens a blob for reading. Every range that is read is asked for under
// the ETag of the first answer, so that a blob which changes under the reader
// is [ErrChanged], never a mixture of two. The context governs all reads.
//
// In modes CSE and Sealed opening also reads the end of the blob, and in mode
// Sealed its start: the key is checked ([ErrKey]), and the length. A blob of
// up to 4 MiB is read whole.
func (s *Sink) Open(ctx context.Context, name string) (_ *Reader, err error) {
	ctx, end := s.tracer.Start(ctx, "Open")
	defer end(&err)
	if err := checkName(name); err != nil {
		return nil, s.fail("open", name, err)
	}
	c, err := s.format.open(ctx, s.backend, Item{Name: name})
	if err != nil {
		return nil, s.fail("open", name, err)
	}
	if err := c.item.checkMarker(); err != nil {
		return nil, s.fail("open", name, err)
	}
	if c.item.Directory {
		return nil, s.fail("open", name, errors.New("it is the marker of a directory"))
	}
	return newReader(ctx, s, c), nil
}

// Reader reads one blob. ReadAt is safe for concurrent use; the other methods
// share one position and are for one goroutine. WriteTo, which io.Copy uses,
// has several ranges in flight. In modes CSE and Sealed no byte is given that
// was not authenticated.
type Reader struct {
	sink     *Sink
	contents *contents
	ctx      context.Context
	cancel   context.CancelCauseFunc
	pos      int64
	buf      []byte // holds ahead
	ahead    []byte // what was read ahead for small Reads
	start    int64  // offset of ahead
	recent   atomic.Pointer[recent]
}

// recent is what the last small ReadAt decoded, whole chunks of it.
type recent struct {
	off  int64
	data []byte
}

var (
	_ io.ReadSeekCloser = (*Reader)(nil)
	_ io.ReaderAt       = (*Reader)(nil)
	_ io.WriterTo       = (*Reader)(nil)
)

func newReader(ctx context.Context, s *Sink, c *contents) *Reader {
	r := &Reader{sink: s, contents: c}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	return r
}

// Size is the length of the blob in bytes. In mode Sealed it is authentic, in
// mode CSE as far as [cse.Unchecked] says, else it is the service's word.
func (r *Reader) Size() int64 { return r.contents.item.Size }

// Item describes the blob as it was when it was opened.
func (r *Reader) Item() Item { return r.contents.item }

// Assurance says what the reader cannot vouch for. In mode Sealed that is one
// thing, which no blob can prove of itself: that it is the newest of its name.
func (r *Reader) Assurance() Assurance { return newAssurance(r.sink.mode, r.contents.report) }

// Assurance is what a reader of a blob cannot vouch for.
type Assurance struct {
	// Unchecked lists what the format has no means to tell.
	Unchecked []string
	// Suspicion says why the blob may not be what was written, or is empty.
	Suspicion string
}

func newAssurance(m Mode, report *cse.Report) Assurance {
	const newest = "that the blob is the newest of its name" // CheckManifest can
	switch m {
	case Sealed:
		return Assurance{Unchecked: []string{newest}}
	case CSE:
		a := Assurance{Unchecked: cse.Unchecked}
		if report != nil {
			a.Suspicion = report.Suspicious()
		}
		return a
	}
	return Assurance{Unchecked: []string{"the bytes, their order and length: the storage can change them", "that the blob belongs to its name", newest}}
}

// Close ends the reader. Reads in progress fail.
func (r *Reader) Close() error {
	r.cancel(fs.ErrClosed)
	return nil
}

// ReadAt reads len(p) bytes at off: in one request, if p is no longer than a
// block of the sink. Of an encrypted blob it fetches the chunks that are
// touched and no others, and reads within the chunks of the read before it
// cost none.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, r.fail(fmt.Errorf("offset %d is negative", off))
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= r.Size() {
		return 0, io.EOF
	}
	end := error(nil)
	if int64(len(p)) > r.Size()-off {
		p, end = p[:r.Size()-off], io.EOF
	}
	if r.contents.direct() {
		if err := r.fail(r.contents.readPlain(r.ctx, p, off)); err != nil {
			return 0, err
		}
		return len(p), end
	}
	n := 0
	for n < len(p) {
		got, err := r.readPiece(p[n:], off+int64(n))
		if err != nil {
			return n, err
		}
		n += got
	}
	return n, end
}

// maxRecent is the greatest number of bytes kept for the next ReadAt.
const maxRecent = 256 << 10

// readPiece copies what one request can give of p.
func (r *Reader) readPiece(p []byte, off int64) (int, error) {
	if last := r.recent.Load(); last != nil && off >= last.off && off < last.off+int64(len(last.data)) {
		return copy(p, last.data[off-last.off:]), nil
	}
	c := r.contents
	n := c.piece(off, int64(len(p)), r.sink.blockSize)
	// Whole chunks are decoded; they are asked for, and kept if they are few.
	first, wanted := c.chunks(off, n)
	var buf []byte
	keep := wanted <= maxRecent
	if keep {
		buf = make([]byte, c.needs(first, wanted))
	} else {
		buf = r.sink.buffer(r.sink.format.room(r.sink.blockSize))
		defer r.sink.recycle(buf)
	}
	data, err := c.read(r.ctx, buf, first, wanted)
	if err != nil {
		return 0, r.fail(err)
	}
	if keep {
		r.recent.Store(&recent{first, data})
	}
	return copy(p[:n], data[off-first:]), nil
}

func (r *Reader) fail(err error) error {
	if err != nil && context.Cause(r.ctx) == fs.ErrClosed {
		err = &kinded{fs.ErrClosed, err}
	}
	return r.sink.fail("read", r.contents.item.Name, err)
}

// Read reads from the position, with a block of read-ahead.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.pos >= r.Size() {
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
	c := r.contents
	n := c.piece(r.pos, r.Size(), r.sink.blockSize)
	if need := c.needs(r.pos, n); len(r.buf) < need {
		r.buf = make([]byte, need)
	}
	r.ahead = nil
	data, err := c.read(r.ctx, r.buf, r.pos, n)
	if err != nil {
		return r.fail(err)
	}
	r.ahead, r.start = data, r.pos
	return nil
}

// Seek sets the position of the next Read. It makes no request.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.Size()
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
	ring := newRing(ctx, r)
	defer ring.drain()
	defer cancel()
	var total int64
	for {
		block, err := ring.next()
		if err != nil || block == nil {
			return total, err
		}
		n, err := w.Write(block.data)
		total += int64(n)
		r.pos += int64(n)
		if err == nil && n < len(block.data) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, fmt.Errorf("datasink: copy %q: %w", r.contents.item.Name, err)
		}
		ring.recycle(block)
	}
}
