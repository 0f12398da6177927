package party

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/datasink"
)

// TestProgress draws one line over itself, and leaves none.
func TestProgress(t *testing.T) {
	var b bytes.Buffer
	clock := time.Unix(1, 0)
	tell := drawProgress(&b, func() time.Time { clock = clock.Add(60 * time.Millisecond); return clock })
	for _, done := range []int64{0, 100, 2 << 20, 3 << 20, 4 << 20} {
		tell(datasink.Progress{Name: "a\x1b", Done: done, Total: 4 << 20})
	}
	const want = "\r\ra\\x1b  0 B of 4.0 MiB, 0%  [....................]" + "\r                                                 \ra\\x1b  2.0 MiB of 4.0 MiB, 50%  [##########..........]" + "\r                                                      \r"
	if b.String() != want {
		t.Errorf("drew %q, want %q", b.String(), want)
	}
}

// TestProgressIsForTerminals alone.
func TestProgressIsForTerminals(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if Progress(f) != nil || Progress(&bytes.Buffer{}) != nil {
		t.Error("a file is told of progress")
	}
}

// TestTelling tells of a download as its bytes arrive, and of none where nobody
// looks.
func TestTelling(t *testing.T) {
	var b bytes.Buffer
	if telling(&b, nil, "a", 4) != io.Writer(&b) {
		t.Error("a writer was wrapped")
	}
	var told []int64
	w := telling(&b, func(p datasink.Progress) { told = append(told, p.Done, p.Total) }, "a", 4)
	for range 2 {
		if _, err := io.WriteString(w, "xy"); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(told, []int64{0, 4, 2, 4, 4, 4}) || b.String() != "xyxy" {
		t.Errorf("told %v, wrote %q", told, b.String())
	}
}
