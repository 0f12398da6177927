package datasink

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cleanroom-go/sdk/datasink/sealed"
	"github.com/cleanroom-go/sdk/internal/redact"
)

// Labels under which keys are derived from a DEK, and what begins the context
// of every blob.
const (
	sealedLabel = "cleanroom-go/datasink/v1 sealed"
	sourceLabel = "cleanroom-go/datasink/v1 source"

	manifestLabel = "cleanroom-go/datasink/v1 manifest"
	contextLabel  = "cleanroom-go/datasink/v1"
)

// deriveKey gives the 32 bytes for one purpose.
func deriveKey(dek *DEK, label string) ([]byte, error) {
	b := dek.Clone()
	if b == nil {
		return nil, fs.ErrClosed
	}
	defer redact.Clear(b)
	return hkdf.Expand(sha512.New, b, label, DEKSize)
}

// sealedFormat is mode Sealed.
type sealedFormat struct {
	keys  map[string]*redact.Secret // by label
	place string                    // label, contract and datasink, each with a NUL behind it
}

func newSealedFormat(dek *DEK, contract, datasink string) (*sealedFormat, error) {
	for what, name := range map[string]string{"contract": contract, "datasink": datasink} {
		if name == "" || strings.Contains(name, "\x00") {
			return nil, fmt.Errorf("mode %s binds blobs to their place: give Options.Contract and Options.Datasink, without NUL; the name of the %s is %q", Sealed, what, name)
		}
	}
	f := &sealedFormat{map[string]*redact.Secret{}, contextLabel + "\x00" + contract + "\x00" + datasink + "\x00"}
	for _, label := range []string{sealedLabel, sourceLabel, manifestLabel} {
		key, err := deriveKey(dek, label)
		if err != nil {
			return nil, err
		}
		f.keys[label] = redact.New(key)
	}
	return f, nil
}

func (f *sealedFormat) stored(n int64) (int64, error) { return sealed.Size(n) }
func (f *sealedFormat) room(blockSize int) int        { return max(blockSize, sealed.SealedChunkSize) }
func (f *sealedFormat) slack() int                    { return 0 }
func (f *sealedFormat) sourceKey() ([]byte, error)    { return open(f.keys[sourceLabel]) }

func (f *sealedFormat) blocks(n int64, size int) int64 {
	return n/int64(sealedPerBlock(size)*sealed.ChunkSize) + 1
}

func (f *sealedFormat) close() {
	for _, key := range f.keys {
		key.Close()
	}
}

// key is the one under which the blob with this name is sealed. The manifest
// has its own, so that no blob can ever stand for it.
func (f *sealedFormat) key(name string) ([]byte, error) {
	if name == manifestName {
		return open(f.keys[manifestLabel])
	}
	return open(f.keys[sealedLabel])
}

// open copies a secret of an open sink.
func open(secret *redact.Secret) ([]byte, error) {
	if b := secret.Clone(); b != nil {
		return b, nil
	}
	return nil, fs.ErrClosed
}

func (f *sealedFormat) plain(size int64) int64 {
	n, err := sealed.PlaintextSize(size)
	if err != nil {
		return 0
	}
	return n
}

func (f *sealedFormat) encode(name string) (encoder, error) {
	key, err := f.key(name)
	if err != nil {
		return nil, err
	}
	defer redact.Clear(key)
	sealer, err := sealed.NewSealer(key, []byte(f.place+name))
	if err != nil {
		return nil, err
	}
	return &sealedEncoder{sealer: sealer}, nil
}

// sealedEncoder gathers plaintext, whole chunks to a block. The stager seals
// it, in its workers.
type sealedEncoder struct {
	plainEncoder
	sealer *sealed.Sealer
}

func (e *sealedEncoder) begin(s *stager) { s.sealWith(e.sealer) }

// wholeSize is how long a stored blob may be to be read whole when it is
// opened: one request then serves all reads.
const wholeSize = 4 << 20

func (f *sealedFormat) open(ctx context.Context, b *gate, listed Item) (*contents, error) {
	first := int64(sealed.MinSize)
	if listed.Stored > first && listed.Stored <= wholeSize {
		first = listed.Stored
	}
	buf := make([]byte, first, max(first, sealed.SealedChunkSize))
	item, n, err := b.ReadStart(ctx, listed.Name, buf)
	if err != nil {
		return nil, err
	}
	stored := item.Size
	item.Stored = stored
	if item.Directory {
		return &contents{item: item}, nil
	}
	opener, err := f.opener(item.Name, buf[:n])
	if err != nil {
		return nil, f.explain(item, err)
	}
	if item.Size, err = sealed.PlaintextSize(stored); err != nil {
		return nil, &kinded{ErrDamaged, err}
	}
	c := &contents{
		backend: b, item: item, stored: stored, decoder: sealedDecoder{opener},
		head: bytes.Clone(buf[:sealed.HeaderSize]), header: sealed.HeaderSize, chunk: sealed.ChunkSize, storedChunk: sealed.SealedChunkSize,
	}
	if stored <= wholeSize {
		whole := make([]byte, stored)
		got := copy(whole, buf[:n])
		if int64(got) < stored {
			if err := b.ReadRange(ctx, item.Name, item.ETag, whole[got:], int64(got)); err != nil {
				return nil, err
			}
		}
		c.whole, err = c.decoder.decode(whole[sealed.HeaderSize:], 0)
		return c, err
	}
	// The length is authentic once the last chunk has opened.
	last := sealed.Chunk(item.Size)
	chunk := make([]byte, stored-sealed.Offset(last))
	if err := b.ReadRange(ctx, item.Name, item.ETag, chunk, sealed.Offset(last)); err != nil {
		return nil, err
	}
	_, err = c.decoder.decode(chunk, last)
	return c, err
}

func (f *sealedFormat) opener(name string, header []byte) (*sealed.Opener, error) {
	key, err := f.key(name)
	if err != nil {
		return nil, err
	}
	defer redact.Clear(key)
	return sealed.NewOpener(key, []byte(f.place+name), header)
}

// explain says what a blob that does not open may be.
func (f *sealedFormat) explain(item Item, err error) error {
	switch {
	case errors.Is(err, sealed.ErrKey) && item.Metadata[formatName] == string(Sealed):
		return &kinded{ErrKey, fmt.Errorf("%w; its metadata says that it is sealed, so key, contract, datasink or name are others than when it was written", err)}
	case errors.Is(err, sealed.ErrKey):
		return &kinded{ErrKey, fmt.Errorf("%w; nothing says that it is sealed at all, and this sink reads nothing else", err)}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &kinded{ErrDamaged, err}
	}
	return err
}

type sealedDecoder struct{ opener *sealed.Opener }

// decode opens each chunk in its place, where it is in the cache when it is
// moved up to the one before it.
func (d sealedDecoder) decode(buf []byte, first int64) ([]byte, error) {
	out := buf[:0]
	for i := first; len(buf) > 0; i++ {
		chunk := buf[:min(sealed.SealedChunkSize, len(buf))]
		plain, err := d.opener.Open(chunk[:0], i, chunk)
		if err != nil {
			return nil, &kinded{ErrDamaged, err}
		}
		out, buf = append(out, plain...), buf[len(chunk):]
	}
	return out, nil
}
