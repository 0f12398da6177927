package skr

import (
	"errors"

	"github.com/cleanroom-go/sdk/internal/check"
)

// errRefused is the Err of a failed check that compares more than two texts.
var errRefused = errors.New("refused")

// checklist collects the checks of one verification. Its methods report
// whether the check passed, so that a caller can stop where nothing behind a
// failure can be trusted.
type checklist struct{ checks []Check }

func (l *checklist) equal(id, want, got, remedy string) bool {
	c := check.Equal(id, shorten(want), shorten(got), remedy)
	if want != got && c.Err == nil { // equal only after shortening
		c.Remedy, c.Err = remedy, check.ErrMismatch
	}
	l.checks = append(l.checks, c)
	return c.OK()
}

// that records a condition; err, when not nil, says why it does not hold.
func (l *checklist) that(id, want, got, remedy string, err error) bool {
	c := Check{ID: id, Want: shorten(want), Got: shorten(got)}
	if err != nil {
		c.Remedy, c.Err = remedy, err
	}
	l.checks = append(l.checks, c)
	return err == nil
}

// denied is nil when every check passed.
func (l *checklist) denied(op, by string) error { return check.Denied(op, by, l.checks, nil) }

func refuseIf(bad bool) error {
	if bad {
		return errRefused
	}
	return nil
}
