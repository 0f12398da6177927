package dbsecret_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// firstWrite calls do once, when the first rows have come.
type firstWrite struct {
	do      func()
	done    bool
	written int
}

func (w *firstWrite) Write(p []byte) (int, error) {
	if !w.done {
		w.done = true
		w.do()
	}
	w.written += len(p)
	return len(p), nil
}

// backends counts the server's processes that run a query of user.
func backends(ctx context.Context, admin *sql.DB, user string) (n int, err error) {
	err = admin.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state = 'active'`, user).Scan(&n)
	return n, err
}

// eventuallyIdle waits until the server runs no query of user any more.
func eventuallyIdle(t *testing.T, admin *sql.DB, user string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		n, err := backends(ctx, admin, user)
		if err != nil {
			t.Fatal("the server still runs the query: ", err)
		}
		if n == 0 {
			return
		}
	}
}

// TestTerminated ends the server's process in the middle of a million rows.
func TestTerminated(t *testing.T) {
	s := sharedServer(t)
	s.bigTable(t)
	admin := s.admin(t, "")
	for _, args := range [][]any{nil, {0}} {
		query := `SELECT id, first_name FROM big`
		if args != nil {
			query += ` WHERE id > $1`
		}
		db := s.db(t)
		w := &firstWrite{do: func() {
			mustExec(t, admin, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = $1`, s.User)
		}}
		result, err := dbsecret.WriteRows(t.Context(), w, db, query, args...)
		wantError(t, err, "dbsecret: write rows: after ", "lost")
		if result != (dbsecret.RowsResult{}) {
			t.Errorf("an error and the result %+v", result)
		}
		if w.written == 0 {
			t.Error("nothing was written before; the test proves little")
		}
		t.Log(err)
		// The pool recovers.
		if err := db.PingContext(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestCancelledInQuery cancels while the server computes and nothing flows.
func TestCancelledInQuery(t *testing.T) {
	s := sharedServer(t)
	admin := s.admin(t, "")
	for name, query := range map[string]func(context.Context, *sql.DB) error{
		"rows": func(ctx context.Context, db *sql.DB) error {
			_, err := dbsecret.WriteRows(ctx, io.Discard, db, `SELECT pg_sleep(600)`)
			return err
		},
		"rows with an argument": func(ctx context.Context, db *sql.DB) error {
			_, err := dbsecret.WriteRows(ctx, io.Discard, db, `SELECT pg_sleep($1)`, 600)
			return err
		},
		"statement": func(ctx context.Context, db *sql.DB) error {
			stmt, err := db.PrepareContext(ctx, `SELECT pg_sleep($1)`)
			if err != nil {
				return err
			}
			defer stmt.Close()
			_, err = stmt.ExecContext(ctx, 600)
			return err
		},
		"transaction": func(ctx context.Context, db *sql.DB) error {
			tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
			if err != nil {
				return err
			}
			defer tx.Rollback()
			_, err = dbsecret.WriteRows(ctx, io.Discard, tx, `SELECT pg_sleep(600)`)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := s.db(t)
			if err := db.PingContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			cause := errors.New("the room is closing")
			asked := make(chan struct{})
			go func() {
				defer close(asked)
				for n := 0; n == 0 && ctx.Err() == nil; {
					var err error
					if n, err = backends(ctx, admin, s.User); err != nil {
						t.Error(err)
						break
					}
				}
				cancel(cause)
			}()
			began := time.Now()
			err := query(ctx, db)
			took := time.Since(began)
			<-asked
			if err == nil {
				t.Fatal("no error")
			}
			if strings.HasPrefix(err.Error(), "dbsecret: ") && !errors.Is(err, cause) {
				t.Errorf("got %v, want the context's cause", err)
			}
			if took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			t.Logf("%v after %v", err, took)
			eventuallyIdle(t, admin, s.User)
			if err := db.PingContext(t.Context()); err != nil {
				t.Errorf("the pool is of no use any more: %v", err)
			}
		})
	}
}

