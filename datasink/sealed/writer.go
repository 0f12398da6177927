package sealed

import (
	"errors"
	"io"
)

// Writer seals a stream. Errors are sticky. It is for one goroutine.
type Writer struct {
	w      io.Writer
	sealer *Sealer
	chunk  []byte // plaintext of a chunk that is not full
	out    []byte // room for one stored chunk
	next   int64
	err    error
}

var _ io.WriteCloser = (*Writer)(nil)

var errClosed = errors.New("sealed: write after Close")

// NewWriter writes the header of a new message to w and returns a writer that
// seals what is written to it. The message is whole only after Close. Key and
// context are not kept.
func NewWriter(w io.Writer, key, context []byte) (*Writer, error) {
	sealer, err := NewSealer(key, context)
	if err != nil {
		return nil, err
	}
	return newWriter(w, sealer)
}

func newWriter(w io.Writer, sealer *Sealer) (*Writer, error) {
	header := sealer.Header()
	if _, err := w.Write(header[:]); err != nil {
		return nil, err
	}
	return &Writer{w: w, sealer: sealer, chunk: make([]byte, 0, ChunkSize), out: make([]byte, 0, SealedChunkSize)}, nil
}

// Write seals the chunks that p fills. An error of the writer below is
// returned as it is.
func (w *Writer) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && w.err == nil {
		if len(w.chunk) == 0 && len(p) >= ChunkSize {
			w.seal(p[:ChunkSize])
			p = p[ChunkSize:]
			continue
		}
		n := copy(w.chunk[len(w.chunk):ChunkSize], p)
		w.chunk, p = w.chunk[:len(w.chunk)+n], p[n:]
		if len(w.chunk) == ChunkSize {
			w.seal(w.chunk)
			w.chunk = w.chunk[:0]
		}
	}
	return total - len(p), w.err
}

// seal may be given a full chunk at once, since the last one is never full.
func (w *Writer) seal(plaintext []byte) {
	var out []byte
	if out, w.err = w.sealer.Seal(w.out[:0], w.next, plaintext); w.err == nil {
		w.next++
		_, w.err = w.w.Write(out)
	}
}

// Close seals the last chunk. It does not close the writer below. A message
// whose writer was not closed, or failed, is truncated to every reader.
func (w *Writer) Close() error {
	if w.err == errClosed {
		return nil
	}
	if w.err == nil {
		w.seal(w.chunk)
	}
	clear(w.chunk[:cap(w.chunk)])
	err := w.err
	if err == nil {
		w.err = errClosed
	}
	return err
}
