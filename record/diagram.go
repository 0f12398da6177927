package record

import (
	"cmp"
	"fmt"
	"time"
)

// Measures of the diagram, in CSS pixels. Glyph is the mean width of a letter
// of the labels, with which the notes are made wide enough.
const (
	column, leastWidth, edge = 96, 680, 56
	row, firstRow, glyph     = 26, 22, 6.3
	maxLabel                 = 72
)

// diagram is the sequence diagram: columns for who calls and who is called,
// and below them the stages.
type diagram struct {
	Column, Width int
	Columns       []columnView
	Stages        []stageView
	Unseen        int
}

type columnView struct {
	Kind, Label, Name string
	Party             int // colour, -1 for a host
}

type stageView struct {
	Party, Title string
	Colour       int
	Requests     int
	Took         string
	Height       int
	Arrows       []arrowView
	Notes        []noteView
	Denial       *verdictView
	// Said is what the drawing shows, for those who do not see it.
	Said string
}

type arrowView struct {
	X1, X2, Y, Tip, LabelX, LabelY int
	Label, Title                   string
	Tone                           tone
}

type noteView struct {
	X, Y, Width, TextX, TextY int
	Text                      string
}

func (r *Record) diagram(colours map[string]int, labels map[string]string) diagram {
	stages := r.stages((*stage).summed)
	var d diagram
	places := map[string]int{}
	for i, p := range participants(stages) {
		key, colour := "h:"+p.name, -1
		if p.kind == "party" {
			key, colour = "p:"+p.name, colours[p.name]
		} else if label := labels[p.name]; label != "" {
			p.kind, p.label = label, p.name
		}
		places[key] = i
		d.Columns = append(d.Columns, columnView{p.kind, p.label, p.name, colour})
	}
	d.Column = column
	if n := len(d.Columns); n > 1 {
		d.Column = max(column, (leastWidth-2*edge)/(n-1))
		d.Width = 2*edge + (n-1)*d.Column
	}
	d.Width = max(d.Width, leastWidth)
	x := func(key string) int { return edge + places[key]*d.Column }
	drawn, denials := 0, 0
	for _, s := range stages {
		v := stageView{Party: s.party, Title: s.title, Colour: colours[s.party]}
		var took time.Duration
		y := firstRow
		for _, a := range s.acts {
			if drawn++; drawn > maxArrows {
				d.Unseen++
				continue
			}
			if a.to == "" {
				text := short(a.text, maxLabel)
				left := x("p:"+s.party) - 10
				v.Notes = append(v.Notes, noteView{X: left, Y: y - 14, Width: 20 + int(glyph*float64(len([]rune(text)))), TextX: left + 10, TextY: y, Text: text})
			} else {
				v.Arrows = append(v.Arrows, arrow(x("p:"+s.party), x("h:"+a.to), y, &a))
				v.Requests += a.count
				took += a.took
			}
			y += row
			v.Said += said(&a)
		}
		if len(s.acts) > 0 {
			v.Height = y - row + 18
		}
		if took > 0 {
			v.Took = duration(took)
		}
		if s.verdict != nil {
			denial := s.verdict.view(s.party, colours)
			denials++
			denial.Number = denials
			v.Denial = &denial
		}
		if v.Title != "" || v.Height > 0 || v.Denial != nil {
			d.Stages = append(d.Stages, v)
		}
	}
	return d
}

func arrow(from, to, y int, a *act) arrowView {
	label := short(a.text, maxLabel)
	if a.others > 0 {
		label += fmt.Sprintf("  +%d", a.others)
	} else if a.count > 1 {
		label += fmt.Sprintf("  ×%d", a.count)
	}
	back := 7 * cmp.Compare(from, to)
	return arrowView{X1: from, X2: to, Y: y + 5, Tip: to + back, LabelX: min(from, to) + 10, LabelY: y, Label: label, Title: a.text, Tone: a.tone}
}

func said(a *act) string {
	switch {
	case a.to == "":
		return a.text + ". "
	case a.count > 1:
		return fmt.Sprintf("To %s: %s, %d requests. ", a.to, a.text, a.count)
	}
	return fmt.Sprintf("To %s: %s. ", a.to, a.text)
}
