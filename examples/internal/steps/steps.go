// Package steps reports what the example programs do: one line per step for a
// person, or one JSON object per line for another program.
package steps

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/internal/wirelog"
	"github.com/cleanroom-go/sdk/record"
)

// Parties of a collaboration, in the order of the columns.
const (
	Publisher  = "publisher"
	Consumer   = "consumer"
	Governance = "governance"
	Room       = "room"
	Local      = "local"
)

// Step is one thing that was done.
type Step struct {
	Party string `json:"party"`
	// Features are the numbers of the scenario's steps that this one covers,
	// for programs; a person reads the text.
	Features []int  `json:"features,omitempty"`
	Text     string `json:"text"`
	// Requests counts the HTTP exchanges since the step before, and
	// Connections the TLS connections opened since then, by host.
	Requests    int            `json:"requests"`
	Connections map[string]int `json:"connections,omitempty"`
	// Values carries results for the program that started this one.
	Values map[string]string `json:"values,omitempty"`
}

// Reporter writes steps. It may be used from several goroutines.
type Reporter struct {
	mu      sync.Mutex
	out     io.Writer
	json    bool
	verbose bool
	colours bool
	wire    *wirelog.Log
	record  *record.Recorder
	before  int
	opened  map[string]int
	party   string
	err     error // of the first write that failed
}

// Err is the first failure to write a step: a reader who is gone was not told
// what happened.
func (r *Reporter) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Printf writes a text of its own after the steps.
func (r *Reporter) Printf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.printf(format, args...)
}

func (r *Reporter) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(r.out, format, args...); err != nil && r.err == nil {
		r.err = err
	}
}

// Options of a Reporter.
type Options struct {
	// JSON asks for JSON lines.
	JSON bool
	// Verbose adds the number of requests to each line.
	Verbose bool
	// Colours gives each party one.
	Colours bool
	// Wire counts the requests; nil means that they are not counted.
	Wire *wirelog.Log
	// Record gets each step; nil means that nobody records.
	Record *record.Recorder
}

// New makes a reporter that writes to out.
func New(out io.Writer, o Options) *Reporter {
	r := &Reporter{out: out, json: o.JSON, verbose: o.Verbose, colours: o.Colours, wire: o.Wire, record: o.Record}
	if r.wire != nil {
		r.before, r.opened = r.wire.Count(), r.wire.Connections()
	}
	return r
}

// Step reports a finished step.
func (r *Reporter) Step(party, text string, features ...int) {
	r.Write(Step{Party: party, Text: text, Features: features})
}

// Result reports a finished step that has values for the program that started
// this one.
func (r *Reporter) Result(party, text string, values map[string]string, features ...int) {
	r.Write(Step{Party: party, Text: text, Values: values, Features: features})
}

// Write reports a step, adding the counts of its requests.
func (r *Reporter) Write(s Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record.Add(record.Entry{Step: &record.Step{Text: s.Text}})
	if r.wire != nil {
		count, opened := r.wire.Count(), r.wire.Connections()
		s.Requests = count - r.before
		s.Connections = map[string]int{}
		for host, n := range opened {
			if more := n - r.opened[host]; more > 0 {
				s.Connections[host] = more
			}
		}
		r.before, r.opened = count, opened
	}
	if r.json {
		b, err := json.Marshal(s)
		if err != nil {
			panic("steps: internal error: " + err.Error())
		}
		r.printf("%s\n", b)
		return
	}
	r.print(s)
}

// print writes a line below the party's name, which stands there only when it
// changes: the lines of one party are one group.
func (r *Reporter) print(s Step) {
	var b strings.Builder
	name := ""
	if s.Party != r.party {
		if r.party != "" {
			b.WriteByte('\n')
		}
		name, r.party = s.Party, s.Party
	}
	// Other parties' names and texts come in here.
	column := fmt.Sprintf("%-11s", check.Printable(name))
	if r.colours {
		column = "\x1b[1;" + colour(name) + "m" + column + "\x1b[0m"
	}
	fmt.Fprintf(&b, "%s %s", column, check.Printable(s.Text))
	if r.verbose && s.Requests > 0 {
		fmt.Fprintf(&b, "  (%d %s", s.Requests, plural(s.Requests, "request"))
		for _, host := range slices.Sorted(maps.Keys(s.Connections)) {
			fmt.Fprintf(&b, ", +%d to %s", s.Connections[host], host)
		}
		b.WriteByte(')')
	}
	r.printf("%s\n", b.String())
}

// colour of a party's name, by the numbers that every terminal knows.
func colour(party string) string {
	switch party {
	case Publisher:
		return "33"
	case Consumer:
		return "35"
	case Governance:
		return "34"
	case Room:
		return "32"
	}
	return "39"
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// Short cuts a long id for a line of text.
func Short(id string) string {
	if len(id) > 8 {
		return id[:8]
	}
	return id
}
