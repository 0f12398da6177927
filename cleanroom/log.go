package cleanroom

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// maxLog bounds the application's log, which is kept in memory until the room
// is left: a file in the room would outlive it in clear.
const maxLog = 4 << 20

// logBuffer collects the log, whole lines only. After its limit it counts what
// it leaves out.
type logBuffer struct {
	mu      sync.Mutex
	lines   bytes.Buffer
	limit   int
	dropped int
}

// Write takes one record, which slog's handlers write in one call.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped > 0 || b.lines.Len()+len(p) > b.limit {
		b.dropped++
		return len(p), nil
	}
	return b.lines.Write(p)
}

// WriteTo writes the log so far and, if it was cut, a last line that says so.
func (b *logBuffer) WriteTo(w io.Writer) (int64, error) {
	b.mu.Lock()
	text := bytes.Clone(b.lines.Bytes())
	if b.dropped > 0 {
		text = fmt.Appendf(text, `{"level":"WARN","msg":"log truncated: %d further records are left out, the log holds %d bytes"}`+"\n", b.dropped, b.limit)
	}
	b.mu.Unlock()
	n, err := w.Write(text)
	return int64(n), err
}

// bothHandlers hands each record to the room's log and to the one on stderr.
type bothHandlers [2]slog.Handler

// newLogHandler logs JSON lines into b from level info, and into outer.
func newLogHandler(b *logBuffer, outer slog.Handler) slog.Handler {
	return bothHandlers{slog.NewJSONHandler(b, nil), outer}
}

// Enabled implements slog.Handler.
func (h bothHandlers) Enabled(ctx context.Context, level slog.Level) bool {
	return h[0].Enabled(ctx, level) || h[1].Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h bothHandlers) Handle(ctx context.Context, r slog.Record) error {
	var errs [2]error
	for i, handler := range h {
		if handler.Enabled(ctx, r.Level) {
			errs[i] = handler.Handle(ctx, r.Clone())
		}
	}
	return errors.Join(errs[:]...)
}

// WithAttrs implements slog.Handler.
func (h bothHandlers) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bothHandlers{h[0].WithAttrs(attrs), h[1].WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h bothHandlers) WithGroup(name string) slog.Handler {
	return bothHandlers{h[0].WithGroup(name), h[1].WithGroup(name)}
}

var _ slog.Handler = bothHandlers{}
