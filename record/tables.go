package record

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

type proposalView struct {
	What, ID, By, State string
	Colour              int
	Votes               []voteView
}

type voteView struct {
	Party   string
	Colour  int
	Against bool
}

// proposals joins what was proposed and who voted for it, by the id. A vote of
// a party that proposed elsewhere makes a row of its own.
func (r *Record) proposals(colours map[string]int) []proposalView {
	var list []proposalView
	at := func(id, what string) *proposalView {
		key := first(id, what)
		i := slices.IndexFunc(list, func(p proposalView) bool { return first(p.ID, p.What) == key })
		if i < 0 {
			i = len(list)
			list = append(list, proposalView{What: what, ID: id})
		}
		return &list[i]
	}
	for _, e := range r.Entries {
		switch {
		case e.Proposal != nil:
			p := at(e.Proposal.ID, e.Proposal.What)
			p.What, p.By, p.Colour = first(e.Proposal.What, p.What), e.Party, colours[e.Party]
			p.State = first(e.Proposal.State, p.State)
		case e.Vote != nil:
			p := at(e.Vote.ID, e.Vote.What)
			p.State = first(e.Vote.State, p.State)
			p.Votes = append(p.Votes, voteView{e.Party, colours[e.Party], e.Vote.Against})
		}
	}
	return list
}

type measurementView struct {
	Party, Name, Value, Size string
	Colour                   int
	// Mark is the same letter for the same value. Other is true for a value
	// that is not the one that was met first.
	Mark  string
	Other bool
}

func (r *Record) measurements(colours map[string]int) []measurementView {
	marks := map[string]string{}
	var list []measurementView
	for _, e := range r.Entries {
		m := e.Measurement
		if m == nil {
			continue
		}
		if marks[m.Value] == "" {
			marks[m.Value] = fmt.Sprint(len(marks) + 1)
			if n := len(marks); n <= 26 {
				marks[m.Value] = string(rune('A' + n - 1))
			}
		}
		v := measurementView{Party: e.Party, Name: m.Name, Value: m.Value, Colour: colours[e.Party], Mark: marks[m.Value], Other: marks[m.Value] != "A"}
		if m.Size > 0 {
			v.Size = size(m.Size)
		}
		list = append(list, v)
	}
	return list
}

type verdictView struct {
	Party, Op, By  string
	Number         int // of a denial, from 1
	Colour         int
	Denied         bool
	Passed, Failed []Check
	Omitted        int
}

func (v *Verdict) view(party string, colours map[string]int) verdictView {
	out := verdictView{Party: party, Op: v.Op, By: v.By, Colour: colours[party], Denied: v.Denied, Omitted: v.Omitted}
	for _, c := range v.Checks {
		if c.Passed {
			out.Passed = append(out.Passed, c)
		} else {
			out.Failed = append(out.Failed, c)
		}
	}
	return out
}

func (r *Record) verdicts(colours map[string]int, denied bool) []verdictView {
	var list []verdictView
	for _, e := range r.Entries {
		if e.Verdict != nil && e.Verdict.Denied == denied {
			list = append(list, e.Verdict.view(e.Party, colours))
			list[len(list)-1].Number = len(list)
		}
	}
	return list
}

type amountView struct {
	Party, Name, Value, Unit string
	Colour                   int
}

func (r *Record) amounts(colours map[string]int) []amountView {
	var list []amountView
	for _, e := range r.Entries {
		a := e.Amount
		if a == nil {
			continue
		}
		v := amountView{e.Party, a.Name, fmt.Sprint(a.Value), a.Unit, colours[e.Party]}
		if a.Unit == "bytes" {
			v.Value, v.Unit = size(a.Value), ""
		}
		list = append(list, v)
	}
	return list
}

// matrix counts requests by host and party.
type matrix struct {
	Parties []lane
	Rows    []matrixRow
	Sums    []int
	Total   int
}

type matrixRow struct {
	Host, Kind string
	Counts     []int
	Total      int
	New        int
	Moved      string
}

func (r *Record) matrix(colours map[string]int) matrix {
	var m matrix
	columns, rows, moved := map[string]int{}, map[string]*matrixRow{}, map[string]int64{}
	for _, e := range r.Entries {
		if _, there := columns[e.Party]; e.Exchange != nil && !there {
			columns[e.Party] = len(m.Parties)
			m.Parties = append(m.Parties, lane{Party: e.Party, Colour: colours[e.Party]})
		}
	}
	m.Sums = make([]int, len(m.Parties))
	for _, e := range r.Entries {
		x := e.Exchange
		if x == nil {
			continue
		}
		row := rows[x.Host]
		if row == nil {
			row = &matrixRow{Host: x.Host, Kind: hostParticipant(x.Host).kind, Counts: make([]int, len(m.Parties))}
			rows[x.Host] = row
		}
		row.Counts[columns[e.Party]]++
		row.Total++
		if x.NewConnection {
			row.New++
		}
		moved[x.Host] += max(x.Sent, 0) + max(x.Received, 0)
		m.Sums[columns[e.Party]]++
		m.Total++
	}
	for _, row := range slices.SortedFunc(maps.Values(rows), func(a, b *matrixRow) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Host, b.Host))
	}) {
		row.Moved = size(moved[row.Host])
		m.Rows = append(m.Rows, *row)
	}
	return m
}

type exchangeView struct {
	At, Party, Method, Host, Path, Request, Response, Sent, Received, Outcome, Took string
	Colour                                                                          int
	Tone                                                                            tone
}

func (r *Record) exchanges(colours map[string]int) (list []exchangeView, more int) {
	for _, e := range r.Entries {
		x := e.Exchange
		if x == nil {
			continue
		}
		if len(list) == maxListed {
			more++
			continue
		}
		list = append(list, exchangeView{
			At: "+" + duration(e.Time.Sub(r.Entries[0].Time)), Party: e.Party, Method: x.Method, Host: x.Host, Path: x.Path, Request: x.Request, Response: x.Response,
			Sent: size(x.Sent), Received: size(x.Received), Outcome: x.outcome(), Took: duration(x.Duration), Colour: colours[e.Party], Tone: x.tone(),
		})
	}
	return list, more
}
