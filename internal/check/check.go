// Package check holds the result of a verification: an ordered list of what
// was wanted and what was got, and the error that carries such a list when a
// party is refused. The public packages alias both types.
package check

import (
	"errors"
	"fmt"
	"strings"
)

// Check is one comparison of a verification.
type Check struct {
	// ID names the check for logs and golden files: lower case words joined
	// with hyphens, below a dotted prefix of the subject ("report.host-data").
	ID string
	// Want and Got are the two sides as text. Neither ever holds a secret; both
	// may be another party's words, which only the texts of this package make
	// harmless.
	Want, Got string
	// Remedy says what to do when the check failed; empty when it passed.
	Remedy string
	// Err is nil when the check passed.
	Err error
}

// OK reports whether the check passed.
func (c Check) OK() bool { return c.Err == nil }

// String is one line for a log, whatever the values hold.
func (c Check) String() string {
	if c.OK() {
		return Printable(fmt.Sprintf("%s: ok (%s)", c.ID, c.Got))
	}
	return Printable(fmt.Sprintf("%s: wanted %s, got %s", c.ID, c.Want, c.Got))
}

// Equal is a check that want and got are the same text.
func Equal(id, want, got, remedy string) Check {
	c := Check{ID: id, Want: want, Got: got}
	if want != got {
		c.Remedy = remedy
		c.Err = ErrMismatch
	}
	return c
}

// ErrMismatch is the Err of a failed [Equal].
var ErrMismatch = errors.New("values differ")

// Failed returns the checks that did not pass, in order.
func Failed(checks []Check) []Check {
	var failed []Check
	for _, c := range checks {
		if !c.OK() {
			failed = append(failed, c)
		}
	}
	return failed
}

// DeniedError is a refusal that explains itself.
type DeniedError struct {
	// Op is the package and operation, for instance "skr: release key".
	Op string
	// By is who refused: a host name, a party or "this program".
	By string
	// Checks is the whole ordered list; at least one of them failed.
	Checks []Check
	// Err is the cause: often the service's own error. It may be nil.
	Err error
}

// Denied returns nil if every check passed, else a *DeniedError.
func Denied(op, by string, checks []Check, cause error) error {
	if len(Failed(checks)) == 0 && cause == nil {
		return nil
	}
	return &DeniedError{Op: op, By: by, Checks: checks, Err: cause}
}

// Error names the operation and, indented below it, each failed check with
// what was wanted, what was got and what to do. Each value stays on its line,
// and the cause below its own, so that no party can write a check.
func (e *DeniedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: denied by %s", Printable(e.Op), Printable(e.By))
	for _, c := range Failed(e.Checks) {
		fmt.Fprintf(&b, "\n\tcheck  %s\n\twanted %s\n\tgot    %s", Printable(c.ID), Printable(c.Want), Printable(c.Got))
		if c.Remedy != "" {
			fmt.Fprintf(&b, "\n\tremedy %s", Printable(c.Remedy))
		}
	}
	if e.Err != nil {
		fmt.Fprintf(&b, "\n\tcause  %s", indented(e.Err.Error(), "\t       "))
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *DeniedError) Unwrap() error { return e.Err }
