package party

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/internal/check"
)

// isTerminal says whether a person looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progress tells a person at the terminal how far a transfer is, on one line
// that is gone when it is done. It is nil where nobody looks.
func progress(w io.Writer) func(datasink.Progress) {
	if !isTerminal(w) {
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
				line += fmt.Sprintf(" of %s, %d%%", bytesText(p.Total), 100*p.Done/p.Total)
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
