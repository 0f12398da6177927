package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

var (
	// ErrKey means that the key or the context is not that of the message, or
	// that the message is not of this format.
	ErrKey = errors.New("sealed: the message was not sealed with this key and context")
	// ErrDamaged means that a chunk is not the one that was sealed at its
	// place.
	ErrDamaged = errors.New("the chunk is damaged or from elsewhere")
)

const (
	label     = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
	nonceSize = 12
)

// message is the cipher of one message. It may be used by several goroutines.
type message struct {
	// aead is a function because package fmt, asked for %s of a struct, prints
	// what an unexported pointer in it points to, and that is the key here.
	aead func() cipher.AEAD
	base [nonceSize]byte
}

// derive gives the cipher of a message and its commitment.
func derive(key, salt, context []byte) (*message, []byte, error) {
	if len(key) != KeySize {
		return nil, nil, fmt.Errorf("sealed: a key of %d bytes, want %d", len(key), KeySize)
	}
	info := make([]byte, 0, len(label)+saltSize+len(context))
	info = append(append(append(info, label...), salt...), context...)
	out, err := hkdf.Expand(sha512.New, key, string(info), KeySize+nonceSize+commitmentSize)
	if err != nil {
		return nil, nil, fmt.Errorf("sealed: derive the message key: %w", err)
	}
	defer clear(out[:KeySize])
	block, err := aes.NewCipher(out[:KeySize])
	if err != nil {
		return nil, nil, fmt.Errorf("sealed: derive the message key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, fmt.Errorf("sealed: derive the message key: %w", err)
	}
	m := &message{func() cipher.AEAD { return aead }, [nonceSize]byte(out[KeySize:])}
	return m, out[KeySize+nonceSize:], nil
}

// nonces are lent to calls: a nonce on the stack of each would escape to the
// heap, once for every chunk.
var nonces = sync.Pool{New: func() any { return new([nonceSize]byte) }}

// nonce is the base with the chunk's number, 12 bytes big-endian, over it.
func (m *message) nonce(i int64) *[nonceSize]byte {
	n := nonces.Get().(*[nonceSize]byte)
	*n = m.base
	tail := n[nonceSize-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^uint64(i))
	return n
}

func checkIndex(i int64) error {
	if i < 0 || i >= maxChunks {
		return errTooLong
	}
	return nil
}

// Sealer seals the chunks of one message. It may be used by several
// goroutines; each chunk number must be sealed once, with one plaintext.
type Sealer struct {
	m      *message
	header [HeaderSize]byte
}

// NewSealer starts a message with a salt of its own. It keeps neither key nor
// context.
func NewSealer(key, context []byte) (*Sealer, error) {
	var salt [saltSize]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("sealed: make a salt: %w", err)
	}
	return newSealer(key, context, salt)
}

func newSealer(key, context []byte, salt [saltSize]byte) (*Sealer, error) {
	m, commitment, err := derive(key, salt[:], context)
	if err != nil {
		return nil, err
	}
	s := &Sealer{m: m}
	copy(s.header[copy(s.header[:], salt[:]):], commitment)
	return s, nil
}

// Header is what stands before the chunks.
func (s *Sealer) Header() [HeaderSize]byte { return s.header }

// Seal appends the sealed chunk number i to dst and returns the result. A
// plaintext of [ChunkSize] is a chunk before the last, a shorter one is the
// last; a longer one is an error. It may be sealed in place, with dst =
// plaintext[:0] and room for the [Overhead]; otherwise the two must not
// overlap. It makes no allocation if dst has room.
func (s *Sealer) Seal(dst []byte, i int64, plaintext []byte) ([]byte, error) {
	if err := checkIndex(i); err != nil {
		return dst, err
	}
	if len(plaintext) > ChunkSize {
		return dst, fmt.Errorf("sealed: a chunk of %d bytes, want at most %d", len(plaintext), ChunkSize)
	}
	if i == maxChunks-1 && len(plaintext) == ChunkSize {
		return dst, errTooLong
	}
	nonce := s.m.nonce(i)
	defer nonces.Put(nonce)
	return s.m.aead().Seal(dst, nonce[:], plaintext, nil), nil
}

// Opener opens the chunks of one message, in any order. It may be used by
// several goroutines.
type Opener struct{ m *message }

// NewOpener reads the first [HeaderSize] bytes of a message and checks, in
// constant time, that it was sealed with this key and context. It keeps
// neither.
func NewOpener(key, context, header []byte) (*Opener, error) {
	if len(header) < HeaderSize {
		return nil, fmt.Errorf("sealed: %d bytes are less than the header's %d: %w", len(header), HeaderSize, io.ErrUnexpectedEOF)
	}
	m, commitment, err := derive(key, header[:saltSize], context)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(commitment, header[saltSize:HeaderSize]) != 1 {
		return nil, ErrKey
	}
	return &Opener{m}, nil
}

// Open appends the plaintext of the stored chunk number i to dst and returns
// the result. The caller says by the length which chunk it takes for the last:
// a stored chunk of [SealedChunkSize] is one before the last, a shorter one,
// of at least [Overhead], is the last. It may be opened in place, with dst =
// chunk[:0]; otherwise the two must not overlap. On [ErrDamaged] dst is
// returned as it was. It makes no allocation if dst has room.
func (o *Opener) Open(dst []byte, i int64, chunk []byte) ([]byte, error) {
	if err := checkIndex(i); err != nil {
		return dst, err
	}
	if len(chunk) < Overhead {
		return dst, fmt.Errorf("sealed: chunk %d at offset %d: %w", i, Offset(i), io.ErrUnexpectedEOF)
	}
	if len(chunk) > SealedChunkSize {
		return dst, fmt.Errorf("sealed: a stored chunk of %d bytes, want at most %d", len(chunk), SealedChunkSize)
	}
	nonce := o.m.nonce(i)
	defer nonces.Put(nonce)
	out, err := o.m.aead().Open(dst, nonce[:], chunk, nil)
	if err != nil {
		return dst, fmt.Errorf("sealed: chunk %d at offset %d: %w", i, Offset(i), ErrDamaged)
	}
	return out, nil
}
