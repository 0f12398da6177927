package party

import (
	"bytes"
	"os"
	"path/filepath"
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
	const want = "\r\ra\\x1b  0 B of 4.0 MiB, 0%" + "\r                         \ra\\x1b  2.0 MiB of 4.0 MiB, 50%" + "\r                              \r"
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
	if progress(f) != nil || progress(&bytes.Buffer{}) != nil {
		t.Error("a file is told of progress")
	}
}
