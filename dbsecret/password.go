package dbsecret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/text/unicode/norm"

	"github.com/cleanroom-go/sdk/internal/redact"
	"github.com/cleanroom-go/sdk/skr"
)

var errClosed = errors.New("the connector is closed")

// passwordSource unwraps a password when it is first wanted and keeps it.
type passwordSource struct {
	unwrap skr.Unwrapper
	ref    skr.SecretRef

	// turn holds one token: whoever has it may unwrap. It is no mutex, because
	// unwrapping takes network and waiting for it must end with the context.
	turn chan struct{}

	mu     sync.Mutex
	secret *redact.Secret // nil until unwrapped
	serial int            // counts the unwrapped values
	closed bool
}

// password is a copy of an unwrapped value, for one login.
type password struct {
	plain  []byte
	serial int
	kept   bool // an earlier connection unwrapped it
}

func newPasswordSource(unwrap skr.Unwrapper, ref skr.SecretRef) *passwordSource {
	s := &passwordSource{unwrap: unwrap, ref: ref, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// newer returns a password with a serial above the given one: a kept one, or
// else one unwrapped now. The caller clears plain.
func (s *passwordSource) newer(ctx context.Context, serial int) (password, error) {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return password{}, fmt.Errorf("wait for another connection that unwraps the password: %w", context.Cause(ctx))
	}
	if p, ok, err := s.current(serial); ok || err != nil {
		return p, err
	}
	secret, err := s.fetch(ctx)
	if err != nil {
		return password{}, err
	}
	return s.keep(secret)
}

func (s *passwordSource) current(serial int) (p password, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return password{}, false, errClosed
	}
	if s.serial <= serial {
		return password{}, false, nil
	}
	return password{s.secret.Clone(), s.serial, true}, true, nil
}

func (s *passwordSource) keep(secret *redact.Secret) (password, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		secret.Close()
		return password{}, errClosed
	}
	if s.secret != nil {
		s.secret.Close()
	}
	s.secret = secret
	s.serial++
	return password{secret.Clone(), s.serial, false}, nil
}

func (s *passwordSource) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.secret != nil {
		s.secret.Close()
	}
}

func (s *passwordSource) fetch(ctx context.Context) (*redact.Secret, error) {
	value, err := s.unwrap.Unwrap(ctx, s.ref)
	if err != nil {
		return nil, fmt.Errorf("unwrap the password %s: %w", s.ref, err)
	}
	switch {
	case len(value) == 0:
		// The driver would look for another one in a password file.
		return nil, fmt.Errorf("unwrap the password %s: it is empty", s.ref)
	case bytes.IndexByte(value, 0) >= 0:
		clear(value)
		return nil, fmt.Errorf("unwrap the password %s: it contains a NUL, which PostgreSQL cannot receive; wrap the text, not an encoding of it", s.ref)
	}
	return redact.New(value), nil
}

// spellings are the forms of a password that a server may have stored. SCRAM
// (RFC 5802) prepares passwords with SASLprep (RFC 4013) and lib/pq does not,
// so that "é" typed as two code points would be refused. PostgreSQL falls back
// to the bytes as they are when SASLprep forbids a character, and other methods
// always use these. Rather than guess which one happened, both are tried; for
// nearly every password they are the same.
func spellings(p string) []string {
	if prepared := saslPrepare(p); prepared != p {
		return []string{p, prepared}
	}
	return []string{p}
}

// saslPrepare maps and normalises as RFC 4013 sections 2.1 and 2.2 say, and
// leaves out the prohibitions.
func saslPrepare(p string) string {
	mapped := make([]rune, 0, len(p))
	for _, r := range p {
		switch {
		case unlistedSpace(r):
			mapped = append(mapped, ' ')
		case mappedToNothing(r):
		default:
			mapped = append(mapped, r)
		}
	}
	return norm.NFKC.String(string(mapped))
}

// unlistedSpace is RFC 3454 table C.1.2, the spaces outside ASCII.
func unlistedSpace(r rune) bool {
	switch r {
	case 0x00A0, 0x1680, 0x202F, 0x205F, 0x3000:
		return true
	}
	return r >= 0x2000 && r <= 0x200B
}

// mappedToNothing is RFC 3454 table B.1.
func mappedToNothing(r rune) bool {
	switch r {
	case 0x00AD, 0x034F, 0x1806, 0x2060, 0xFEFF:
		return true
	}
	return r >= 0x180B && r <= 0x180D || r >= 0x200C && r <= 0x200D || r >= 0xFE00 && r <= 0xFE0F
}
