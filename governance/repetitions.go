package governance

import "crypto/sha256"

// maxRepetitions is how many events lie at most between one and its repetition.
// A room repeats within minutes, and the memory of a reader has to end.
const maxRepetitions = 4096

// eventKey is what an event and its repetition have in common, beside id and
// scope, which are those of the whole range. No room signs two events with one
// time.
type eventKey struct {
	time int64
	data [sha256.Size]byte
}

// once leaves out the repetitions of the last events that went through it.
func once(yield func(Event) bool) func(Event) bool {
	seen := map[eventKey]bool{}
	var recent []eventKey // a ring when it is full
	oldest := 0
	return func(e Event) bool {
		k := eventKey{e.Time.UnixMilli(), sha256.Sum256(e.Data)}
		if seen[k] {
			return true
		}
		seen[k] = true
		if len(recent) < maxRepetitions {
			recent = append(recent, k)
		} else {
			delete(seen, recent[oldest])
			recent[oldest] = k
			oldest = (oldest + 1) % maxRepetitions
		}
		return yield(e)
	}
}
