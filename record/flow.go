package record

import (
	"slices"
	"strings"
	"time"
)

// stage is what one party did up to one of its steps: the unit of the diagrams.
type stage struct {
	party string
	title string // empty for what came after the last step
	end   time.Time
	acts  []act
	// verdict is the refusal or verification with which the stage ended.
	verdict *Verdict
}

// act is an arrow from the stage's party to another machine, or a note over it.
type act struct {
	to    string // empty for a note
	text  string
	tone  tone
	count int
	// others is how many of count are another call than text says.
	others int
	weight int
	took   time.Duration
}

// tone is how an exchange ended, for its colour and its word.
type tone string

const (
	toneOK   tone = "ok"
	toneSoft tone = "soft" // asked for a token, or told that nothing is there: every run has some
	toneBad  tone = "bad"
)

func (x *Exchange) tone() tone {
	switch {
	case x.Failure != "", x.Status >= 500, x.Status == 400, x.Status == 403, x.Status == 429:
		return toneBad
	case x.Status >= 400:
		return toneSoft
	}
	return toneOK
}

// stages orders what the parties did by the times of their steps. Within a
// stage the exchanges keep their order, and each exchange is in one stage.
func (r *Record) stages(add func(*stage, *Entry)) []*stage {
	open := map[string]*stage{}
	var done []*stage
	at := func(party string) *stage {
		s := open[party]
		if s == nil {
			s = &stage{party: party}
			open[party] = s
		}
		return s
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		s := at(e.Party)
		s.end = e.Time
		switch {
		case e.Step != nil:
			s.title = e.Step.Text
			done = append(done, s)
			delete(open, e.Party)
		case e.Verdict != nil && e.Verdict.Denied:
			s.verdict = e.Verdict
			done = append(done, s)
			delete(open, e.Party)
		default:
			add(s, e)
		}
	}
	for _, s := range open {
		if len(s.acts) > 0 {
			done = append(done, s)
		}
	}
	slices.SortStableFunc(done, func(a, b *stage) int {
		if c := a.end.Compare(b.end); c != 0 {
			return c
		}
		return strings.Compare(a.party, b.party)
	})
	return done
}

// fact adds what is not an exchange.
func (s *stage) fact(e *Entry) {
	switch {
	case e.Call != nil:
		s.acts = append(s.acts, act{to: e.Call.To, text: e.Call.Text, tone: toneOK, count: 1})
	case e.Proposal != nil:
		s.note("proposes: " + first(e.Proposal.What, e.Proposal.ID))
	case e.Vote != nil && e.Vote.Against:
		s.note("votes against: " + first(e.Vote.What, e.Vote.ID))
	case e.Vote != nil:
		s.note("votes for: " + first(e.Vote.What, e.Vote.ID))
	}
}

func (s *stage) note(text string) {
	s.acts = append(s.acts, act{text: text, tone: toneOK, count: 1})
}

// summed adds an exchange to the arrow before it if that leads to the same
// host and ended alike; the arrow then says the weightiest of its calls.
func (s *stage) summed(e *Entry) {
	x := e.Exchange
	if x == nil {
		s.fact(e)
		return
	}
	text, weight := x.title(), x.weight()
	if n := len(s.acts); n > 0 {
		last := &s.acts[n-1]
		// One that is refused for want of a token and repeated is one call.
		if last.to == x.Host && (last.tone == x.tone() || last.tone == toneSoft && x.tone() == toneOK || last.tone == toneOK && x.tone() == toneSoft) {
			last.count++
			last.took += x.Duration
			switch {
			case last.text == text:
				last.tone = x.tone()
			case weight >= last.weight:
				last.text, last.weight, last.tone = text, weight, x.tone()
				last.others = last.count - 1
			default:
				last.others++
			}
			return
		}
	}
	s.acts = append(s.acts, act{to: x.Host, text: text, tone: x.tone(), count: 1, weight: weight, took: x.Duration})
}

// each adds an exchange of its own, or counts it if it is the same again.
func (s *stage) each(e *Entry) {
	x := e.Exchange
	if x == nil {
		s.fact(e)
		return
	}
	text := x.title() + " → " + x.outcome()
	if n := len(s.acts); n > 0 && s.acts[n-1].to == x.Host && s.acts[n-1].text == text {
		s.acts[n-1].count++
		return
	}
	s.acts = append(s.acts, act{to: x.Host, text: text, tone: x.tone(), count: 1})
}

// weight orders the calls of an arrow by what they say about it: a failure
// before a change, a change before a look.
func (x *Exchange) weight() int {
	switch {
	case x.tone() == toneBad:
		return 3
	case x.tone() == toneOK && x.Method != "GET" && x.Method != "HEAD":
		return 2
	case x.tone() == toneOK && !strings.Contains(x.Path, "/tx?"):
		return 1
	}
	return 0
}

// title is method and path, with ids cut: they differ in each run, and the list
// of exchanges has them whole.
func (x *Exchange) title() string {
	path, _, _ := strings.Cut(x.Path, "?")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		id, verb, found := strings.Cut(s, ":")
		if len(id) >= 32 {
			most := 32
			if strings.Trim(id, "0123456789abcdefABCDEF-") == "" {
				most = 8
			}
			segments[i] = short(id, most)
			if found {
				segments[i] += ":" + verb
			}
		}
	}
	return x.Method + " " + strings.Join(segments, "/")
}

func short(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
