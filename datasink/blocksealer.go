package datasink

import (
	"errors"
	"io"

	"github.com/cleanroom-go/sdk/datasink/sealed"
)

// blockSealer makes what is stored of the blocks of a sealed blob from their
// plaintext. Each block has the same number of whole chunks, the first also the
// header and the last the last chunk, so that blocks are sealed by themselves,
// by several workers. To seal one again, for a second try, gives the same
// bytes.
type blockSealer struct {
	sealer *sealed.Sealer
	chunks int // whole ones in a block
}

// sealWith makes the stager gather plaintext and seal it.
func (g *stager) sealWith(sealer *sealed.Sealer) {
	s := &blockSealer{sealer, sealedPerBlock(g.blockSize)}
	g.seal, g.blockSize = s, s.chunks*sealed.ChunkSize
	g.bufferSize = max(g.bufferSize, s.size(g.blockSize, 0, true))
}

// sealedPerBlock is the number of whole chunks in a block, which may be the first
// and the last at once.
func sealedPerBlock(blockSize int) int {
	return max(1, (blockSize-sealed.HeaderSize-sealed.Overhead)/sealed.SealedChunkSize)
}

// size is the stored length of a block of n bytes.
func (s *blockSealer) size(n, index int, last bool) int {
	stored := n + n/sealed.ChunkSize*sealed.Overhead
	if index == 0 {
		stored += sealed.HeaderSize
	}
	if last {
		stored += sealed.Overhead
	}
	return stored
}

// inPlace seals a block in its buffer, which has room for it. The chunks move
// up for their tags, the last one first.
func (s *blockSealer) inPlace(plain []byte, index int, last bool) ([]byte, error) {
	out := plain[:s.size(len(plain), index, last)]
	start := 0
	if index == 0 {
		start = sealed.HeaderSize
	}
	count := len(plain) / sealed.ChunkSize
	if last {
		count++
	}
	for i := count - 1; i >= 0; i-- {
		at := start + i*sealed.SealedChunkSize
		n := copy(out[at:], plain[i*sealed.ChunkSize:min((i+1)*sealed.ChunkSize, len(plain))])
		if _, err := s.sealer.Seal(out[at:at], s.number(index, i), out[at:at+n]); err != nil {
			return plain, err
		}
	}
	if index == 0 {
		header := s.sealer.Header()
		copy(out, header[:])
	}
	return out, nil
}

// number is that of a block's chunk in the blob.
func (s *blockSealer) number(index, i int) int64 { return int64(index)*int64(s.chunks) + int64(i) }

// body yields a block and seals its chunks when they are read, into the
// reader's own buffer where they fit. scratch holds a chunk that does not.
func (s *blockSealer) body(plain []byte, index int, last bool, scratch []byte) *sealedBody {
	b := &sealedBody{sealer: s, plain: plain, index: index, size: s.size(len(plain), index, last), scratch: scratch, held: -1}
	if index == 0 {
		header := s.sealer.Header()
		b.head = header[:]
	}
	return b
}

type sealedBody struct {
	sealer  *blockSealer
	head    []byte
	plain   []byte
	index   int
	size    int
	pos     int64
	scratch []byte
	held    int // the chunk in scratch, or -1
}

func (b *sealedBody) Read(p []byte) (int, error) {
	if b.pos >= int64(b.size) {
		return 0, io.EOF
	}
	total := 0
	for total < len(p) && b.pos < int64(b.size) {
		n, err := b.read(p[total:])
		total += n
		b.pos += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// read gives what comes next, up to the end of a chunk.
func (b *sealedBody) read(p []byte) (int, error) {
	pos := int(b.pos)
	if pos < len(b.head) {
		return copy(p, b.head[pos:]), nil
	}
	pos -= len(b.head)
	i, within := pos/sealed.SealedChunkSize, pos%sealed.SealedChunkSize
	chunk := b.plain[i*sealed.ChunkSize : min((i+1)*sealed.ChunkSize, len(b.plain))]
	stored := len(chunk) + sealed.Overhead
	if within == 0 && len(p) >= stored {
		_, err := b.sealer.sealer.Seal(p[:0], b.sealer.number(b.index, i), chunk)
		return stored, err
	}
	if b.held != i {
		b.held = -1
		if _, err := b.sealer.sealer.Seal(b.scratch[:0], b.sealer.number(b.index, i), chunk); err != nil {
			return 0, err
		}
		b.held = i
	}
	return copy(p, b.scratch[within:stored]), nil
}

func (b *sealedBody) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.pos
	case io.SeekEnd:
		offset += int64(b.size)
	}
	if offset < 0 {
		return 0, errors.New("datasink: seek to before the start of a block")
	}
	b.pos = offset
	return offset, nil
}
