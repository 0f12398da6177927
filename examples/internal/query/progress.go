package query

import (
	"fmt"
	"io"
	"time"

	"github.com/cleanroom-go/sdk/examples/internal/terminal"
)

// rowProgress tells a person at the terminal how many rows have been written,
// on one line that is gone when done is called. Where nobody looks tell is nil:
// it is for a program that is tried out at the desk.
func rowProgress(w io.Writer) (tell func(rows, bytes int64), done func()) {
	if !terminal.Is(w) {
		return nil, func() {}
	}
	var last time.Time
	return func(rows, bytes int64) {
			if now := time.Now(); now.Sub(last) >= 100*time.Millisecond {
				last = now
				fmt.Fprintf(w, "\r\x1b[K%d rows, %d KiB", rows, bytes>>10)
			}
		}, func() {
			if !last.IsZero() {
				fmt.Fprint(w, "\r\x1b[K")
			}
		}
}
