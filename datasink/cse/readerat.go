package cse

import (
	"fmt"
	"io"
	"sync"
)

// ReaderAt decrypts any part of a stored message. A read costs the whole
// chunks that it touches; the one used last is kept. It may be used by several
// goroutines.
type ReaderAt struct {
	r      io.ReaderAt
	c      *Cipher
	report Report

	mu   sync.Mutex
	kept int64  // number of the chunk whose block is kept
	held []byte // its buffer
	free [][]byte
}

var _ io.ReaderAt = (*ReaderAt)(nil)

// NewReaderAt opens the message of size bytes in r. It reads the trailer and
// the last chunk and checks one against the other. The key is not kept.
func NewReaderAt(r io.ReaderAt, size int64, key []byte, blockSize int) (*ReaderAt, error) {
	c, err := NewCipher(key, blockSize)
	if err != nil {
		return nil, err
	}
	return c.ReaderAt(r, size)
}

// ReaderAt is [NewReaderAt] with a cipher that is there already.
func (c *Cipher) ReaderAt(r io.ReaderAt, size int64) (*ReaderAt, error) {
	chunks, err := Chunks(size, c.blockSize)
	if err != nil {
		return nil, err
	}
	a := &ReaderAt{r: r, c: c, kept: -1}
	tail := make([]byte, size-c.TailOffset(chunks))
	if err := readFull(r, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	if _, a.report, err = c.OpenTail(tail, chunks); err != nil {
		return nil, err
	}
	if chunks > 0 {
		a.kept, a.held = chunks-1, tail[:c.ChunkSize():c.ChunkSize()]
	}
	return a, nil
}

// TailOffset is where the last chunk begins, in stored bytes, in a message of so
// many chunks: see [Chunks].
func (c *Cipher) TailOffset(chunks int64) int64 {
	return max(0, chunks-1) * int64(c.ChunkSize())
}

// OpenTail opens, in place, what is stored from [Cipher.TailOffset] on of a
// message of so many chunks: the last chunk and the trailer, each checked
// against the other. It returns the plaintext of that chunk, which is a part of
// tail. An empty message has no tail or a trailer alone. A tail of another
// length is [io.ErrUnexpectedEOF], a trailer that cannot be right [ErrPadding];
// other errors are those of [Cipher.Open].
func (c *Cipher) OpenTail(tail []byte, chunks int64) ([]byte, Report, error) {
	if len(tail) == 0 && chunks == 0 {
		return nil, Report{}, nil
	}
	want := TrailerSize
	if chunks > 0 {
		want += c.ChunkSize()
	}
	if len(tail) != want {
		return nil, Report{}, fmt.Errorf("cse: a tail of %d bytes, want %d: %w", len(tail), want, io.ErrUnexpectedEOF)
	}
	pad, err := padding(tail[want-TrailerSize:], chunks, c.blockSize)
	if err != nil || chunks == 0 {
		return nil, Report{}, err
	}
	block, err := c.Open(chunks-1, tail[:c.ChunkSize()])
	if err != nil {
		return nil, Report{}, err
	}
	report := newReport(chunks, pad, c.blockSize, block)
	plain, err := cut(block, pad)
	return plain, report, err
}

// Size is the length of the plaintext in bytes, by the trailer.
func (a *ReaderAt) Size() int64 { return a.report.Size }

// Report says what was seen of the end of the message.
func (a *ReaderAt) Report() Report { return a.report }

// ReadAt reads len(p) bytes at off. Of a part that cannot be opened it returns
// what comes before it.
func (a *ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cse: offset %d is negative", off)
	}
	if off >= a.Size() {
		return 0, io.EOF
	}
	end := error(nil)
	if int64(len(p)) > a.Size()-off {
		p, end = p[:a.Size()-off], io.EOF
	}
	n := 0
	for n < len(p) {
		at := off + int64(n)
		got, err := a.copyBlock(p[n:], at/int64(a.c.blockSize), int(at%int64(a.c.blockSize)))
		if err != nil {
			return n, err
		}
		n += got
	}
	return n, end
}

// copyBlock copies from the block number i.
func (a *ReaderAt) copyBlock(p []byte, i int64, from int) (int, error) {
	a.mu.Lock()
	if a.kept == i {
		defer a.mu.Unlock()
		return copy(p, a.c.Block(a.held)[from:]), nil
	}
	var chunk []byte
	if n := len(a.free); n > 0 {
		chunk, a.free = a.free[n-1], a.free[:n-1]
	}
	a.mu.Unlock()
	if chunk == nil {
		chunk = make([]byte, a.c.ChunkSize())
	}
	err := readFull(a.r, chunk, i*int64(len(chunk)))
	if err == nil {
		_, err = a.c.Open(i, chunk)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.recycle(chunk)
		return 0, err
	}
	if a.held != nil {
		a.recycle(a.held)
	}
	a.kept, a.held = i, chunk
	return copy(p, a.c.Block(chunk)[from:]), nil
}

// recycle keeps a buffer for the next chunk, but no more of them than two.
func (a *ReaderAt) recycle(chunk []byte) {
	if len(a.free) < 2 {
		a.free = append(a.free, chunk)
	}
}

// readFull reads exactly p. That r has less than the size it was given for is
// a truncation.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF || err == nil:
		return fmt.Errorf("cse: the message ends at offset %d: %w", off+int64(n), io.ErrUnexpectedEOF)
	}
	return err
}
