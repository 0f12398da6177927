package sealed

import (
	"fmt"
	"io"
)

// ReaderAt opens any part of a stored message. It may be used by several
// goroutines.
type ReaderAt struct {
	r      io.ReaderAt
	opener *Opener
	size   int64 // of the plaintext, authenticated
}

var _ io.ReaderAt = (*ReaderAt)(nil)

// NewReaderAt opens the message of size bytes in r. It reads the header and
// the last chunk, so that the length it then tells is authentic.
func NewReaderAt(r io.ReaderAt, size int64, key, context []byte) (*ReaderAt, error) {
	header := make([]byte, min(HeaderSize, max(size, 0)))
	if err := readFull(r, header, 0); err != nil {
		return nil, err
	}
	opener, err := NewOpener(key, context, header)
	if err != nil {
		return nil, err
	}
	plain, err := PlaintextSize(size)
	if err != nil {
		return nil, err
	}
	last := Chunk(plain)
	chunk := make([]byte, size-Offset(last))
	if err := readFull(r, chunk, Offset(last)); err != nil {
		return nil, err
	}
	if _, err := opener.Open(chunk[:0], last, chunk); err != nil {
		return nil, err
	}
	return &ReaderAt{r, opener, plain}, nil
}

// Size is the length of the plaintext in bytes. It is authentic.
func (r *ReaderAt) Size() int64 { return r.size }

// ReadAt reads len(p) bytes at off, from the chunks that hold them and no
// others. Of a part that cannot be opened it returns what comes before it.
func (r *ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("sealed: offset %d is negative", off)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	end := error(nil)
	if int64(len(p)) > r.size-off {
		p, end = p[:r.size-off], io.EOF
	}
	buf := make([]byte, SealedChunkSize)
	n := 0
	for n < len(p) {
		got, err := r.readChunk(p[n:], off+int64(n), buf)
		if err != nil {
			return n, err
		}
		n += got
	}
	return n, end
}

// readChunk reads what the chunk at off has for p. A chunk that p takes whole
// is opened into it.
func (r *ReaderAt) readChunk(p []byte, off int64, buf []byte) (int, error) {
	i := Chunk(off)
	begin := i * ChunkSize
	length := min(ChunkSize, r.size-begin)
	chunk := buf[:length+Overhead]
	if err := readFull(r.r, chunk, Offset(i)); err != nil {
		return 0, err
	}
	if off == begin && int64(len(p)) >= length {
		_, err := r.opener.Open(p[:0:length], i, chunk)
		if err != nil {
			return 0, err
		}
		return int(length), nil
	}
	plain, err := r.opener.Open(chunk[:0], i, chunk)
	if err != nil {
		return 0, err
	}
	n := copy(p, plain[off-begin:])
	clear(plain)
	return n, nil
}

// readFull reads exactly p. That r has less than the size it was given for is
// a truncation.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF || err == nil:
		return fmt.Errorf("sealed: the message ends at offset %d: %w", off+int64(n), io.ErrUnexpectedEOF)
	}
	return err
}
