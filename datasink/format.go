package datasink

import (
	"context"
	"io"
)

// format is how the bytes of a blob are stored. One belongs to each sink.
type format interface {
	// stored is the length of what is stored of n bytes.
	stored(n int64) (int64, error)
	// plain is the length of the bytes of which size are stored, by
	// arithmetic: nothing is authenticated. Where padding hides it, it is the
	// greatest possible; where nothing of that length is stored, zero.
	plain(size int64) int64
	// room is the length of the buffer that reads pieces of a block size.
	room(blockSize int) int
	// slack is how many bytes a block's buffer needs beyond the block.
	slack() int
	// blocks is the number of blocks of n bytes.
	blocks(n int64, blockSize int) int64
	// encode starts the blob with this name.
	encode(name string) (encoder, error)
	// open reads what must be known of a blob before its bytes are. The item
	// is what a listing said of it, or only its name.
	open(ctx context.Context, b *gate, listed Item) (*contents, error)
	// sourceKey is the key for [Sink.sourceOf], of no meaning elsewhere.
	sourceKey() ([]byte, error)
	// close forgets the key.
	close()
}

// encoder writes the stored form of one blob into blocks.
type encoder interface {
	// begin says to the stager how blocks are made, before the first byte.
	begin(s *stager)
	write(s *stager, p []byte) (int, error)
	readFrom(s *stager, r io.Reader) (int64, error)
	// finish writes what comes after the last byte.
	finish(s *stager) error
	// release gives back what the encoder holds, also of an unfinished blob.
	release()
}

// plainFormat stores the bytes themselves: modes CPK and SSE.
type plainFormat struct{}

func (plainFormat) stored(n int64) (int64, error)  { return n, nil }
func (plainFormat) plain(size int64) int64         { return size }
func (plainFormat) room(blockSize int) int         { return blockSize }
func (plainFormat) slack() int                     { return 0 }
func (plainFormat) blocks(n int64, size int) int64 { return divideUp(n, int64(size)) }
func (plainFormat) encode(string) (encoder, error) { return plainEncoder{}, nil }
func (plainFormat) sourceKey() ([]byte, error)     { return []byte(sourceLabel), nil }
func (plainFormat) close()                         {}

func (plainFormat) open(ctx context.Context, b *gate, listed Item) (*contents, error) {
	item, err := b.Stat(ctx, listed.Name)
	if err != nil {
		return nil, err
	}
	item.Stored = item.Size
	return &contents{backend: b, item: item, stored: item.Size, chunk: 1, storedChunk: 1}, nil
}

func divideUp(n, by int64) int64 { return (n + by - 1) / by }

type plainEncoder struct{}

func (plainEncoder) begin(*stager)                          {}
func (plainEncoder) write(s *stager, p []byte) (int, error) { return s.write(p) }
func (plainEncoder) finish(*stager) error                   { return nil }
func (plainEncoder) release()                               {}

// readFrom reads straight into the blocks.
func (plainEncoder) readFrom(s *stager, r io.Reader) (int64, error) {
	var total int64
	source := source{r: r}
	for {
		room, err := s.room()
		if err != nil {
			return total, err
		}
		n, err := source.read(room)
		s.extend(n, n)
		total += int64(n)
		if err != nil {
			return total, s.ended(err)
		}
	}
}
