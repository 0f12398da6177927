package pgcopy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// Write runs the query at the connector's database and writes its rows to w in
// the server's own form. It opens a connection for that and closes it.
//
// Memory does not grow with the number of rows; one row may have 256 MiB. If
// anything fails, the context included, the result is zero and w holds a part
// that must not be used: with a datasink, call Write inside WriteFile, which then
// commits nothing.
//
// After the login there are two round trips: one for the description of the
// query, one for the rows.
func Write(ctx context.Context, w io.Writer, connector *dbsecret.Connector, opts *Options, query string) (dbsecret.RowsResult, error) {
	if opts == nil {
		opts = &Options{}
	}
	doc := connector.Document()
	where := fmt.Sprintf("pgcopy: write rows of %s, database %s", doc.Endpoint, doc.Name)
	if opts.Format != CSV && opts.Format != Text {
		return dbsecret.RowsResult{}, fmt.Errorf("%s: the format %d is unknown", where, int(opts.Format))
	}
	if strings.Contains(query, "\x00") {
		return dbsecret.RowsResult{}, fmt.Errorf("%s: the query holds a NUL, which PostgreSQL cannot receive", where)
	}
	conn, err := connector.LogIn(ctx)
	if err != nil {
		return dbsecret.RowsResult{}, fmt.Errorf("%s: %w", where, err)
	}
	out := &output{w: w, digest: sha256.New(), buf: make([]byte, 0, flushSize)}
	if err := run(ctx, conn, out, opts, query); err != nil {
		if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
			err = context.Cause(ctx)
		}
		return dbsecret.RowsResult{}, fmt.Errorf("%s: after %d rows: %w", where, out.rows(), explain(err))
	}
	result := dbsecret.RowsResult{Rows: out.rows(), Bytes: out.bytes}
	out.digest.Sum(result.SHA256[:0])
	return result, nil
}

// run copies on a connection that it closes.
func run(ctx context.Context, login *dbsecret.LoggedIn, out *output, opts *Options, query string) error {
	conn, err := pgconn.Construct(&pgconn.HijackedConn{
		Conn:              login,
		PID:               login.ProcessID,
		SecretKey:         login.SecretKey,
		ParameterStatuses: map[string]string{},
		TxStatus:          'I',
		Config: &pgconn.Config{
			// Only to cancel: TLS is below, and belongs to the connector.
			DialFunc:      func(ctx context.Context, _, _ string) (net.Conn, error) { return login.DialAgain(ctx) },
			BuildFrontend: pgproto3.NewFrontend,
			BuildContextWatcherHandler: func(*pgconn.PgConn) ctxwatch.Handler {
				return &pgconn.DeadlineContextWatcherHandler{Conn: login}
			},
		},
	})
	if err != nil {
		_ = login.Close()
		return err
	}
	defer hangUp(conn, login)

	query = strings.TrimRight(query, "; \t\r\n\f\v")
	names, err := describe(ctx, conn, query)
	if err != nil {
		return err
	}
	limits := opts.limits()
	if err := limits.CheckColumns(names); err != nil {
		return err
	}
	out.rowsOf = newReader(opts, limits, names)
	tag, err := conn.CopyTo(ctx, out, opts.copyStatement(query))
	if out.err != nil { // the driver has it too, or ended before it was told
		return out.err
	}
	if err != nil {
		return err
	}
	if err := out.finish(); err != nil {
		return err
	}
	if want := fmt.Sprintf("COPY %d", out.rows()); tag.String() != want {
		return fmt.Errorf("the server says %q at the end, and %d rows came: some are lost", tag.String(), out.rows())
	}
	return nil
}

// describe begins the transaction and has the query prepared, which makes sure
// that it is one statement, and locks what it reads: its columns stay what they
// are.
func describe(ctx context.Context, conn *pgconn.PgConn, query string) (names []string, err error) {
	p := conn.StartPipeline(ctx)
	defer func() {
		if closing := p.Close(); err == nil {
			err = closing
		}
	}()
	p.SendQueryParams("BEGIN READ ONLY", nil, nil, nil, nil)
	p.SendPrepare("", query, nil)
	if err := p.Sync(); err != nil {
		return nil, err
	}
	begun, err := p.GetResults()
	if err != nil {
		return nil, err
	}
	begin, ok := begun.(*pgconn.ResultReader)
	if !ok {
		return nil, fmt.Errorf("the server answered BEGIN with %T", begun)
	}
	if _, err := begin.Close(); err != nil {
		return nil, err
	}
	described, err := p.GetResults()
	if err != nil {
		return nil, err
	}
	statement, ok := described.(*pgconn.StatementDescription)
	switch {
	case !ok:
		return nil, fmt.Errorf("the server described the query with %T", described)
	case len(statement.ParamOIDs) > 0:
		return nil, fmt.Errorf("the query has %d parameters, and COPY takes none; put values in with Literal, or use dbsecret.WriteRows", len(statement.ParamOIDs))
	case len(statement.Fields) == 0:
		return nil, errors.New("the query returns no columns; give a SELECT")
	}
	for _, field := range statement.Fields {
		names = append(names, field.Name)
	}
	return names, nil
}

// goodbye is how long an honest server may take to notice a cancellation.
const goodbye = time.Second

// hangUp closes the connection. After an error the driver does so in the
// background and asks the server to cancel, which must not take longer than is
// good for us.
func hangUp(conn *pgconn.PgConn, login net.Conn) {
	defer login.Close()
	if !conn.IsClosed() {
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		_ = conn.Close(ctx)
		return
	}
	wait := time.NewTimer(goodbye)
	defer wait.Stop()
	select {
	case <-conn.CleanupDone():
	case <-wait.C:
	}
}

// flushSize is how much is collected before it is written, as in dbsecret: the
// server sends each row as a message of its own.
const flushSize = 64 << 10

// output checks what the server sends before it goes further.
type output struct {
	w      io.Writer
	digest hash.Hash
	buf    []byte
	bytes  int64
	rowsOf *reader
	err    error // sticky
}

func (o *output) rows() int64 {
	if o.rowsOf == nil {
		return 0
	}
	return o.rowsOf.rows
}

func (o *output) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && o.err == nil {
		k := min(len(p), cap(o.buf)-len(o.buf))
		o.buf = append(o.buf, p[:k]...)
		if p = p[k:]; len(o.buf) == cap(o.buf) {
			o.flush()
		}
	}
	return n, o.err
}

func (o *output) flush() {
	if o.err = o.rowsOf.read(o.buf); o.err != nil {
		return
	}
	n, err := o.w.Write(o.buf)
	if err == nil && n < len(o.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		o.err = fmt.Errorf("output: %w", err)
		return
	}
	o.digest.Write(o.buf)
	o.bytes += int64(n)
	o.buf = o.buf[:0]
}

func (o *output) finish() error {
	if o.flush(); o.err == nil {
		o.err = o.rowsOf.end()
	}
	return o.err
}
