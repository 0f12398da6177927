package sealed

import (
	"errors"
	"fmt"
	"io"
)

// Reader opens a stream. Errors are sticky. It is for one goroutine. What it
// has handed out is authentic; that it is all, only io.EOF says.
type Reader struct {
	r      io.Reader
	opener *Opener
	in     []byte // room for one stored chunk
	plain  []byte // opened and not yet read, within in
	next   int64
	err    error
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
	return &Reader{r: r, opener: opener, in: make([]byte, SealedChunkSize)}, nil
}

// Read reads authenticated plaintext.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.plain) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// WriteTo writes the rest of the plaintext to w.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if len(r.plain) > 0 {
			n, err := w.Write(r.plain)
			total += int64(n)
			r.plain = r.plain[n:]
			if err != nil {
				return total, err
			}
			if len(r.plain) > 0 {
				return total, io.ErrShortWrite
			}
		}
		if r.err == io.EOF {
			return total, nil
		}
		if r.err != nil {
			return total, r.err
		}
		r.fill()
	}
}

// fill opens the next chunk. A short one is the last.
func (r *Reader) fill() {
	n, err := io.ReadFull(r.r, r.in)
	last := errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF
	if err != nil && !last {
		r.err = err
		return
	}
	if n < Overhead {
		r.err = fmt.Errorf("sealed: the message ends %s, at offset %d: %w", within(int64(n)), Offset(r.next)+int64(n), io.ErrUnexpectedEOF)
		return
	}
	plain, err := r.opener.Open(r.in[:0], r.next, r.in[:n])
	if err != nil {
		r.err = err
		return
	}
	r.plain = plain
	r.next++
	if last {
		r.err = io.EOF
	}
}
