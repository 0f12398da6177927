package datasink

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// DEKSize is the length of a data encryption key in bytes: AES-256.
const DEKSize = 32

// DEK is a data encryption key: 32 secret bytes that belong to one sink and to
// one format for life. No formatting verb, logger or encoder prints them. The
// zero value is a closed key.
type DEK struct {
	// hold gives the bytes. It is a function because package fmt, asked for
	// %s of a struct, prints what an unexported pointer in it points to.
	hold func() *redact.Secret
}

func newDEK(b []byte) *DEK {
	secret := redact.New(b)
	return &DEK{func() *redact.Secret { return secret }}
}

// modes has the mode of each key that this process has used, by the key's
// digest, since one key may be unwrapped or read again and again. Entries stay:
// they are small, and forgetting one would forget the rule.
var modes sync.Map

// NewDEK makes a key from the system's random source.
func NewDEK() (*DEK, error) {
	b := make([]byte, DEKSize)
	if _, err := rand.Read(b); err != nil {
		return nil, fmt.Errorf("datasink: make DEK: %w", err)
	}
	return newDEK(b), nil
}

// ParseDEK copies the 32 raw bytes of a key. The caller should clear b.
func ParseDEK(b []byte) (*DEK, error) {
	if len(b) != DEKSize {
		return nil, fmt.Errorf("datasink: parse DEK: %d bytes, a key has %d raw bytes without encoding or header", len(b), DEKSize)
	}
	return newDEK(append([]byte(nil), b...)), nil
}

// Clone returns a copy of the 32 bytes, or nil after Close. The caller should
// clear the copy after use.
func (k *DEK) Clone() []byte {
	if k.hold == nil {
		return nil
	}
	return k.hold().Clone()
}

// Digest is the SHA-256 of the 32 bytes, by which a document can pin the key
// without showing it: nobody finds a random key by its digest. After Close it is
// zero.
func (k *DEK) Digest() [32]byte {
	b := k.Clone()
	if b == nil {
		return [32]byte{}
	}
	defer redact.Clear(b)
	return sha256.Sum256(b)
}

// Close clears the key. Sinks made from it before keep working: each holds a
// copy of its own.
func (k *DEK) Close() {
	if k.hold != nil {
		k.hold().Close()
	}
}

// belong ties the key to a mode for life. Under CPK the service sees the key,
// so one that was ever used for it must not seal, nor the reverse; and two
// formats under one key could be taken for each other.
func (k *DEK) belong(m Mode) error {
	digest := k.Digest()
	if digest == [32]byte{} {
		return errors.New("the DEK is closed")
	}
	if used, known := modes.LoadOrStore(digest, m); known && used != m {
		return fmt.Errorf("the DEK belongs to mode %s, where it has been used: a key has one mode for life, make another for mode %s", used, m)
	}
	return nil
}

// String and the other textual forms of a key show no part of it.
func (k DEK) String() string               { return redact.Text }
func (k DEK) GoString() string             { return redact.Text }
func (k DEK) Format(f fmt.State, _ rune)   { fmt.Fprint(f, redact.Text) }
func (k DEK) LogValue() slog.Value         { return slog.StringValue(redact.Text) }
func (k DEK) MarshalJSON() ([]byte, error) { return []byte(`"` + redact.Text + `"`), nil }
func (k DEK) MarshalText() ([]byte, error) { return []byte(redact.Text), nil }

var (
	_ fmt.Formatter  = DEK{}
	_ slog.LogValuer = DEK{}
)