// TestCancelledInStream cancels while rows flow. Reading what is left would
// take long: the query has a thousand million rows.
func TestCancelledInStream(t *testing.T) {
	s := sharedServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var began time.Time
	w := &firstWrite{do: func() { began = time.Now(); cancel() }}
	result, err := dbsecret.WriteRows(ctx, w, s.db(t), `SELECT generate_series(1, 1000000000) AS n`)
	if !errors.Is(err, context.Canceled) || result != (dbsecret.RowsResult{}) {
		t.Errorf("got %+v, %v", result, err)
	}
	t.Logf("%v after %v", err, time.Since(began))
	eventuallyIdle(t, s.admin(t, ""), s.User)
}

// TestFailedOutputStopsTheQuery holds that nobody reads a thousand million rows
// that cannot be written.
func TestFailedOutputStopsTheQuery(t *testing.T) {
	s := sharedServer(t)
	full := errors.New("the disk is full")
	_, err := dbsecret.WriteRows(t.Context(), broken{full}, s.db(t), `SELECT generate_series(1, 1000000000) AS n`)
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	eventuallyIdle(t, s.admin(t, ""), s.User)
}

// lossy dials connections that end after some of the server's bytes.
type lossy struct {
	after int64 // negative: never
	read  atomic.Int64
}

type lossyConn struct {
	net.Conn
	l *lossy
}

func (l *lossy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	return &lossyConn{conn, l}, err
}

func (c *lossyConn) Read(p []byte) (int, error) {
	if c.l.after >= 0 {
		left := c.l.after - c.l.read.Load()
		if left <= 0 {
			return 0, io.EOF
		}
		p = p[:min(len(p), int(left))]
	}
	n, err := c.Conn.Read(p)
	c.l.read.Add(int64(n))
	return n, err
}

// TestCut cuts the connection after every count of bytes near the interesting
// places, with and without TLS: a run fails or has written everything.
func TestCut(t *testing.T) {
	s := ownServer(t)
	mustExec(t, s.admin(t, ""), `CREATE TABLE numbers AS SELECT n AS id, 'Name' || n AS first_name FROM generate_series(1, 5000) AS n; GRANT SELECT ON numbers TO PUBLIC`)
	run := func(mode string, after int64) (string, int64, error) {
		doc := s.document()
		doc.SSLMode = mode
		l := &lossy{after: after}
		c := connector(t, doc, s.unwrapper(), &dbsecret.Options{AllowTLSWeakerThanVerifyFull: true, Dialer: l})
		db := sql.OpenDB(c)
		defer db.Close()
		var out bytes.Buffer
		result, err := dbsecret.WriteRows(t.Context(), &out, db, `SELECT id, first_name FROM numbers ORDER BY id`)
		if err == nil && (result.Rows != 5000 || result.Bytes != int64(out.Len())) {
			t.Errorf("%s, cut after %d bytes: success with %+v", mode, after, result)
		}
		return out.String(), l.read.Load(), err
	}
	for _, mode := range []string{"verify-full", "disable"} {
		if mode == "disable" {
			if err := s.DisableTLS(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want, total, err := run(mode, -1)
		if err != nil {
			t.Fatal(err)
		}
		var cuts []int64
		for n := int64(0); n < total; n += 1 + total/30 {
			cuts = append(cuts, n)
		}
		for n := max(0, total-30); n < total; n++ {
			cuts = append(cuts, n)
		}
		failed := 0
		for _, n := range cuts {
			got, _, err := run(mode, n)
			switch {
			case err != nil:
				failed++
				wantError(t, err, "dbsecret: ")
			case got != want:
				t.Errorf("%s, cut after %d of %d bytes: success with half an output", mode, n, total)
			}
		}
		// Without TLS each byte counts. With it a handshake's length varies by
		// a few.
		if slack := map[string]int{"verify-full": 8}[mode]; failed < len(cuts)-slack {
			t.Errorf("%s: %d of %d cuts failed", mode, failed, len(cuts))
		}
		t.Logf("%s: %d bytes, %d cuts, %d failed", mode, total, len(cuts), failed)
	}
}
