package record

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// maxArrows is how many arrows a diagram has at most.
const maxArrows = 1500

// WriteMermaid writes the run as a sequence diagram in the language of Mermaid,
// every exchange with its status; equal ones in a row are one arrow with their
// number. Each step of a party stands above the exchanges that led to it. The parties' own words cannot end a line or begin another statement.
func (r *Record) WriteMermaid(w io.Writer) error {
	r = r.bounded()
	stages := r.stages((*stage).each)
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "sequenceDiagram")
	ids := map[string]string{}
	for i, p := range participants(stages) {
		key, word := p.name, "participant"
		label := p.kind + " " + p.label
		if p.kind == "party" {
			key, word, label = "p:"+p.name, "actor", p.name
		}
		ids[key] = fmt.Sprintf("n%d", i)
		fmt.Fprintf(b, "  %s n%d as %s\n", word, i, mermaidText(label, 60))
	}
	arrows := 0
	for _, s := range stages {
		from := ids["p:"+s.party]
		if from == "" {
			continue // a party that called nobody has no line
		}
		if s.title != "" {
			fmt.Fprintf(b, "  Note over %s: %s\n", from, mermaidText(s.title, 160))
		}
		for _, a := range s.acts {
			if arrows++; arrows > maxArrows {
				continue
			}
			text := mermaidText(a.text, 120)
			if a.count > 1 {
				text += fmt.Sprintf(" (%d times)", a.count)
			}
			switch {
			case a.to == "":
				fmt.Fprintf(b, "  Note right of %s: %s\n", from, text)
			case a.tone == toneBad:
				fmt.Fprintf(b, "  %s-x%s: %s\n", from, ids[a.to], text)
			default:
				fmt.Fprintf(b, "  %s->>%s: %s\n", from, ids[a.to], text)
			}
		}
		if s.verdict != nil {
			fmt.Fprintf(b, "  Note over %s: DENIED %s, by %s\n", from, mermaidText(s.verdict.Op, 120), mermaidText(s.verdict.By, 60))
			for _, c := range s.verdict.Checks {
				if !c.Passed {
					fmt.Fprintf(b, "  Note over %s: %s: wanted %s, got %s\n", from, mermaidText(c.ID, 60), mermaidText(c.Want, 60), mermaidText(c.Got, 60))
				}
			}
		}
	}
	if more := arrows - maxArrows; more > 0 {
		fmt.Fprintf(b, "  %%%% %d more arrows are left out\n", more)
	}
	return b.Flush()
}

// mermaidText makes a text a label. Mermaid ends a statement at a semicolon,
// a comment begins with two per cent signs, entities with a number sign, and
// its renderers draw labels as HTML: all of that is replaced by the entities
// that it draws as the characters.
func mermaidText(s string, most int) string {
	var b strings.Builder
	for _, c := range short(s, most) {
		if strings.ContainsRune("#;<>&\"`%{}\\", c) {
			fmt.Fprintf(&b, "#%d;", c)
			continue
		}
		b.WriteRune(c)
	}
	if b.Len() == 0 {
		return "?"
	}
	return b.String()
}
