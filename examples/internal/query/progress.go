package query

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/examples/internal/terminal"
)

// show prints what was written as one JSON document, if it shall.
func show(asJSON bool, result dbsecret.RowsResult) error {
	if !asJSON {
		return nil
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"rows": result.Rows, "bytes": result.Bytes, "sha256": hex.EncodeToString(result.SHA256[:])})
}

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
