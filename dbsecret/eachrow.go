package dbsecret

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// A RowReceiver takes the rows of [EachRow], for programs that write them in a
// form of their own. An error of a method ends the query.
type RowReceiver interface {
	// Columns is called first, once the limits are known to allow them.
	Columns(columns []*sql.ColumnType) error
	// Value is called for each value of a row in the columns' order, counted
	// from 0. It is nil, int64, float64, bool, string, []byte or time.Time,
	// as the driver gave it; bytes are valid until Value returns and must not
	// be changed.
	Value(column int, value any) error
	// EndRow is called after a row's last value.
	EndRow() error
}

// EachRow runs the query and passes its rows on, within the limits of opts: a
// row that breaks one is an error. The Format of opts does not matter here, nil
// means no limits. It returns the number of rows; after an error that is the
// number before it, and nothing of what was passed on must leave the room.
func EachRow(ctx context.Context, db Queryer, opts *RowsOptions, to RowReceiver, query string, args ...any) (int64, error) {
	if opts == nil {
		opts = &RowsOptions{}
	}
	rows, err := eachRow(ctx, db, opts, to, query, args)
	if err != nil {
		return rows, fmt.Errorf("dbsecret: rows: after %d rows: %w", rows, endOfRows(ctx, err))
	}
	return rows, nil
}

// endOfRows explains what ended a query.
func endOfRows(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		if !errors.Is(err, context.Cause(ctx)) { // what connecting says has it, and more
			err = context.Cause(ctx)
		}
	case errors.Is(err, driver.ErrBadConn):
		err = fmt.Errorf("the connection to the database was lost: %w", err)
	}
	return explainQuery(err)
}

func eachRow(ctx context.Context, db Queryer, opts *RowsOptions, to RowReceiver, query string, args []any) (n int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	// Cancelled first: otherwise closing would read all that is left.
	defer rows.Close()
	defer cancel()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return 0, err
	}
	if len(columns) == 0 {
		return 0, errNoColumns
	}
	names, values := make([]string, len(columns)), make([]any, len(columns))
	for i, column := range columns {
		names[i] = column.Name()
		values[i] = &passedValue{to: to, column: i}
		if opts.CountColumn != "" && names[i] == opts.CountColumn {
			values[i].(*passedValue).count = opts
		}
	}
	if err := opts.CheckColumns(names); err != nil {
		return 0, err
	}
	if err := to.Columns(columns); err != nil {
		return 0, err
	}
	for rows.Next() {
		if err := opts.CheckRow(n + 1); err != nil {
			return n, err
		}
		if err := rows.Scan(values...); err != nil {
			return n, err
		}
		if err := to.EndRow(); err != nil {
			return n, err
		}
		n++
	}
	return n, finishRows(rows)
}

// passedValue passes a value on while database/sql holds the driver still.
type passedValue struct {
	to     RowReceiver
	column int
	count  *RowsOptions // nil if it is not the count column
}

var _ sql.Scanner = (*passedValue)(nil)

func (v *passedValue) Scan(src any) error {
	if v.count != nil {
		if err := v.count.CheckCount(src); err != nil {
			return err
		}
	}
	return v.to.Value(v.column, src)
}
