package pgcopy

import (
	"errors"
	"fmt"
	"io"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// reader reads rows as they pass, in pieces that may end anywhere, and holds
// them to the limits.
type reader struct {
	limits *dbsecret.RowsOptions
	names  []string
	count  []bool // the columns with that name
	csv    bool
	header bool // the row under way is the header

	rows  int64 // ended, without the header
	field int   // of the row under way, from 0
	state state
	keep  bool   // the field is looked at
	value []byte // of such a field
}

type state uint8

const (
	fieldStart state = iota
	plain
	quoted
	quoteInQuoted // ends the field, unless another follows
	escaped
	rowStart // of a field too, and the only state to end in
)

// maxKept bounds a field that is looked at: a name, which has up to 63 bytes, or
// an integer.
const maxKept = 256

// special marks what ends a run of ordinary bytes.
type special [256]bool

var (
	csvSpecial  = special{',': true, '\n': true, '\r': true, '"': true}
	textSpecial = special{'\t': true, '\n': true, '\r': true, '\\': true}
)

func newReader(opts *Options, limits *dbsecret.RowsOptions, names []string) *reader {
	r := &reader{limits: limits, names: names, count: make([]bool, len(names)), csv: opts.Format == CSV, state: rowStart}
	for i, name := range names {
		r.count[i] = limits.CountColumn != "" && name == limits.CountColumn
	}
	r.header = r.csv && !opts.NoHeader
	r.keep = r.header || r.count[0]
	return r
}

func (r *reader) read(p []byte) error {
	special, delimiter := &textSpecial, byte('\t')
	if r.csv {
		special, delimiter = &csvSpecial, ','
	}
	for i := 0; i < len(p); {
		switch r.state {
		case quoted:
			start := i
			for i < len(p) && p[i] != '"' {
				i++
			}
			if err := r.see(p[start:i]); err != nil {
				return err
			}
			if i < len(p) {
				r.state = quoteInQuoted
				i++
			}
			continue
		case quoteInQuoted:
			if p[i] == '"' {
				if err := r.see(p[i : i+1]); err != nil {
					return err
				}
				r.state = quoted
				i++
				continue
			}
			if p[i] != ',' && p[i] != '\n' {
				return r.malformed("a quoted field goes on behind its end")
			}
		case escaped:
			if p[i] < ' ' {
				return r.malformed("a back slash stands before a control character")
			}
			if err := r.see([]byte{'\\', p[i]}); err != nil {
				return err
			}
			r.state = plain
			i++
			continue
		default:
			start := i
			for i < len(p) && !special[p[i]] {
				i++
			}
			if i > start {
				r.state = plain
				if err := r.see(p[start:i]); err != nil {
					return err
				}
			}
			if i == len(p) {
				return nil
			}
		}
		switch c := p[i]; c {
		case delimiter:
			if err := r.endField(); err != nil {
				return err
			}
			if r.field++; r.field == len(r.names) {
				return r.malformed("a row has more fields than the result has columns")
			}
			r.state = fieldStart
			r.keep = r.header || r.count[r.field]
		case '\n':
			if err := r.endField(); err != nil {
				return err
			}
			if err := r.endRow(); err != nil {
				return err
			}
		case '"':
			if r.state == plain {
				return r.malformed("a quotation mark stands within a plain field")
			}
			r.state = quoted
		case '\\':
			r.state = escaped
		default:
			return r.malformed("a carriage return stands within a plain field")
		}
		i++
	}
	return nil
}

// see takes a piece of a field.
func (r *reader) see(piece []byte) error {
	if !r.keep {
		return nil
	}
	if len(r.value)+len(piece) <= maxKept {
		r.value = append(r.value, piece...)
		return nil
	}
	if r.header {
		return r.malformed("the header has a very long name")
	}
	return r.limits.CheckCount(nil)
}

func (r *reader) endField() error {
	if !r.keep {
		return nil
	}
	value := r.value
	r.value = r.value[:0]
	if !r.header {
		return r.limits.CheckCount(value)
	}
	if string(value) != r.names[r.field] {
		return r.malformed(fmt.Sprintf("the header names column %d %q, and the description %q", r.field+1, value, r.names[r.field]))
	}
	return nil
}

func (r *reader) endRow() error {
	if r.field != len(r.names)-1 {
		return r.malformed("a row has fewer fields than the result has columns")
	}
	if r.header {
		r.header = false
	} else {
		if err := r.limits.CheckRow(r.rows + 1); err != nil {
			return err
		}
		r.rows++
	}
	r.field, r.state, r.keep = 0, rowStart, r.count[0]
	return nil
}

// end makes sure that the last row was a whole one.
func (r *reader) end() error {
	if r.state != rowStart {
		return fmt.Errorf("the last row has no end: %w", io.ErrUnexpectedEOF)
	}
	if r.header {
		return errors.New("the server sent no header")
	}
	return nil
}

func (r *reader) malformed(what string) error {
	return fmt.Errorf("the server sent malformed %s: %s", map[bool]string{true: "CSV", false: "text"}[r.csv], what)
}
