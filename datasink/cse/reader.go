package cse

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Reader decrypts a stream. It holds one chunk in memory. Errors are sticky.
// It is for one goroutine.
type Reader struct {
	r      *bufio.Reader
	c      *Cipher
	chunk  []byte
	plain  []byte // within chunk
	next   int64
	report Report
	err    error
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
	return &Reader{r: bufio.NewReaderSize(r, 4<<10), c: c, chunk: make([]byte, c.ChunkSize())}, nil
}

// Report says what was seen of the whole message. It is valid after io.EOF.
func (r *Reader) Report() Report { return r.report }

// Read reads the bytes of chunks that opened.
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

// fill decrypts the next chunk. It is the last if a trailer and nothing else
// comes after it, so the reader looks one byte further than that.
func (r *Reader) fill() {
	if r.next == 0 {
		switch head, err := r.r.Peek(TrailerSize + 1); {
		case len(head) == 0 && err == io.EOF:
			r.err = io.EOF // an empty file of a mount
			return
		case len(head) == TrailerSize && err == io.EOF:
			if _, r.err = padding(head, 0, r.c.blockSize); r.err == nil {
				r.err = io.EOF
			}
			return
		}
	}
	if n, err := io.ReadFull(r.r, r.chunk); err != nil {
		r.fail(err, int64(n))
		return
	}
	tail, err := r.r.Peek(TrailerSize + 1)
	if err != nil && (err != io.EOF || len(tail) < TrailerSize) {
		r.fail(err, int64(len(r.chunk)+len(tail)))
		return
	}
	block, openErr := r.c.Open(r.next, r.chunk)
	if openErr != nil {
		r.err = openErr
		return
	}
	r.next++
	if err == nil {
		r.plain = block
		return
	}
	pad, err := padding(tail, r.next, r.c.blockSize)
	if err == nil {
		r.report = newReport(r.next, pad, r.c.blockSize, block)
		block, err = cut(block, pad)
	}
	if err != nil {
		r.err = err
		return
	}
	r.plain = block
	r.err = io.EOF
}

// fail tells a truncation, n bytes after the last whole chunk, from an error
// of the reader below.
func (r *Reader) fail(err error, n int64) {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("cse: the message ends within chunk %d or before its trailer, at offset %d: %w", r.next, r.next*int64(r.c.ChunkSize())+n, io.ErrUnexpectedEOF)
	}
	r.err = err
}
