package cse

import (
	"encoding/binary"
	"errors"
	"io"
)

// Writer encrypts a stream. It holds one chunk in memory. Errors are sticky.
// It is for one goroutine.
type Writer struct {
	w      io.Writer
	c      *Cipher
	chunk  []byte
	filled int // bytes of the block
	chunks int64
	err    error
}

var _ io.WriteCloser = (*Writer)(nil)

var errClosed = errors.New("cse: write after Close")

// NewWriter returns a writer that encrypts what is written to it. The message
// is whole only after Close. The key is not kept.
func NewWriter(w io.Writer, key []byte, blockSize int) (*Writer, error) {
	c, err := NewCipher(key, blockSize)
	if err != nil {
		return nil, err
	}
	return newWriter(w, c), nil
}

func newWriter(w io.Writer, c *Cipher) *Writer {
	return &Writer{w: w, c: c, chunk: make([]byte, c.ChunkSize())}
}

// Write encrypts the blocks that p fills. An error of the writer below is
// returned as it is.
func (w *Writer) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && w.err == nil {
		n := copy(w.c.Block(w.chunk)[w.filled:], p)
		w.filled, p = w.filled+n, p[n:]
		if w.filled == w.c.blockSize {
			w.flush()
		}
	}
	return total - len(p), w.err
}

// flush writes the block, which is full or the last.
func (w *Writer) flush() {
	clear(w.c.Block(w.chunk)[w.filled:])
	if w.err = w.c.Seal(w.chunk); w.err != nil {
		return
	}
	if _, w.err = w.w.Write(w.chunk); w.err == nil {
		w.chunks++
		w.filled = 0
	}
}

// Close encrypts the last block and writes the trailer. It does not close the
// writer below.
func (w *Writer) Close() error {
	if w.err == errClosed {
		return nil
	}
	pad := 0
	if w.err == nil && w.filled > 0 {
		pad = w.c.blockSize - w.filled
		w.flush()
	}
	if w.err == nil {
		_, w.err = w.w.Write(binary.BigEndian.AppendUint64(nil, uint64(pad)))
	}
	clear(w.chunk)
	err := w.err
	if err == nil {
		w.err = errClosed
	}
	return err
}
