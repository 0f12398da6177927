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
	buf   []byte
	rows  int64
	cells []any // *cell, as Scan wants them
}

// cell appends one column's values to the text. Scan is called by database/sql
// with the driver's value, which is valid only meanwhile; appending it there
// saves both the copy that sql.RawBytes would make and its allocation.
type cell struct {
	text  *rowText
	label string // what stands before the value
	kind  string // the database's name of the type
}

var _ sql.Scanner = (*cell)(nil)

func newRowText(rows *sql.Rows) (*rowText, error) {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	if len(columns) == 0 {
		return nil, errors.New("the query returns no columns; give a SELECT")
	}
	t := &rowText{buf: make([]byte, 0, flushSize+4096)}
	for i, column := range columns {
		label := columnLabel(column.Name(), i) + ": "
		if i > 0 {
			label = " " + label
		}
		t.cells = append(t.cells, &cell{text: t, label: label, kind: column.DatabaseTypeName()})
	}
	return t, nil
}

// fill empties the buffer and appends rows until it is full. It reports whether
// there may be more.
func (t *rowText) fill(rows *sql.Rows) (more bool, err error) {
	t.buf = t.buf[:0]
	for len(t.buf) < flushSize {
		if !rows.Next() {
			return false, rows.Err()
		}
		if err := rows.Scan(t.cells...); err != nil {
			return false, err
		}
		t.buf = append(t.buf, '\n')
		t.rows++
	}
	return true, nil
}

// Scan appends the label and the value.
func (c *cell) Scan(src any) error {
	b := append(c.text.buf, c.label...)
	switch v := src.(type) {
	case nil:
	case int64:
		b = strconv.AppendInt(b, v, 10)
	case string:
		b = appendLine(b, v)
	case []byte:
		if c.kind == "BYTEA" {
			b = hex.AppendEncode(append(b, `\x`...), v)
		} else {
			b = appendLine(b, v)
		}
	case bool:
		b = strconv.AppendBool(b, v)
	case float64:
		b = appendFloat(b, v, c.kind)
	case time.Time:
		b = appendTime(b, v, c.kind)
	default:
		return fmt.Errorf("the driver gave a %T", src)
	}
	c.text.buf = b
	return nil
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
