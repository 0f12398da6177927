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

// Secret holds secret bytes. They live behind a closure: the fmt package
// reaches into unexported fields without asking how they want to be printed,
// and follows a pointer for a verb that does not fit one, but it prints a
// function as an address.
type Secret struct {
	mu    sync.Mutex
	bytes func() []byte // nil after Close
}

// New takes ownership of b; the caller must not keep it.
func New(b []byte) *Secret { return &Secret{bytes: func() []byte { return b }} }

// Clone returns a copy of the bytes, or nil after Close. The caller should
// clear the copy after use.
func (s *Secret) Clone() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes == nil {
		return nil
	}
	return append([]byte{}, s.bytes()...)
}

// Len is the number of bytes, 0 after Close.
func (s *Secret) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes == nil {
		return 0
	}
	return len(s.bytes())
}

// Close clears the bytes. It may be called more than once.
func (s *Secret) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes != nil {
		Clear(s.bytes())
	}
	s.bytes = nil
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
