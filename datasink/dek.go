package datasink

import (
	"crypto/rand"
	"fmt"
	"log/slog"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// DEKSize is the length of a data encryption key in bytes: AES-256.
const DEKSize = 32

// DEK is a data encryption key: 32 secret bytes that belong to one sink and to
// one format for life. No formatting verb, logger or encoder prints them.
type DEK struct {
	secret *redact.Secret
}

// NewDEK makes a key from the system's random source.
func NewDEK() (*DEK, error) {
	b := make([]byte, DEKSize)
	if _, err := rand.Read(b); err != nil {
		return nil, fmt.Errorf("datasink: make DEK: %w", err)
	}
	return &DEK{redact.New(b)}, nil
}

// ParseDEK copies the 32 raw bytes of a key. The caller should clear b.
func ParseDEK(b []byte) (*DEK, error) {
	if len(b) != DEKSize {
		return nil, fmt.Errorf("datasink: parse DEK: %d bytes, a key has %d raw bytes without encoding or header", len(b), DEKSize)
	}
	return &DEK{redact.New(append([]byte(nil), b...))}, nil
}

// Clone returns a copy of the 32 bytes, or nil after Close. The caller should
// clear the copy after use.
func (k *DEK) Clone() []byte { return k.secret.Clone() }

// Close clears the key. Sinks made from it before keep working: each holds a
// copy of its own.
func (k *DEK) Close() { k.secret.Close() }

// The textual forms of a key show no part of it.
func (k *DEK) String() string               { return redact.Text }
func (k *DEK) GoString() string             { return redact.Text }
func (k *DEK) Format(f fmt.State, _ rune)   { fmt.Fprint(f, redact.Text) }
func (k *DEK) LogValue() slog.Value         { return slog.StringValue(redact.Text) }
func (k *DEK) MarshalJSON() ([]byte, error) { return []byte(`"` + redact.Text + `"`), nil }
func (k *DEK) MarshalText() ([]byte, error) { return []byte(redact.Text), nil }

var (
	_ fmt.Formatter  = (*DEK)(nil)
	_ slog.LogValuer = (*DEK)(nil)
)
