package cse

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Lengths in bytes.
const (
	// KeySize is the length of a key: AES-256.
	KeySize = 32
	// BlockSize is the block of releases from 2026 on, BlockSizeG1 that of
	// those before.
	BlockSize   = 16 << 20
	BlockSizeG1 = 4 << 20
	// MaxBlockSize bounds what a reader holds in memory.
	MaxBlockSize = 1 << 30
	// Overhead is what a chunk has besides its block: nonce and tag.
	Overhead = NonceSize + tagSize
	// NonceSize is where the block of a chunk begins.
	NonceSize = 12
	// TrailerSize is the length of the trailer.
	TrailerSize = 8

	tagSize = 16
)

func checkBlockSize(blockSize int) error {
	if blockSize < 1 || blockSize > MaxBlockSize {
		return fmt.Errorf("cse: a block size of %d bytes is not within 1 and %d", blockSize, MaxBlockSize)
	}
	return nil
}

// Size is the stored length of a message of n bytes.
func Size(n int64, blockSize int) (int64, error) {
	if err := checkBlockSize(blockSize); err != nil {
		return 0, err
	}
	b := int64(blockSize)
	chunks := n / b
	if n%b != 0 {
		chunks++
	}
	if n < 0 || chunks > (math.MaxInt64-TrailerSize)/(b+Overhead) {
		return 0, fmt.Errorf("cse: there is no message of %d bytes", n)
	}
	return chunks*(b+Overhead) + TrailerSize, nil
}

// Chunks is the number of chunks in a stored message of size bytes. A length
// that no message has is [io.ErrUnexpectedEOF], or a sign of another block
// size.
func Chunks(size int64, blockSize int) (int64, error) {
	if err := checkBlockSize(blockSize); err != nil {
		return 0, err
	}
	if size == 0 {
		return 0, nil
	}
	e := int64(blockSize) + Overhead
	if size < TrailerSize || size%e != TrailerSize {
		return 0, fmt.Errorf("cse: %d bytes are no whole number of chunks of %d and a trailer of %d: the message is truncated or has another block size: %w", size, e, TrailerSize, io.ErrUnexpectedEOF)
	}
	return size / e, nil
}

// GuessBlockSize tells the block size of a stored message by its length: of
// the two that are in use, at most one fits below 16 TiB. It is zero where
// neither fits, and for an empty message, which any fits.
func GuessBlockSize(size int64) int {
	for _, b := range []int{BlockSize, BlockSizeG1} {
		if n, err := Chunks(size, b); err == nil && n > 0 {
			return b
		}
	}
	return 0
}

// padding reads a trailer.
func padding(trailer []byte, chunks int64, blockSize int) (int, error) {
	pad := binary.BigEndian.Uint64(trailer)
	if chunks == 0 && pad == 0 {
		return 0, nil
	}
	if chunks == 0 || pad >= uint64(blockSize) {
		return 0, fmt.Errorf("cse: the trailer counts %d bytes of padding, in %d blocks of %d: %w", pad, chunks, blockSize, ErrPadding)
	}
	return int(pad), nil
}
