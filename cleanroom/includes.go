package cleanroom

import (
	"errors"
	"fmt"
)

// Includes is nil if the document says all that part says, and says it the
// same way: a party asks this of a proposed contract about the document that it
// has shared. What is said differently is a [*MergeConflictError].
func (s *Specification) Includes(part *Specification) error {
	if s == nil || part == nil {
		return errors.New("cleanroom: includes: a document is missing")
	}
	merged, err := Merge(s, part)
	if err != nil {
		return err
	}
	want, err := merged.Encode()
	if err != nil {
		return err
	}
	got, err := s.Encode()
	if err != nil {
		return err
	}
	if line, text, instead := firstLine(want, got); line != 0 {
		return fmt.Errorf("cleanroom: includes: the document leaves out a part that was shared: with it, line %d would be %q, not %q", line, text, instead)
	}
	return nil
}
