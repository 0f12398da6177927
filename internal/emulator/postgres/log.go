package postgres

import (
	"bytes"
	"strings"
	"sync"
)

// serverLog receives what the server reports. It keeps the end, for messages,
// and tells waiters when a line arrives.
type serverLog struct {
	mu      sync.Mutex
	lines   []string
	partial []byte
	waiters []waiter
}

type waiter struct {
	text string
	seen chan struct{}
}

// keptLines bounds the log; a starting server writes about ten.
const keptLines = 100

// maxLine bounds a line without an end.
const maxLine = 16 << 10

func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found && len(line) < maxLine {
			return len(p), nil
		}
		l.add(string(line))
		l.partial = append([]byte(nil), rest...)
	}
}

func (l *serverLog) add(line string) {
	if len(l.lines) == keptLines {
		l.lines = l.lines[1:]
	}
	l.lines = append(l.lines, line)
	kept := l.waiters[:0]
	for _, w := range l.waiters {
		if strings.Contains(line, w.text) {
			close(w.seen)
		} else {
			kept = append(kept, w)
		}
	}
	l.waiters = kept
}

// expect returns a channel that is closed with the next line holding text. Call
// it before what causes the line.
func (l *serverLog) expect(text string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := waiter{text, make(chan struct{})}
	l.waiters = append(l.waiters, w)
	return w.seen
}

func (l *serverLog) contains(text string) bool { return strings.Contains(l.String(), text) }

func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(strings.Join(l.lines, "\n") + "\n" + string(l.partial))
}
