package dbsecret

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// rowText formats rows into a buffer.
type rowText struct {
	buf    []byte
	rows   int64
	opts   *RowsOptions
	cells  []any  // *cell, as Scan wants them
	before string // of a row
	after  string
	header bool // still to be written
}

// cell appends one column's values to the text. Scan is called by database/sql
// with the driver's value, which is valid only meanwhile; appending it there
// saves both the copy that sql.RawBytes would make and its allocation.
type cell struct {
	text  *rowText
	label string // what stands before the value
	name  string
	kind  string // the database's name of the type
	count bool   // it is the count column
}

var _ sql.Scanner = (*cell)(nil)

var errNoColumns = errors.New("the query returns no columns; give a SELECT")

func newRowText(rows *sql.Rows, opts *RowsOptions) (*rowText, error) {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	if len(columns) == 0 {
		return nil, errNoColumns
	}
	t := &rowText{buf: make([]byte, 0, flushSize+4096), opts: opts, after: "\n", header: opts.Format == RowsCSV && !opts.NoHeader}
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = column.Name()
		c := &cell{text: t, name: names[i], kind: column.DatabaseTypeName(), count: opts.CountColumn != "" && names[i] == opts.CountColumn}
		t.cells = append(t.cells, c)
	}
	if err := opts.check(names); err != nil {
		return nil, err
	}
	return t, t.label(names)
}

// label sets what stands around the values.
func (t *rowText) label(names []string) error {
	seen := map[string]bool{}
	for i, name := range names {
		c := t.cells[i].(*cell)
		switch t.opts.Format {
		case RowsText:
			c.label = columnLabel(name, i) + ": "
			if i > 0 {
				c.label = " " + c.label
			}
		case RowsCSV:
			if i > 0 {
				c.label = ","
			}
		case RowsJSON:
			if seen[name] {
				return fmt.Errorf("the result has two columns %q, and an object cannot; name one of them with AS", name)
			}
			seen[name] = true
			key, err := appendJSONText(nil, name)
			if err != nil {
				return fmt.Errorf("the name of column %d: %w", i+1, err)
			}
			if c.label = string(key) + ":"; i > 0 {
				c.label = "," + c.label
			}
		}
	}
	if t.opts.Format == RowsJSON {
		t.before, t.after = "{", "}\n"
	}
	return nil
}

// fill empties the buffer and appends rows until it is full. It reports whether
// there may be more.
func (t *rowText) fill(rows *sql.Rows) (more bool, err error) {
	t.buf = t.buf[:0]
	if t.header {
		t.header = false
		for _, c := range t.cells {
			t.buf = appendField(append(t.buf, c.(*cell).label...), c.(*cell).name, len(t.cells) == 1)
		}
		t.buf = append(t.buf, '\n')
	}
	for len(t.buf) < flushSize {
		if !rows.Next() {
			return false, rows.Err()
		}
		if err := t.opts.CheckRow(t.rows + 1); err != nil {
			return false, err
		}
		t.buf = append(t.buf, t.before...)
		if err := rows.Scan(t.cells...); err != nil {
			return false, err
		}
		t.buf = append(t.buf, t.after...)
		t.rows++
	}
	return true, nil
}

// Scan appends the label and the value.
func (c *cell) Scan(src any) error {
	if c.count {
		if err := c.text.opts.CheckCount(src); err != nil {
			return err
		}
	}
	b := append(c.text.buf, c.label...)
	var err error
	switch c.text.opts.Format {
	case RowsText:
		b, err = appendValue(b, src, c.kind)
	case RowsCSV:
		b, err = appendCSV(b, src, c.kind, len(c.text.cells) == 1)
	case RowsJSON:
		b, err = appendJSON(b, src, c.kind)
	}
	if err != nil {
		return err
	}
	c.text.buf = b
	return nil
}

// appendValue appends a value on one line.
func appendValue(b []byte, src any, kind string) ([]byte, error) {
	switch v := src.(type) {
	case nil:
		return b, nil
	case string:
		return appendLine(b, v), nil
	case []byte:
		if kind != "BYTEA" {
			return appendLine(b, v), nil
		}
	}
	return appendScalar(b, src, kind)
}

// appendScalar appends a value that has no line breaks.
func appendScalar(b []byte, src any, kind string) ([]byte, error) {
	switch v := src.(type) {
	case int64:
		b = strconv.AppendInt(b, v, 10)
	case []byte:
		b = hex.AppendEncode(append(b, `\x`...), v)
	case bool:
		b = strconv.AppendBool(b, v)
	case float64:
		b = appendFloat(b, v, kind)
	case time.Time:
		b = appendTime(b, v, kind)
	default:
		return nil, fmt.Errorf("the driver gave a %T", src)
	}
	return b, nil
}

// appendLine appends s without line breaks.
func appendLine[T string | []byte](b []byte, s T) []byte {
	start := len(b)
	b = append(b, s...)
	if !bytes.ContainsAny(b[start:], "\n\r") {
		return b
	}
	b = b[:start]
	for i := range len(s) {
		switch s[i] {
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			b = append(b, s[i])
		}
	}
	return b
}

// appendFloat switches to an exponent where PostgreSQL does.
func appendFloat(b []byte, v float64, kind string) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(b, "Infinity"...)
	case math.IsInf(v, -1):
		return append(b, "-Infinity"...)
	}
	bits, limit := 64, 1e15
	if kind == "FLOAT4" {
		bits, limit = 32, 1e6
	}
	format := byte('e')
	if abs := math.Abs(v); abs == 0 || abs >= 1e-4 && abs < limit {
		format = 'f'
	}
	return strconv.AppendFloat(b, v, format, -1, bits)
}

func appendTime(b []byte, v time.Time, kind string) []byte {
	layout := ""
	switch kind {
	case "DATE":
		layout = "2006-01-02"
	case "TIMESTAMP":
		layout = "2006-01-02 15:04:05.999999"
	case "TIME":
		return v.AppendFormat(b, "15:04:05.999999")
	case "TIMETZ":
		b = v.AppendFormat(b, "15:04:05.999999-07:00")
		return bytes.TrimSuffix(b, []byte(":00"))
	default:
		return v.UTC().AppendFormat(b, time.RFC3339Nano)
	}
	if v.Year() > 0 {
		return v.AppendFormat(b, layout)
	}
	// The year before 1 is 0 to the time package and 1 BC to PostgreSQL.
	b = fmt.Appendf(b, "%04d", 1-v.Year())
	return append(v.AppendFormat(b, layout[len("2006"):]), " BC"...)
}

// columnLabel is a column's name in lowerCamelCase: "first_name" and
// "FIRST NAME" become "firstName", "firstName" stays. A name without letters or
// digits becomes "column" and its number from 1.
func columnLabel(name string, index int) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	if len(words) == 0 {
		return "column" + strconv.Itoa(index+1)
	}
	var b strings.Builder
	for i, word := range words {
		if word == strings.ToUpper(word) {
			word = strings.ToLower(word)
		}
		first, size := utf8.DecodeRuneInString(word)
		if i == 0 {
			first = unicode.ToLower(first)
		} else {
			first = unicode.ToUpper(first)
		}
		b.WriteRune(first)
		b.WriteString(word[size:])
	}
	return b.String()
}
