// Package stream reads formats that are decoded piece by piece.
package stream

import "io"

// Reader hands out the pieces that a function decodes. Errors are sticky. It is
// for one goroutine.
type Reader struct {
	next  func() ([]byte, error)
	piece []byte
	err   error
}

var (
	_ io.Reader   = (*Reader)(nil)
	_ io.WriterTo = (*Reader)(nil)
)

// New returns a reader of what next decodes. A piece may come with the error
// that there is none after it; it is valid until the next call.
func New(next func() ([]byte, error)) *Reader { return &Reader{next: next} }

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.piece) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.piece, r.err = r.next()
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

// WriteTo implements [io.WriterTo].
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if len(r.piece) > 0 {
			n, err := w.Write(r.piece)
			total += int64(n)
			r.piece = r.piece[n:]
			if err != nil {
				return total, err
			}
			if len(r.piece) > 0 {
				return total, io.ErrShortWrite
			}
		}
		if r.err == io.EOF {
			return total, nil
		}
		if r.err != nil {
			return total, r.err
		}
		r.piece, r.err = r.next()
	}
}
