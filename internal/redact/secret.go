// Package redact keeps secrets out of text. A [Secret] holds bytes that no
// formatting verb, logger or encoder prints.
package redact

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
)

// Text is what every textual form of a secret shows.
const Text = "[redacted]"

// Secret holds secret bytes. Keep it by pointer: the fmt package reaches into
// unexported struct fields without asking them how they want to be printed,
// but prints a nested pointer as an address.
type Secret struct {
	mu sync.Mutex
	b  []byte
}

// New takes ownership of b; the caller must not keep it.
func New(b []byte) *Secret { return &Secret{b: b} }

// Clone returns a copy of the bytes, or nil after Close. The caller should
// clear the copy after use.
func (s *Secret) Clone() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.b == nil {
		return nil
	}
	return append([]byte{}, s.b...)
}

// Len is the number of bytes, 0 after Close.
func (s *Secret) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.b)
}

// Close clears the bytes. It may be called more than once.
func (s *Secret) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	Clear(s.b)
	s.b = nil
}

// Clear overwrites b with zeros.
func Clear(b []byte) {
	clear(b)
	runtime.KeepAlive(b)
}

func (s *Secret) String() string               { return Text }
func (s *Secret) GoString() string             { return Text }
func (s *Secret) Format(f fmt.State, _ rune)   { fmt.Fprint(f, Text) }
func (s *Secret) LogValue() slog.Value         { return slog.StringValue(Text) }
func (s *Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Text + `"`), nil }
func (s *Secret) MarshalText() ([]byte, error) { return []byte(Text), nil }

var (
	_ fmt.Stringer   = (*Secret)(nil)
	_ fmt.GoStringer = (*Secret)(nil)
	_ fmt.Formatter  = (*Secret)(nil)
	_ slog.LogValuer = (*Secret)(nil)
)
