package pgcopy

import (
	"bytes"
	"encoding/csv"
	"io"
	"strings"
	"testing"
)

// FuzzCSV compares with the standard library's reader what both accept, and
// reads the same in pieces.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n", "\"a\"\"\n,\",b\n1,2\n", ",\n", "\"\",\\.\n", "a\n", "a,b,c\n", "\"a,b\n", "a\"b,c\n", "a\r,b\n", "\"a\"b,c\n"} {
		f.Add([]byte(seed), uint8(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, piece uint8) {
		opts := &Options{NoHeader: true}
		whole, err := readAll(opts, text, len(text))
		pieces, err2 := readAll(opts, text, int(piece)+1)
		if (err == nil) != (err2 == nil) || err == nil && whole != pieces {
			t.Fatalf("%d rows, %v; in pieces %d rows, %v", whole, err, pieces, err2)
		}
		if err != nil {
			return
		}
		r := csv.NewReader(bytes.NewReader(text))
		r.FieldsPerRecord = 2
		records, err := r.ReadAll()
		if err != nil || int64(len(records)) != whole {
			t.Fatalf("%d rows here, %d and %v there", whole, len(records), err)
		}
	})
}

// FuzzText: every row that is accepted is one line with one tab.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"a\tb\n", "\\N\t\\\\\n", "\t\n", "a\\\tb\n", "a\\\nb\tc\n", "\\.\n", "a\tb\r\n"} {
		f.Add([]byte(seed), uint8(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, piece uint8) {
		opts := &Options{Format: Text}
		whole, err := readAll(opts, text, len(text))
		pieces, err2 := readAll(opts, text, int(piece)+1)
		if (err == nil) != (err2 == nil) || err == nil && whole != pieces {
			t.Fatalf("%d rows, %v; in pieces %d rows, %v", whole, err, pieces, err2)
		}
		if err != nil {
			return
		}
		lines := 0
		for line := range strings.Lines(string(text)) {
			lines++
			if strings.Count(line, "\t") != 1 || !strings.HasSuffix(line, "\n") {
				t.Fatalf("the row %q", line)
			}
		}
		if int64(lines) != whole {
			t.Fatalf("%d rows, %d lines", whole, lines)
		}
	})
}

func readAll(opts *Options, text []byte, piece int) (int64, error) {
	out := &output{w: io.Discard, digest: nullHash{}, buf: make([]byte, 0, max(piece, 1)), rowsOf: newReader(opts, opts.limits(), []string{"a", "b"})}
	if _, err := out.Write(text); err != nil {
		return 0, err
	}
	err := out.finish()
	return out.rows(), err
}

type nullHash struct{}

func (nullHash) Write(p []byte) (int, error) { return len(p), nil }
func (nullHash) Sum(b []byte) []byte         { return b }
func (nullHash) Reset()                      {}
func (nullHash) Size() int                   { return 0 }
func (nullHash) BlockSize() int              { return 1 }
