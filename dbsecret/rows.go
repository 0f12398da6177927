package dbsecret

import (
	"context"
	"database/sql"
	"errors"
	"io"
)

// Queryer runs a query; *sql.DB, *sql.Conn and *sql.Tx do.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// RowsResult says what WriteRows wrote.
type RowsResult struct {
	Rows   int64
	Bytes  int64
	SHA256 [32]byte
}

// WriteRows writes the rows of a query.
func WriteRows(ctx context.Context, w io.Writer, db Queryer, query string, args ...any) (RowsResult, error) {
	return RowsResult{}, errors.ErrUnsupported
}
