package pgcopy

import (
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// Format is the server's form of the rows.
type Format int

const (
	// CSV is RFC 4180 with a line feed at each row's end and the columns' names
	// as first row; NULL is an empty field, and an empty text is "".
	CSV Format = iota
	// Text has a tab between the fields and a line feed at each row's end; both
	// are escaped within values, as is the back slash, and NULL is \N. It has
	// no header.
	Text
)

// String is the name of the format: csv or text.
func (f Format) String() string {
	switch f {
	case CSV:
		return "csv"
	case Text:
		return "text"
	}
	return fmt.Sprintf("Format(%d)", int(f))
}

// Options are the options of [Write]. The zero value is ready: CSV with a
// header and no limits, of which [dbsecret.RowsOptions] has more to say.
type Options struct {
	// Format is CSV or Text.
	Format Format
	// NoHeader leaves out the first row of CSV.
	NoHeader bool
	// Columns, if not nil, are the only columns that a result may have.
	Columns []string
	// MaxRows is the greatest number of rows; zero means any.
	MaxRows int64
	// CountColumn names a column that says over how many records a row was
	// computed, and MinCount the least number that may be in it.
	CountColumn string
	MinCount    int64
}

func (o *Options) limits() *dbsecret.RowsOptions {
	return &dbsecret.RowsOptions{Columns: o.Columns, MaxRows: o.MaxRows, CountColumn: o.CountColumn, MinCount: o.MinCount}
}

// copyStatement puts the query into a COPY. A line feed ends a comment at the
// query's end.
func (o *Options) copyStatement(query string) string {
	with := "FORMAT text"
	if o.Format == CSV {
		with = "FORMAT csv"
		if !o.NoHeader {
			with += ", HEADER"
		}
	}
	return "COPY (" + query + "\n) TO STDOUT WITH (" + with + ")"
}

// Literal quotes a value as a text of SQL, whatever is in it, for COPY takes no
// arguments. PostgreSQL has no text with a NUL, so one is an error there.
func Literal(value string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value) + "'"
}
