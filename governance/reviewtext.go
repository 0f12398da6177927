package governance

import (
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/internal/check"
)

// String shows the whole review on lines that a terminal can show: characters
// that would move the cursor or turn the direction of writing are escaped, so
// that no text of another party can look like a line of the review.
func (r *Review) String() string {
	var b strings.Builder
	p := r.Proposal
	fmt.Fprintf(&b, "proposal %s by %s: %s, ballots: %d\n", p.ID, check.Printable(r.Proposer), p.State, p.BallotCount)
	for i, c := range r.Changes {
		fmt.Fprintf(&b, "\n%d. %s: %s\n", i+1, check.Printable(c.Action), check.Printable(c.Subject))
		c.write(&b)
	}
	if len(r.Warnings) > 0 {
		b.WriteString("\n")
	}
	for _, w := range r.Warnings {
		where := "the proposal"
		if w.Action >= 0 {
			where = fmt.Sprintf("action %d", w.Action+1)
		}
		fmt.Fprintf(&b, "warning %s, %s: %s\n\tremedy %s\n", w.ID, where, check.Printable(w.Text), w.Remedy)
	}
	return b.String()
}

func (c Change) write(b *strings.Builder) {
	for _, d := range c.Differences {
		d.write(b)
	}
	writeBlock(b, c.TextDiff)
	if c.DraftDiff != "" {
		b.WriteString("   since the draft that was read:\n")
		writeBlock(b, c.DraftDiff)
	}
	switch {
	case !c.Known:
		writeBlock(b, indented(c.Args))
	case len(c.Differences) == 0 && c.TextDiff == "":
		b.WriteString("   nothing changes\n")
	}
}

func (d Difference) write(b *strings.Builder) {
	path, before, after := check.Printable(d.Path), check.Printable(d.Before), check.Printable(d.After)
	switch {
	case d.Stays():
		fmt.Fprintf(b, "   = %s: %s\n", path, before)
	case d.Before == "":
		fmt.Fprintf(b, "   + %s: %s\n", path, after)
	case d.After == "":
		fmt.Fprintf(b, "   - %s: %s\n", path, before)
	default:
		fmt.Fprintf(b, "   - %s: %s\n   + %s: %s\n", path, before, path, after)
	}
}

func writeBlock(b *strings.Builder, text string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		b.WriteString("   | " + check.Printable(line) + "\n")
	}
}
