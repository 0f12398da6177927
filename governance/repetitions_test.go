package governance

import (
	"encoding/json"
	"testing"
	"time"
)

// TestRepetitions has what tells events apart, and where the memory ends.
func TestRepetitions(t *testing.T) {
	event := func(ms int64, data string) Event { return Event{Time: time.UnixMilli(ms), Data: json.RawMessage(data)} }
	given := 0
	yield := once(func(Event) bool { given++; return true })
	want := func(what string, n int) {
		t.Helper()
		if given != n {
			t.Errorf("%s: %d events, want %d", what, given, n)
		}
	}
	yield(event(1, `{}`))
	yield(event(1, `{"n":1}`))
	yield(event(2, `{}`))
	want("others", 3)
	yield(event(1, `{}`))
	yield(event(2, `{}`))
	want("repetitions", 3)
	for i := range int64(maxRepetitions - 3) {
		yield(event(3+i, `{}`))
	}
	yield(event(1, `{}`))
	want("a repetition as late as can be", maxRepetitions)
	yield(event(0, `{}`))
	yield(event(1, `{}`))
	want("one that comes too late", maxRepetitions+2)
	if once(func(Event) bool { return false })(event(1, `{}`)) {
		t.Error("goes on after the reader stopped")
	}
}
