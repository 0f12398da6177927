package record

import (
	"errors"

	"github.com/cleanroom-go/sdk/internal/check"
)

// NewVerdict is the verdict of a verification whose checks were op's. They are
// what the packages of this module return: governance.Check, skr.Check and
// cleanroom.Check are one type.
func NewVerdict(op string, checks []check.Check) *Verdict {
	v := &Verdict{Op: op}
	for _, c := range checks {
		v.Checks = append(v.Checks, Check{ID: c.ID, Passed: c.OK(), Want: c.Want, Got: c.Got, Remedy: c.Remedy})
	}
	return v
}

// AddDenial adds the refusal that is or caused err, a DeniedError of one of the
// packages of this module, and says whether there is one. The text of a cause
// is not kept.
func (r *Recorder) AddDenial(err error) bool {
	var denied *check.DeniedError
	if !errors.As(err, &denied) {
		return false
	}
	v := NewVerdict(denied.Op, denied.Checks)
	v.By, v.Denied = denied.By, true
	r.Add(Entry{Verdict: v})
	return true
}
