package record

import (
	"fmt"
	"slices"
	"time"
)

// timeline is what was under way when, one lane for each party. Places are
// per cent of the whole time.
type timeline struct {
	Total time.Duration
	Ticks []tick
	Lanes []lane
}

type tick struct {
	Place  string
	Text   string
	Anchor string
}

type lane struct {
	Party  string
	Colour int
	Bars   []bar
	Marks  []mark
}

type bar struct {
	Place, Width, Title string
	Tone                tone
}

type mark struct {
	Place, Title string
	Denied       bool
}

const maxBars = 3000

func (r *Record) timeline(colours map[string]int) timeline {
	var t timeline
	if len(r.Entries) == 0 {
		return t
	}
	begin, end := r.Entries[0].Time, r.Entries[0].Time
	for _, e := range r.Entries {
		at := e.Time
		if e.Exchange != nil {
			at = at.Add(e.Exchange.Duration)
		}
		if at.After(end) {
			end = at
		}
	}
	t.Total = end.Sub(begin)
	whole := max(float64(t.Total), 1)
	percent := func(d time.Duration) float64 { return min(max(100*float64(d)/whole, 0), 100) }
	place := func(at time.Time) string { return fmt.Sprintf("%.3f%%", percent(at.Sub(begin))) }
	bars := 0
	for _, e := range r.Entries {
		i := slices.IndexFunc(t.Lanes, func(l lane) bool { return l.Party == e.Party })
		if i < 0 {
			i = len(t.Lanes)
			t.Lanes = append(t.Lanes, lane{Party: e.Party, Colour: colours[e.Party]})
		}
		if bars++; bars > maxBars {
			continue
		}
		l := &t.Lanes[i]
		switch {
		case e.Exchange != nil:
			x := e.Exchange
			title := fmt.Sprintf("%s %s, %s, %s", x.title(), x.Host, x.outcome(), duration(x.Duration))
			l.Bars = append(l.Bars, bar{place(e.Time), fmt.Sprintf("%.3f%%", max(percent(x.Duration), 0.12)), title, x.tone()})
		case e.Step != nil:
			l.Marks = append(l.Marks, mark{place(e.Time), e.Step.Text, false})
		case e.Verdict != nil && e.Verdict.Denied:
			l.Marks = append(l.Marks, mark{place(e.Time), "denied: " + e.Verdict.Op + ", by " + e.Verdict.By, true})
		}
	}
	const parts = 4
	for i := range parts + 1 {
		at, anchor := t.Total*time.Duration(i)/parts, "middle"
		if i == 0 {
			anchor = "start"
		}
		if i == parts {
			anchor = "end"
		}
		t.Ticks = append(t.Ticks, tick{fmt.Sprintf("%d%%", 100*i/parts), duration(at), anchor})
	}
	return t
}
