package governance

import (
	"fmt"
	"strings"
)

// maxEdits bounds the search for a small difference. Texts that differ in more
// lines are shown as one replaced by the other, which is correct as well.
const maxEdits = 1000

// diffContext is how many unchanged lines surround a change.
const diffContext = 3

// unified is the difference of two texts as "diff -u" prints it, without the
// two lines that name files; empty if the texts are equal.
func unified(before, after string) string {
	if before == after {
		return ""
	}
	edits := diffLines(lines(before), lines(after))
	var b strings.Builder
	for start := 0; start < len(edits); {
		// A hunk goes on until as many lines stay as would stand around two.
		first := start
		for first < len(edits) && edits[first].kind == ' ' {
			first++
		}
		if first == len(edits) {
			break
		}
		last, same := first, 0
		for i := first; i < len(edits) && same <= 2*diffContext; i++ {
			if edits[i].kind == ' ' {
				same++
			} else {
				last, same = i, 0
			}
		}
		from, to := max(first-diffContext, start), min(last+1+diffContext, len(edits))
		writeHunk(&b, edits[from:to])
		start = to
	}
	return b.String()
}

// edit is one line of a difference, with its number in both texts.
type edit struct {
	kind byte // ' ', '-' or '+'
	line string
	a, b int
}

func writeHunk(w *strings.Builder, edits []edit) {
	var old, added int
	for _, e := range edits {
		if e.kind != '+' {
			old++
		}
		if e.kind != '-' {
			added++
		}
	}
	fmt.Fprintf(w, "@@ -%s +%s @@\n", span(edits[0].a, old), span(edits[0].b, added))
	for _, e := range edits {
		w.WriteByte(e.kind)
		w.WriteString(e.line)
		if !strings.HasSuffix(e.line, "\n") {
			w.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// span numbers lines from 1; an empty one names the line before it.
func span(start, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", start)
	case 1:
		return fmt.Sprint(start + 1)
	}
	return fmt.Sprintf("%d,%d", start+1, n)
}

// lines keeps the line feeds, so that a missing last one is a difference.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	list := strings.SplitAfter(s, "\n")
	if list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	return list
}

// diffLines finds a shortest list of edits (E. Myers, An O(ND) Difference
// Algorithm, 1986), between what the texts have in common at both ends.
func diffLines(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var edits []edit
	for i := range head {
		edits = append(edits, edit{' ', a[i], i, i})
	}
	edits = append(edits, middle(a[head:len(a)-tail], b[head:len(b)-tail], head)...)
	for i := tail; i > 0; i-- {
		edits = append(edits, edit{' ', a[len(a)-i], len(a) - i, len(b) - i})
	}
	return edits
}

func middle(a, b []string, offset int) []edit {
	trace := search(a, b)
	var reversed []edit
	x, y := len(a), len(b)
	if trace == nil { // too different
		var edits []edit
		for i, line := range a {
			edits = append(edits, edit{'-', line, offset + i, offset})
		}
		for i, line := range b {
			edits = append(edits, edit{'+', line, offset + len(a), offset + i})
		}
		return edits
	}
	for d := len(trace) - 1; d >= 0; d-- {
		k := x - y
		previous := k - 1
		if down(trace[d], d, k) {
			previous = k + 1
		}
		px, py := 0, 0
		if d > 0 {
			px = trace[d].at(previous)
			py = px - previous
		}
		for x > px && y > py && x > 0 && y > 0 && a[x-1] == b[y-1] {
			x, y = x-1, y-1
			reversed = append(reversed, edit{' ', a[x], offset + x, offset + y})
		}
		switch {
		case d == 0:
		case x == px:
			y--
			reversed = append(reversed, edit{'+', b[y], offset + x, offset + y})
		default:
			x--
			reversed = append(reversed, edit{'-', a[x], offset + x, offset + y})
		}
	}
	edits := make([]edit, len(reversed))
	for i, e := range reversed {
		edits[len(reversed)-1-i] = e
	}
	return edits
}

// frontier holds, for each diagonal from -d to d, how far it was reached with
// d-1 edits.
type frontier struct {
	d     int
	reach []int32
}

func (f frontier) at(k int) int { return int(f.reach[k+f.d]) }

// down tells whether diagonal k was entered by an insertion.
func down(f frontier, d, k int) bool {
	return k == -d || (k != d && f.at(k-1) < f.at(k+1))
}

// search goes forward until both ends are reached, and keeps each step's
// frontier for the way back; nil if that takes more than maxEdits.
func search(a, b []string) []frontier {
	limit := min(len(a)+len(b), maxEdits)
	reach := make([]int32, 2*limit+3)
	middle := limit + 1
	var trace []frontier
	for d := 0; d <= limit; d++ {
		f := frontier{d + 1, make([]int32, 2*d+3)}
		copy(f.reach, reach[middle-d-1:middle+d+2])
		trace = append(trace, f)
		for k := -d; k <= d; k += 2 {
			x := int(reach[middle+k-1]) + 1
			if d == 0 {
				x = 0
			} else if down(f, d, k) {
				x = int(reach[middle+k+1])
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			reach[middle+k] = int32(x)
			if x >= len(a) && y >= len(b) {
				return trace
			}
		}
	}
	return nil
}
