package dbsecret

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/cleanroom-go/sdk/internal/trace"
)

// Queryer runs a query; *sql.DB, *sql.Conn and *sql.Tx do.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// RowsResult says what was written.
type RowsResult struct {
	Rows  int64 // without a header
	Bytes int64
	// SHA256 is the digest of the bytes written.
	SHA256 [sha256.Size]byte
}

// flushSize is how much text is collected before it is written: large enough
// that an encrypting writer below gets whole chunks.
const flushSize = 64 << 10

// WriteRows runs the query and writes each row as one line of text:
//
//	id: 7 firstName: Ann
//
// that is, for each column its name in lowerCamelCase, a colon, a blank and the
// value, joined by a blank and ended by a line feed. NULL is written as
// nothing. A line feed inside a value becomes the two characters \n, a carriage
// return \r, so that a line is always a row; nothing else is escaped. Values
// look as PostgreSQL prints them, except that a boolean is true or false, and a
// timestamp with time zone RFC 3339 in UTC, whatever the session's zone is.
//
// Memory does not grow with the number of rows; one row may have 256 MiB. If
// anything fails, the context included, the result is zero and w holds a part
// that must not be used: with a datasink, call WriteRows inside WriteFile, which
// then commits nothing.
//
// Put ORDER BY into the query, for without it the order is any; and pass values
// as arguments ("WHERE gender = $1"), for in SQL "Female" in double quotes is a
// column's name.
//
// For other forms, and for limits on what may leave, see [WriteRowsAs]; for a
// Parquet file, and PostgreSQL's own bulk path, the modules dbsecret/parquetrows
// and dbsecret/pgcopy.
func WriteRows(ctx context.Context, w io.Writer, db Queryer, query string, args ...any) (RowsResult, error) {
	return WriteRowsAs(ctx, w, db, nil, query, args...)
}

// WriteRowsAs is [WriteRows] in the form and within the limits of the options.
// A row that breaks a limit is an error, like any other: the result is zero,
// and what was written before must not be used.
func WriteRowsAs(ctx context.Context, w io.Writer, db Queryer, opts *RowsOptions, query string, args ...any) (_ RowsResult, err error) {
	if opts == nil {
		opts = &RowsOptions{}
	}
	ctx, end := trace.New(opts.TracingProvider, "dbsecret").Start(ctx, "WriteRows")
	defer end(&err)
	result, rows, err := writeRows(ctx, w, db, opts, query, args)
	if err == nil {
		return result, nil
	}
	return RowsResult{}, fmt.Errorf("dbsecret: write rows: after %d rows: %w", rows, endOfRows(ctx, err))
}

func writeRows(ctx context.Context, w io.Writer, db Queryer, opts *RowsOptions, query string, args []any) (result RowsResult, done int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return result, 0, err
	}
	// Cancelled first: otherwise closing would read all that is left.
	defer rows.Close()
	defer cancel()

	t, err := newRowText(rows, opts)
	if err != nil {
		return result, 0, err
	}
	digest := sha256.New()
	for more := true; more; {
		if more, err = t.fill(rows); err != nil {
			return result, t.rows, err
		}
		n, err := w.Write(t.buf)
		if err == nil && n < len(t.buf) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return result, t.rows, fmt.Errorf("output: %w", err)
		}
		digest.Write(t.buf)
		result.Bytes += int64(n)
		if opts.Progress != nil {
			opts.Progress(t.rows, result.Bytes)
		}
	}
	if err := finishRows(rows); err != nil {
		return result, t.rows, err
	}
	result.Rows = t.rows
	digest.Sum(result.SHA256[:0])
	return result, t.rows, nil
}

// finishRows makes sure that the last row was the last one.
func finishRows(rows *sql.Rows) error {
	if err := rows.Err(); err != nil {
		return err
	}
	if rows.NextResultSet() {
		return errors.New("the query has more than one result; give one statement")
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}
