package datasink

import (
	"errors"
	"fmt"
	"io"
)

// source reads from a reader that may break its contract.
type source struct {
	r    io.Reader
	idle int
}

// read is Read, with errors that say where they come from.
func (s *source) read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	switch {
	case n < 0 || n > len(p):
		return 0, errors.New("the source returned an impossible count")
	case err == io.EOF:
		return n, io.EOF
	case err != nil:
		return n, fmt.Errorf("read the source: %w", err)
	case n > 0:
		s.idle = 0
	default:
		if s.idle++; s.idle == 100 {
			return 0, io.ErrNoProgress
		}
	}
	return n, nil
}
