package dbsecret

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
)

// RowsFormat is how [WriteRowsAs] writes rows.
type RowsFormat int

const (
	// RowsText is the form of [WriteRows].
	RowsText RowsFormat = iota
	// RowsCSV is RFC 4180 with a line feed at each row's end and the columns'
	// names as first row. NULL is an empty field and an empty text is "", as
	// in PostgreSQL's COPY. Values look as in [RowsText], but lines within
	// them are kept, within quotes.
	RowsCSV
	// RowsJSON is JSON Lines: one object a row, with the columns' names as
	// they are. Integers and numerics are numbers with all their digits, in a
	// form that JSON has; booleans are booleans, NULL is null, json and jsonb
	// stand as they are but on one line, and everything else is a text as in
	// [RowsText]: also NaN and the infinities, which JSON has no numbers for,
	// and arrays.
	RowsJSON
)

// String is the name of the format: text, csv or json.
func (f RowsFormat) String() string {
	switch f {
	case RowsText:
		return "text"
	case RowsCSV:
		return "csv"
	case RowsJSON:
		return "json"
	}
	return "RowsFormat(" + strconv.Itoa(int(f)) + ")"
}

// ParseRowsFormat reads the name of a format.
func ParseRowsFormat(name string) (RowsFormat, error) {
	for _, f := range []RowsFormat{RowsText, RowsCSV, RowsJSON} {
		if name == f.String() {
			return f, nil
		}
	}
	return 0, fmt.Errorf("dbsecret: the format of rows %q is unknown, want text, csv or json", name)
}

// RowsOptions are the options of [WriteRowsAs]. Their limits are for results
// that leave a clean room: they hold whatever the query's text says, and before
// anything is committed.
type RowsOptions struct {
	// Format is the form; zero means text.
	Format RowsFormat
	// NoHeader leaves out the first row of CSV.
	NoHeader bool
	// Columns, if not nil, are the only columns that a result may have. The
	// names are compared byte by byte, before any row is read.
	Columns []string
	// MaxRows is the greatest number of rows; zero means any.
	MaxRows int64
	// CountColumn names a column that says over how many records a row was
	// computed, for instance count(*), and MinCount the least number that may
	// be in it: a row over fewer would tell about single persons. The column
	// must be in the result, and its values integers.
	CountColumn string
	MinCount    int64
	// Progress, if set, is told how many rows and bytes have been written so
	// far, each time some have: about every 64 KiB, and at the end.
	Progress func(rows, bytes int64)
	// TracingProvider, if not zero, gets a span dbsecret.WriteRows, from the
	// query to the last row.
	TracingProvider tracing.Provider
}

// check compares the options with the columns of a result.
func (o *RowsOptions) check(names []string) error {
	if o.Format < RowsText || o.Format > RowsJSON {
		return fmt.Errorf("the format of rows %d is unknown", int(o.Format))
	}
	return o.CheckColumns(names)
}

// CheckColumns compares the limits with the names of a result's columns, before
// any row of it is read. It is for programs that get rows in a way of their own,
// as are CheckRow and CheckCount, and their errors begin with what is wrong; see
// also [EachRow].
func (o *RowsOptions) CheckColumns(names []string) error {
	switch {
	case o.MaxRows < 0:
		return fmt.Errorf("at most %d rows are none; zero means any number", o.MaxRows)
	case o.CountColumn == "" && o.MinCount != 0:
		return errors.New("MinCount needs a CountColumn")
	case o.CountColumn != "" && !slices.Contains(names, o.CountColumn):
		return fmt.Errorf("the result has no column %q, which must say over how many records a row is; it has %s", o.CountColumn, quoteAll(names))
	case o.Columns == nil:
		return nil
	}
	for _, name := range names {
		if !slices.Contains(o.Columns, name) {
			return fmt.Errorf("the result has the column %q, which is not allowed to leave; allowed are %s", name, quoteAll(o.Columns))
		}
	}
	return nil
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	return strings.Join(quoted, ", ")
}

// CheckRow refuses the row with that number, counted from 1, if it is one too
// many.
func (o *RowsOptions) CheckRow(number int64) error {
	if o.MaxRows > 0 && number > o.MaxRows {
		return fmt.Errorf("the result has more than the %d rows that may leave", o.MaxRows)
	}
	return nil
}

// CheckCount refuses a row over too few records; the value is what the
// CountColumn holds: an int64, or the digits as a string or bytes.
func (o *RowsOptions) CheckCount(value any) error {
	n, ok := int64(0), false
	switch v := value.(type) {
	case int64:
		n, ok = v, true
	case []byte:
		n, ok = parseCount(string(v))
	case string:
		n, ok = parseCount(v)
	}
	if !ok {
		return fmt.Errorf("the column %q holds no integer, so it cannot be told over how many records the row is", o.CountColumn)
	}
	if n < o.MinCount {
		return fmt.Errorf("the column %q is less than %d: the row is over too few records to leave", o.CountColumn, o.MinCount)
	}
	return nil
}

func parseCount(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}
