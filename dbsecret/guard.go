package dbsecret

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// The database belongs to another party, and lib/pq panics on malformed
// messages. database/sql reads some of them in goroutines of its own, where no
// caller could recover: it closes rows and rolls back when a context ends. So
// the driver is guarded where it is called.

// pqConn, pqStmt and pqRows are what lib/pq's types do for database/sql.
type (
	pqConn interface {
		driver.Conn
		driver.ConnBeginTx
		driver.ConnPrepareContext
		driver.ExecerContext
		driver.QueryerContext
		driver.NamedValueChecker
		driver.Pinger
		driver.SessionResetter
		driver.Validator
	}
	pqStmt interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	pqRows interface {
		driver.Rows
		driver.RowsNextResultSet
		driver.RowsColumnTypeScanType
		driver.RowsColumnTypeDatabaseTypeName
		driver.RowsColumnTypeLength
		driver.RowsColumnTypePrecisionScale
	}
)

// guardedConn turns panics of lib/pq into errors, and drops the connection.
type guardedConn struct {
	pqConn
	session *session
}

type guardedStmt struct {
	pqStmt
	conn *guardedConn
}

type guardedTx struct {
	driver.Tx
	conn *guardedConn
}

type guardedRows struct {
	pqRows
	conn *guardedConn
}

var (
	_ pqConn    = (*guardedConn)(nil)
	_ pqStmt    = (*guardedStmt)(nil)
	_ driver.Tx = (*guardedTx)(nil)
	_ pqRows    = (*guardedRows)(nil)
)

// guard is deferred around every call that reads from the server.
func (c *guardedConn) guard(err *error) {
	if r := recover(); r != nil {
		c.session.drop()
		*err = panicError(r)
	}
}

func panicError(r any) error {
	if err, ok := r.(error); ok {
		return fmt.Errorf("the server sent a malformed message: %w", err)
	}
	return fmt.Errorf("the server sent a malformed message: %v", r)
}

func (c *guardedConn) IsValid() bool { return !c.session.broken.Load() && c.pqConn.IsValid() }

func (c *guardedConn) ResetSession(ctx context.Context) error {
	if c.session.broken.Load() {
		return driver.ErrBadConn
	}
	return c.pqConn.ResetSession(ctx)
}

func (c *guardedConn) Ping(ctx context.Context) (err error) {
	defer c.guard(&err)
	return c.pqConn.Ping(ctx)
}

func (c *guardedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	defer c.guard(&err)
	return c.pqConn.ExecContext(ctx, query, args)
}

func (c *guardedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	defer c.guard(&err)
	rows, err = c.pqConn.QueryContext(ctx, query, args)
	return c.rows(rows, err)
}

func (c *guardedConn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *guardedConn) PrepareContext(ctx context.Context, query string) (stmt driver.Stmt, err error) {
	defer c.guard(&err)
	stmt, err = c.pqConn.PrepareContext(ctx, query)
	if plain, ok := stmt.(pqStmt); ok && err == nil {
		return &guardedStmt{plain, c}, nil
	}
	return stmt, err
}

func (c *guardedConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

func (c *guardedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (tx driver.Tx, err error) {
	defer c.guard(&err)
	if tx, err = c.pqConn.BeginTx(ctx, opts); err != nil {
		return nil, err
	}
	return &guardedTx{tx, c}, nil
}

func (c *guardedConn) rows(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, err
	}
	return &guardedRows{rows.(pqRows), c}, nil
}

func (s *guardedStmt) Close() (err error) {
	defer s.conn.guard(&err)
	return s.pqStmt.Close()
}

func (s *guardedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (result driver.Result, err error) {
	defer s.conn.guard(&err)
	return s.pqStmt.ExecContext(ctx, args)
}

func (s *guardedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	defer s.conn.guard(&err)
	rows, err = s.pqStmt.QueryContext(ctx, args)
	return s.conn.rows(rows, err)
}

func (t *guardedTx) Commit() (err error) {
	defer t.conn.guard(&err)
	return t.Tx.Commit()
}

func (t *guardedTx) Rollback() (err error) {
	defer t.conn.guard(&err)
	return t.Tx.Rollback()
}

func (r *guardedRows) Next(dest []driver.Value) (err error) {
	defer r.conn.guard(&err)
	return r.pqRows.Next(dest)
}

func (r *guardedRows) Close() (err error) {
	defer r.conn.guard(&err)
	return r.pqRows.Close()
}
