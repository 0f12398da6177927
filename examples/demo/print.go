package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/internal/check"
)

// explain prints a denial: which check, wanted, got, what to do.
func (s *scenario) explain(r denialReport) {
	if s.config.json {
		said := map[string]any{"denied": r}
		if s.config.report != "" {
			said["report"] = s.config.report
		}
		s.printJSON(said)
		return
	}
	var w strings.Builder
	fmt.Fprintf(&w, "\ndenied      %s\n  party     %s\n  by        %s\n", r.Op, r.Party, r.By)
	for _, c := range r.Checks {
		if c.Passed {
			continue
		}
		for _, field := range [][2]string{{"check", c.ID}, {"wanted", c.Want}, {"got", c.Got}, {"do", c.Remedy}} {
			for i, text := range wrap(check.Printable(field[1]), 88) {
				if i > 0 {
					field[0] = ""
				}
				fmt.Fprintf(&w, "  %-9s %s\n", field[0], text)
			}
		}
	}
	s.report.Printf("%s%s", w.String(), s.reportLine())
}

// wrap breaks a text at blanks into lines of about width characters. A text
// without any has no lines.
func wrap(text string, width int) []string {
	var lines []string
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last < 0 || len(lines[last])+1+len(word) > width {
			lines = append(lines, word)
			continue
		}
		lines[last] += " " + word
	}
	return lines
}

// summary prints where the result lies, how much it is and where it came from.
func (s *scenario) summary(v map[string]string) error {
	rows, err := strconv.ParseInt(v["rows"], 10, 64)
	if err != nil {
		return fmt.Errorf("the consumer said no number of rows: %w", err)
	}
	output := filepath.Join(s.out, "output.txt")
	took := time.Since(s.started)
	if s.config.json {
		result := map[string]any{
			"output": output, "rows": rows, "database": s.db.Label, "seconds": took.Seconds(), "databaseSeconds": s.dbTime.Seconds(),
		}
		if s.config.report != "" {
			result["report"] = s.config.report
		}
		s.printJSON(map[string]any{"result": result})
		return nil
	}
	time := fmt.Sprintf("%.1f s", took.Seconds())
	if s.dbTime > 0 && !s.db.StandIn {
		time += fmt.Sprintf(", of which %.1f s to start the database", s.dbTime.Seconds())
	}
	s.report.Printf("\noutput      %s\nrows        %d, as the room reported\ndatabase    %s\ntime        %s\n%s", output, rows, check.Printable(s.db.Label), time, s.reportLine())
	return nil
}

func (s *scenario) printJSON(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("demo: internal error: " + err.Error()) // plain values always encode
	}
	s.report.Printf("%s\n", b)
}
