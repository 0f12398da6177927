package record

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cleanroom-go/sdk/internal/check"
)

// What is kept of a text, in bytes. Hosts and paths are the longest that real
// services have, with room to spare; a check may compare lists of claims.
const (
	maxName    = 200
	maxPath    = 400
	maxText    = 2000
	maxSegment = 100
	// maxVerdict is for all checks of a verdict, so that its line stays below
	// maxLine even if JSON escapes every byte.
	maxVerdict = 24_000
)

// cut bounds a text and makes it one line that obeys nothing.
func cut(s string, most int) string {
	s = check.Printable(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > most {
		end := most
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end] + "..."
	}
	return s
}

// cutPath bounds a path. A segment that is longer than a digest or an id is
// something else, perhaps a token: of it the length alone is kept.
func cutPath(p string) string {
	p, query, found := strings.Cut(p, "?")
	segments := strings.Split(p, "/")
	for i, s := range segments {
		if len(s) > maxSegment {
			segments[i] = fmt.Sprintf("(%d characters)", len(s))
		}
	}
	p = strings.Join(segments, "/")
	if found {
		p += "?" + query
	}
	return cut(p, maxPath)
}

// bound cuts all texts of an entry, which may come from another party's file.
// It changes copies, never what the caller holds.
func (e *Entry) bound() {
	e.Party = cut(e.Party, maxName)
	e.Omitted = max(e.Omitted, 0)
	if x := e.Exchange; x != nil {
		c := *x
		c.Method, c.Host, c.Path = cut(c.Method, 20), cut(c.Host, maxName), cutPath(c.Path)
		c.Request, c.Response, c.Failure = cut(c.Request, maxText), cut(c.Response, maxText), cut(c.Failure, maxName)
		c.Duration = max(c.Duration, 0)
		e.Exchange = &c
	}
	if x := e.Step; x != nil {
		e.Step = &Step{cut(x.Text, maxText)}
	}
	if x := e.Call; x != nil {
		e.Call = &Call{cut(x.To, maxName), cut(x.Text, maxText)}
	}
	if x := e.Proposal; x != nil {
		e.Proposal = &Proposal{cut(x.ID, maxName), cut(x.What, maxName), cut(x.State, maxName)}
	}
	if x := e.Vote; x != nil {
		e.Vote = &Vote{cut(x.ID, maxName), cut(x.What, maxName), x.Against, cut(x.State, maxName)}
	}
	if x := e.Measurement; x != nil {
		e.Measurement = &Measurement{cut(x.Name, maxName), cut(x.Value, maxName), x.Size}
	}
	if x := e.Verdict; x != nil {
		e.Verdict = x.bounded()
	}
	if x := e.Amount; x != nil {
		e.Amount = &Amount{cut(x.Name, maxName), x.Value, cut(x.Unit, 20)}
	}
}

// bounded leaves out checks that are too much, those that passed first.
func (v *Verdict) bounded() *Verdict {
	c := &Verdict{Op: cut(v.Op, maxName), By: cut(v.By, maxName), Denied: v.Denied, Omitted: max(v.Omitted, 0)}
	left := maxVerdict
	keep := make([]bool, len(v.Checks))
	for _, passed := range []bool{false, true} {
		for i, k := range v.Checks {
			if k.Passed == passed && left > 0 {
				k = k.bounded()
				left -= len(k.ID) + len(k.Want) + len(k.Got) + len(k.Remedy) + 60
				keep[i] = left > 0
			}
		}
	}
	for i, k := range v.Checks {
		if keep[i] {
			c.Checks = append(c.Checks, k.bounded())
		} else {
			c.Omitted++
		}
	}
	return c
}

func (k Check) bounded() Check {
	return Check{cut(k.ID, maxName), k.Passed, cut(k.Want, maxText), cut(k.Got, maxText), cut(k.Remedy, maxText)}
}
