package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// What [Read] keeps: of one line, of all entries, and of all lines.
const (
	maxLine    = 64 << 10
	maxEntries = 20_000
	maxBytes   = 32 << 20
)

// Record is what happened, ordered by time.
type Record struct {
	Entries []Entry
	// Omitted counts what the recorders or Read left out.
	Omitted int
}

// Read reads and merges the records of several processes. A last line without
// an end, of a process that was killed, is left out. Any other line that is no
// entry is an error, which names the reader and the line, both from 1.
func Read(readers ...io.Reader) (*Record, error) {
	all, size := &Record{}, 0
	for i, from := range readers {
		lines := bufio.NewReaderSize(from, maxLine)
		for n := 1; ; n++ {
			line, err := lines.ReadSlice('\n')
			if errors.Is(err, io.EOF) {
				if len(line) > 0 {
					all.Omitted++
				}
				break
			}
			if err != nil {
				return nil, fmt.Errorf("record: read: record %d, line %d: %w; a line has at most %d bytes", i+1, n, err, maxLine)
			}
			if size += len(line); size > maxBytes || len(all.Entries) == maxEntries {
				all.Omitted++
				continue
			}
			d := json.NewDecoder(bytes.NewReader(line))
			d.DisallowUnknownFields()
			var e Entry
			if err := d.Decode(&e); err != nil {
				return nil, fmt.Errorf("record: read: record %d, line %d is no entry of a record: %w", i+1, n, err)
			}
			e.bound()
			all.Omitted += min(e.Omitted, 1<<40)
			if e.Omitted = 0; e != (Entry{Time: e.Time, Party: e.Party}) {
				all.Entries = append(all.Entries, e)
			}
		}
	}
	slices.SortStableFunc(all.Entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	return all, nil
}

// bounded is a copy whose texts are bounded, if a program made the record.
func (r *Record) bounded() *Record {
	c := &Record{Entries: slices.Clone(r.Entries), Omitted: r.Omitted}
	for i := range c.Entries {
		c.Entries[i].bound()
	}
	return c
}

// Denials are the refusals of the record, in order.
func (r *Record) Denials() []Entry {
	var list []Entry
	for _, e := range r.Entries {
		if e.Verdict != nil && e.Verdict.Denied {
			list = append(list, e)
		}
	}
	return list
}
