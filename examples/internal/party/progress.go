package party

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/examples/internal/terminal"
	"github.com/cleanroom-go/sdk/internal/check"
)

func (o *Options) progress() func(datasink.Progress) {
	if o.Progress != nil {
		return o.Progress
	}
	return Progress(o.Stderr)
}

// Progress tells a person at the terminal how far a transfer is, on one line
// that is gone when it is done. It is nil where nobody looks.
func Progress(w io.Writer) func(datasink.Progress) {
	if !terminal.Is(w) {
		return nil
	}
	return drawProgress(w, time.Now)
}

// drawProgress draws at most ten times a second, and the end.
func drawProgress(w io.Writer, now func() time.Time) func(datasink.Progress) {
	var last time.Time
	drawn := 0
	return func(p datasink.Progress) {
		done := p.Total >= 0 && p.Done == p.Total
		if t := now(); !done && t.Sub(last) < 100*time.Millisecond {
			return
		} else {
			last = t
		}
		line := ""
		if !done {
			line = fmt.Sprintf("%s  %s", check.Printable(p.Name), bytesText(p.Done))
			if p.Total > 0 {
				line += fmt.Sprintf(" of %s, %d%%  %s", bytesText(p.Total), 100*p.Done/p.Total, barText(p.Done, p.Total))
			}
		}
		fmt.Fprintf(w, "\r%s\r%s", strings.Repeat(" ", drawn), line)
		drawn = len(line)
	}
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, i := float64(n)/unit, 0
	for value >= unit && i < 4 {
		value, i = value/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[i])
}

// barText is a bar of twenty places.
func barText(done, total int64) string {
	const places = 20
	n := int(min(max(places*done/total, 0), places))
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", places-n) + "]"
}

// telling is w, and tells how much of total went through it.
func telling(w io.Writer, tell func(datasink.Progress), name string, total int64) io.Writer {
	if tell == nil {
		return w
	}
	tell(datasink.Progress{Name: name, Total: total})
	return &teller{w, tell, datasink.Progress{Name: name, Total: total}}
}

type teller struct {
	w    io.Writer
	tell func(datasink.Progress)
	p    datasink.Progress
}

func (t *teller) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	t.p.Done += int64(n)
	t.tell(t.p)
	return n, err
}
