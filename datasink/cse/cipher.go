package cse

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

var (
	// ErrDamaged means that a chunk does not open: it was altered, or belongs
	// to another key, or was never whole. The format has no means to tell a
	// wrong key from damage.
	ErrDamaged = errors.New("the chunk is damaged or of another key")
	// ErrMount means that the chunk begins with a trailer, or with zeros, in
	// the place of a nonce. An encrypting mount leaves that where a program
	// left a hole, appended after a flush, or replaced a file by a shorter one.
	ErrMount = fmt.Errorf("%w: a mount left it so, after a hole, an append or a shorter version", ErrDamaged)
	// ErrPadding means that the trailer contradicts the last block: it counts
	// more padding than there can be, or bytes that are data. A mount leaves
	// that where a block was written twice, the second time longer.
	ErrPadding = errors.New("the trailer does not fit the last block")
)

// Unchecked is what no reader of this format can check.
var Unchecked = []string{
	"the order of the chunks",
	"that no chunk is missing, repeated or of another blob of the store",
	"the length, but for the zeros that fill the last block",
	"that the blob belongs to its name",
	"that the blob is the newest of its name",
}

// Cipher seals and opens chunks. It may be used by several goroutines.
type Cipher struct {
	// aead is a function because package fmt, asked for %s of a struct, prints
	// what an unexported pointer in it points to, and that is the key here.
	aead      func() cipher.AEAD
	blockSize int
	random    func([]byte) error
}

// NewCipher makes the cipher of a store. It keeps a key schedule, not the key.
// A key should seal less than 2^32 chunks, since nonces are random: 64 PiB at
// 16 MiB a block.
func NewCipher(key []byte, blockSize int) (*Cipher, error) {
	if err := checkBlockSize(blockSize); err != nil {
		return nil, err
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("cse: a key of %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cse: make the cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cse: make the cipher: %w", err)
	}
	return &Cipher{func() cipher.AEAD { return aead }, blockSize, func(p []byte) error {
		_, err := rand.Read(p)
		return err
	}}, nil
}

// ChunkSize is the length of a stored chunk: the block and its [Overhead].
func (c *Cipher) ChunkSize() int { return c.blockSize + Overhead }

// Block is the place of the plaintext within a chunk's buffer, before Seal and
// after Open.
func (c *Cipher) Block(chunk []byte) []byte { return chunk[NonceSize : NonceSize+c.blockSize] }

// Seal turns a buffer of [Cipher.ChunkSize] bytes whose [Cipher.Block] is
// plaintext into the stored chunk. It makes no allocation.
func (c *Cipher) Seal(chunk []byte) error {
	if len(chunk) != c.ChunkSize() {
		return fmt.Errorf("cse: a chunk of %d bytes, want %d", len(chunk), c.ChunkSize())
	}
	nonce := chunk[:NonceSize]
	if err := c.random(nonce); err != nil {
		return fmt.Errorf("cse: make a nonce: %w", err)
	}
	block := c.Block(chunk)
	c.aead().Seal(block[:0], nonce, block, nil)
	return nil
}

// Open opens the stored chunk number i in place and returns its block. The
// number is for the error alone. On an error the buffer holds no plaintext. It
// makes no allocation.
func (c *Cipher) Open(i int64, chunk []byte) ([]byte, error) {
	if len(chunk) != c.ChunkSize() {
		return nil, fmt.Errorf("cse: a chunk of %d bytes, want %d", len(chunk), c.ChunkSize())
	}
	mount := binary.BigEndian.Uint64(chunk) < uint64(c.blockSize)
	sealed := chunk[NonceSize:]
	block, err := c.aead().Open(sealed[:0], chunk[:NonceSize], sealed, nil)
	if err == nil {
		return block, nil
	}
	err = ErrDamaged
	if mount {
		err = ErrMount
	}
	return nil, fmt.Errorf("cse: chunk %d at offset %d: %w", i, i*int64(c.ChunkSize()), err)
}

var zeros [4 << 10]byte

// isZero stops at the first part that is not: for a chunk that opens, the
// first.
func isZero(p []byte) bool {
	for len(p) > 0 {
		n := min(len(p), len(zeros))
		if !bytes.Equal(p[:n], zeros[:n]) {
			return false
		}
		p = p[n:]
	}
	return true
}

// trailingZeros is the number of zeros at the end of p.
func trailingZeros(p []byte) int64 {
	return int64(len(p) - len(bytes.TrimRight(p, "\x00")))
}

// cut takes the padding from the last block.
func cut(block []byte, pad int) ([]byte, error) {
	keep := block[:len(block)-pad]
	if !isZero(block[len(keep):]) {
		return nil, fmt.Errorf("cse: the trailer counts %d bytes of padding that are not zero: %w", pad, ErrPadding)
	}
	return keep, nil
}
