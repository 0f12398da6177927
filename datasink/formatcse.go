package datasink

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/cleanroom-go/sdk/datasink/cse"
	"github.com/cleanroom-go/sdk/internal/redact"
)

// cseFormat is mode CSE. The cipher is the key, as far as this package holds
// it.
type cseFormat struct {
	cipher    atomic.Pointer[cse.Cipher] // nil after close
	source    *redact.Secret
	blockSize int
}

func newCSEFormat(dek *DEK, blockSize int) (*cseFormat, error) {
	key := dek.Clone()
	if key == nil {
		return nil, fs.ErrClosed
	}
	defer redact.Clear(key)
	c, err := cse.NewCipher(key, blockSize)
	if err != nil {
		return nil, err
	}
	source, err := deriveKey(dek, sourceLabel)
	if err != nil {
		return nil, err
	}
	f := &cseFormat{blockSize: blockSize, source: redact.New(source)}
	f.cipher.Store(c)
	return f, nil
}

func (f *cseFormat) stored(n int64) (int64, error) { return cse.Size(n, f.blockSize) }
func (f *cseFormat) sourceKey() ([]byte, error)    { return open(f.source) }

func (f *cseFormat) close() {
	f.cipher.Store(nil)
	f.source.Close()
}

func (f *cseFormat) plain(size int64) int64 {
	n, err := cse.Chunks(size, f.blockSize)
	if err != nil {
		return 0
	}
	return n * int64(f.blockSize)
}

func (f *cseFormat) room(blockSize int) int { return max(blockSize, f.blockSize+cse.Overhead) }

// slack is room for the end of a chunk that begins within a block. Blocks of
// the mount's size hold one chunk each but for the 28 bytes by which it is
// longer, which add up to 1.4 MiB over the greatest number of blocks.
func (f *cseFormat) slack() int { return maxBlocks*cse.Overhead + cse.TrailerSize }

func (f *cseFormat) blocks(n int64, size int) int64 {
	stored, err := f.stored(n)
	if err != nil {
		return maxBlocks + 1
	}
	return divideUp(stored, int64(size))
}

func (f *cseFormat) encode(string) (encoder, error) {
	c := f.cipher.Load()
	if c == nil {
		return nil, fs.ErrClosed
	}
	return &cseEncoder{cipher: c, blockSize: f.blockSize}, nil
}

// cseEncoder gathers a block where its chunk will lie, in the buffer that is
// staged, and encrypts it there.
type cseEncoder struct {
	cipher    *cse.Cipher
	blockSize int
	chunk     []byte // the place of the current chunk, nil before its first byte
	own       []byte // such a place apart, where the buffer has none
	filled    int    // bytes of the block
}

func (e *cseEncoder) begin(*stager) {}

// room is where the next bytes of the block go.
func (e *cseEncoder) room(s *stager) ([]byte, error) {
	if e.chunk == nil {
		if _, err := s.room(); err != nil {
			return nil, err
		}
		if e.chunk = s.beyond(e.cipher.ChunkSize()); e.chunk == nil {
			if e.own == nil {
				e.own = make([]byte, e.cipher.ChunkSize())
			}
			e.chunk = e.own
		}
	} else if err := s.check(); err != nil {
		return nil, err
	}
	return e.cipher.Block(e.chunk)[e.filled:], nil
}

// extend says that n bytes were put there.
func (e *cseEncoder) extend(s *stager, n int) error {
	if e.filled += n; e.filled < e.blockSize {
		return nil
	}
	return e.seal(s)
}

// seal encrypts the block, which is full or filled up.
func (e *cseEncoder) seal(s *stager) error {
	filled, chunk := e.filled, e.chunk
	e.filled, e.chunk = 0, nil
	clear(e.cipher.Block(chunk)[filled:])
	if err := e.cipher.Seal(chunk); err != nil {
		return s.abandon(err)
	}
	if e.own != nil && &chunk[0] == &e.own[0] {
		return s.writeFor(chunk, filled)
	}
	s.extend(len(chunk), filled)
	return nil
}

func (e *cseEncoder) write(s *stager, p []byte) (int, error) {
	written := 0
	for written < len(p) {
		room, err := e.room(s)
		if err != nil {
			return written, err
		}
		n := copy(room, p[written:])
		written += n
		if err := e.extend(s, n); err != nil {
			return written, err
		}
	}
	return written, s.check()
}

func (e *cseEncoder) readFrom(s *stager, r io.Reader) (int64, error) {
	var total int64
	source := source{r: r}
	for {
		room, err := e.room(s)
		if err != nil {
			return total, err
		}
		n, err := source.read(room)
		total += int64(n)
		if err := e.extend(s, n); err != nil {
			return total, err
		}
		if err != nil {
			return total, s.ended(err)
		}
	}
}

func (e *cseEncoder) finish(s *stager) error {
	pad := 0
	if e.filled > 0 {
		pad = e.blockSize - e.filled
		if err := e.seal(s); err != nil {
			return err
		}
	}
	return s.writeFor(binary.BigEndian.AppendUint64(nil, uint64(pad)), 0)
}

func (e *cseEncoder) release() {
	// A block that was not encrypted is plaintext in a buffer that others
	// will get.
	if e.chunk != nil {
		redact.Clear(e.chunk)
		e.chunk = nil
	}
}

func (f *cseFormat) open(ctx context.Context, b *gate, listed Item) (*contents, error) {
	item, err := b.Stat(ctx, listed.Name)
	if err != nil {
		return nil, err
	}
	stored := item.Size
	item.Stored = stored
	if item.Directory {
		return &contents{item: item}, nil
	}
	c := f.cipher.Load()
	if c == nil {
		return nil, fs.ErrClosed
	}
	chunks, err := cse.Chunks(stored, f.blockSize)
	if err != nil {
		return nil, f.explain(stored, err)
	}
	out := &contents{
		backend: b, item: item, stored: chunks * int64(c.ChunkSize()), decoder: cseDecoder{c},
		chunk: int64(f.blockSize), storedChunk: int64(c.ChunkSize()),
	}
	// The end is read at once: the last block says whether the trailer can be
	// right, and of a small file it is all there is.
	tail := make([]byte, stored-c.TailOffset(chunks))
	if err := b.ReadRange(ctx, item.Name, item.ETag, tail, c.TailOffset(chunks)); err != nil {
		return nil, err
	}
	last, report, err := c.OpenTail(tail, chunks)
	if err != nil {
		return nil, &kinded{ErrDamaged, err}
	}
	out.item.Size, out.report = report.Size, &report
	if chunks == 1 {
		out.whole = last
	} else {
		out.last = last
	}
	return out, nil
}

// explain guesses the block size where the blob has another.
func (f *cseFormat) explain(stored int64, err error) error {
	if other := cse.GuessBlockSize(stored); other != 0 && other != f.blockSize {
		err = fmt.Errorf("%w; its length fits blocks of %d bytes, this sink reads blocks of %d", err, other, f.blockSize)
	}
	return &kinded{ErrDamaged, err}
}

type cseDecoder struct{ cipher *cse.Cipher }

func (d cseDecoder) decode(buf []byte, first int64) ([]byte, error) {
	size, n := d.cipher.ChunkSize(), 0
	out := buf[cse.NonceSize:] // where the first block is already
	for i := 0; i*size < len(buf); i++ {
		block, err := d.cipher.Open(first+int64(i), buf[i*size:(i+1)*size])
		if err != nil {
			return nil, &kinded{ErrDamaged, err}
		}
		if i > 0 {
			copy(out[n:], block)
		}
		n += len(block)
	}
	return out[:n], nil
}
