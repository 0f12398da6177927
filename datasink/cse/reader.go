package cse

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/cleanroom-go/sdk/datasink/internal/stream"
)

// Reader decrypts a stream. It holds one chunk in memory. Errors are sticky.
// It is for one goroutine.
type Reader struct {
	r      *bufio.Reader
	c      *Cipher
	chunk  []byte
	next   int64
	plain  *stream.Reader
	report Report
}

var (
	_ io.Reader   = (*Reader)(nil)
	_ io.WriterTo = (*Reader)(nil)
)

// NewReader returns a reader of the message in r. The key is not kept.
func NewReader(r io.Reader, key []byte, blockSize int) (*Reader, error) {
	c, err := NewCipher(key, blockSize)
	if err != nil {
		return nil, err
	}
	d := &Reader{r: bufio.NewReaderSize(r, 4<<10), c: c, chunk: make([]byte, c.ChunkSize())}
	d.plain = stream.New(d.open)
	return d, nil
}

// Report says what was seen of the whole message. It is valid after io.EOF.
func (r *Reader) Report() Report { return r.report }

// Read reads the bytes of chunks that opened.
func (r *Reader) Read(p []byte) (int, error) { return r.plain.Read(p) }

// WriteTo writes the rest of the plaintext to w.
func (r *Reader) WriteTo(w io.Writer) (int64, error) { return r.plain.WriteTo(w) }

// open decrypts the next chunk. It is the last if a trailer and nothing else
// comes after it, so the reader looks one byte further than that.
func (r *Reader) open() ([]byte, error) {
	if r.next == 0 {
		switch head, err := r.r.Peek(TrailerSize + 1); {
		case len(head) == 0 && err == io.EOF:
			return nil, io.EOF // an empty file of a mount
		case len(head) == TrailerSize && err == io.EOF:
			if _, err := padding(head, 0, r.c.blockSize); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
	}
	if n, err := io.ReadFull(r.r, r.chunk); err != nil {
		return nil, r.truncated(err, int64(n))
	}
	tail, err := r.r.Peek(TrailerSize + 1)
	if err != nil && (err != io.EOF || len(tail) < TrailerSize) {
		return nil, r.truncated(err, int64(len(r.chunk)+len(tail)))
	}
	block, openErr := r.c.Open(r.next, r.chunk)
	if openErr != nil {
		return nil, openErr
	}
	r.next++
	if err == nil {
		return block, nil
	}
	pad, err := padding(tail, r.next, r.c.blockSize)
	if err != nil {
		return nil, err
	}
	r.report = newReport(r.next, pad, r.c.blockSize, block)
	if block, err = cut(block, pad); err != nil {
		return nil, err
	}
	return block, io.EOF
}

// truncated tells a truncation, n bytes after the last whole chunk, from an
// error of the reader below.
func (r *Reader) truncated(err error, n int64) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cse: the message ends within chunk %d or before its trailer, at offset %d: %w", r.next, r.next*int64(r.c.ChunkSize())+n, io.ErrUnexpectedEOF)
	}
	return err
}
