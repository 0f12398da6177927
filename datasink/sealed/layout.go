package sealed

import (
	"errors"
	"fmt"
	"io"
)

// Lengths in bytes.
const (
	// KeySize is the length of a key.
	KeySize = 32
	// ChunkSize is the plaintext of each chunk but the last.
	ChunkSize = 16 << 10
	// Overhead is the tag of a chunk.
	Overhead = 16
	// SealedChunkSize is a full chunk as it is stored.
	SealedChunkSize = ChunkSize + Overhead
	// HeaderSize is what stands before the first chunk.
	HeaderSize = saltSize + commitmentSize
	// MinSize is the length of an empty message.
	MinSize = HeaderSize + Overhead

	saltSize       = 24
	commitmentSize = 32
)

const (
	// maxChunks is the format's limit.
	maxChunks = 1 << 38
	// MaxPlaintext is the longest message: 2^38 chunks, the last one short.
	// It is 4 PiB.
	MaxPlaintext = maxChunks*ChunkSize - 1
)

// Size is the stored length of a message of n bytes, 0 to [MaxPlaintext].
func Size(n int64) (int64, error) {
	if n < 0 || n > MaxPlaintext {
		return 0, fmt.Errorf("sealed: a message of %d bytes is not within 0 and %d", n, int64(MaxPlaintext))
	}
	return HeaderSize + n + Overhead*(n/ChunkSize+1), nil
}

// PlaintextSize is the length of the message that is stored in size bytes. It
// is arithmetic: whether a message of that length is there, only opening its
// last chunk tells. The error is that of a truncated message where no message
// has the length.
func PlaintextSize(size int64) (int64, error) {
	if size < MinSize {
		return 0, fmt.Errorf("sealed: %d bytes are less than the %d of an empty message: %w", size, MinSize, io.ErrUnexpectedEOF)
	}
	if size > maxSize {
		return 0, errTooLong
	}
	chunks := size - HeaderSize
	last := chunks % SealedChunkSize
	if last < Overhead {
		return 0, fmt.Errorf("sealed: %d bytes end %s: %w", size, within(last), io.ErrUnexpectedEOF)
	}
	return chunks/SealedChunkSize*ChunkSize + last - Overhead, nil
}

const maxSize = HeaderSize + MaxPlaintext + Overhead*maxChunks

var errTooLong = errors.New("sealed: the message is longer than 2^38 chunks")

func within(last int64) string {
	if last == 0 {
		return "after a full chunk, before the last one"
	}
	return "within the tag of a chunk"
}

// Chunk is the number of the chunk that holds the plaintext byte at offset
// off, and Offset is where chunk number i is stored.
func Chunk(off int64) int64 { return off / ChunkSize }

// Offset is where the chunk with number i begins in the stored message.
func Offset(i int64) int64 { return HeaderSize + i*SealedChunkSize }
