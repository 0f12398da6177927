package datasink

import (
	"context"

	"github.com/cleanroom-go/sdk/datasink/cse"
)

// contents is an opened blob: where the stored form of each of its bytes lies
// and how to decode it. It may be used by several goroutines.
type contents struct {
	backend *gate
	item    Item // Size is that of the bytes, as far as the format can tell
	stored  int64
	// A chunk of so many bytes is stored as storedChunk bytes, the first after
	// a header. The last may be shorter.
	header, chunk, storedChunk int64
	decoder                    decoder     // nil where bytes are stored as they are
	whole                      []byte      // all bytes of a short blob, or nil
	last                       []byte      // those of the last chunk, or nil
	head                       []byte      // the stored header
	report                     *cse.Report // of mode CSE
}

// decoder decodes whole chunks.
type decoder interface {
	// decode turns the stored chunks in buf, of which the first has this
	// number, into their bytes, at the start of buf.
	decode(buf []byte, first int64) ([]byte, error)
}

// span says where the chunks of the n bytes at off are stored, and how many
// bytes come before off in the first of them.
func (c *contents) span(off, n int64) (from, length, before int64) {
	first, last := off/c.chunk, (off+n-1)/c.chunk
	from = c.header + first*c.storedChunk
	return from, min(c.header+(last+1)*c.storedChunk, c.stored) - from, off - first*c.chunk
}

// piece is the greatest number of bytes at off, not more than n, of which all
// chunks fit into size stored bytes; but it is never less than what one chunk
// has.
func (c *contents) piece(off, n int64, size int) int64 {
	chunks := max(int64(size)/c.storedChunk, 1)
	end := (off/c.chunk + chunks) * c.chunk
	if at := c.lastAt(); off < at {
		end = min(end, at)
	}
	return min(n, end-off, c.item.Size-off)
}

// lastAt is the offset of the last chunk if it is here already.
func (c *contents) lastAt() int64 { return c.item.Size - int64(len(c.last)) }

// chunks is the part made of the whole chunks that hold n bytes at off.
func (c *contents) chunks(off, n int64) (first, length int64) {
	first = off / c.chunk * c.chunk
	end := min((off+n+c.chunk-1)/c.chunk*c.chunk, c.item.Size)
	return first, end - first
}

// needs is the length of the buffer for the n bytes at off.
func (c *contents) needs(off, n int64) int {
	if c.whole != nil || n == 0 {
		return 0
	}
	_, length, _ := c.span(off, n)
	return int(length)
}

// direct says that bytes are stored as they are, or are here already.
func (c *contents) direct() bool { return c.decoder == nil || c.whole != nil }

// readPlain fills p where that is so.
func (c *contents) readPlain(ctx context.Context, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.whole != nil {
		copy(p, c.whole[off:])
		return c.backend.check()
	}
	return c.backend.ReadRange(ctx, c.item.Name, c.item.ETag, p, off)
}

// read gives the n bytes at off, which are a piece. It uses buf, which has room
// for it, and returns a part of it or of the whole.
func (c *contents) read(ctx context.Context, buf []byte, off, n int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.whole != nil {
		return c.whole[off : off+n], c.backend.check()
	}
	if at := c.lastAt(); off >= at {
		return c.last[off-at:][:n], c.backend.check()
	}
	from, length, before := c.span(off, n)
	buf = buf[:length]
	if err := c.backend.ReadRange(ctx, c.item.Name, c.item.ETag, buf, from); err != nil {
		return nil, err
	}
	if c.decoder == nil {
		return buf, nil
	}
	plain, err := c.decoder.decode(buf, off/c.chunk)
	if err != nil {
		return nil, err
	}
	return plain[before : before+n], nil
}
