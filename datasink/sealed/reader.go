package sealed

import (
	"errors"
	"fmt"
	"io"

	"github.com/cleanroom-go/sdk/datasink/internal/stream"
)

// Reader opens a stream. Errors are sticky. It is for one goroutine. What it
// has handed out is authentic; that it is all, only io.EOF says.
type Reader struct {
	r      io.Reader
	opener *Opener
	in     []byte // room for one stored chunk
	next   int64
	plain  *stream.Reader
}

var (
	_ io.Reader   = (*Reader)(nil)
	_ io.WriterTo = (*Reader)(nil)
)

// NewReader reads the header of a message from r and checks that it was sealed
// with this key and context ([ErrKey]), which it does not keep.
func NewReader(r io.Reader, key, context []byte) (*Reader, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("sealed: a key of %d bytes, want %d", len(key), KeySize)
	}
	header := make([]byte, HeaderSize)
	if n, err := io.ReadFull(r, header); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = fmt.Errorf("sealed: %d bytes are less than the header's %d: %w", n, HeaderSize, io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	opener, err := NewOpener(key, context, header)
	if err != nil {
		return nil, err
	}
	s := &Reader{r: r, opener: opener, in: make([]byte, SealedChunkSize)}
	s.plain = stream.New(s.open)
	return s, nil
}

// Read reads authenticated plaintext.
func (r *Reader) Read(p []byte) (int, error) { return r.plain.Read(p) }

// WriteTo writes the rest of the plaintext to w.
func (r *Reader) WriteTo(w io.Writer) (int64, error) { return r.plain.WriteTo(w) }

// open opens the next chunk. A short one is the last.
func (r *Reader) open() ([]byte, error) {
	n, err := io.ReadFull(r.r, r.in)
	last := errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF
	if err != nil && !last {
		return nil, err
	}
	if n < Overhead {
		return nil, fmt.Errorf("sealed: the message ends %s, at offset %d: %w", within(int64(n)), Offset(r.next)+int64(n), io.ErrUnexpectedEOF)
	}
	plain, err := r.opener.Open(r.in[:0], r.next, r.in[:n])
	if err != nil {
		return nil, err
	}
	r.next++
	if last {
		return plain, io.EOF
	}
	return plain, nil
}
