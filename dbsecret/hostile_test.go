package dbsecret_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// message is one of the server's, as PostgreSQL's protocol frames them.
func message(kind byte, payload ...any) []byte {
	body := []byte{}
	for _, p := range payload {
		switch v := p.(type) {
		case int32:
			body = binary.BigEndian.AppendUint32(body, uint32(v))
		case int16:
			body = binary.BigEndian.AppendUint16(body, uint16(v))
		case byte:
			body = append(body, v)
		case string:
			body = append(append(body, v...), 0)
		case []byte:
			body = append(body, v...)
		}
	}
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}

// The oid of int4, and the two formats of a column.
const (
	int4         = int32(23)
	text, binry  = int16(0), int16(1)
	malformedRow = "the row's value has two of its four bytes"
)

func rowDescription(format int16) []byte {
	return message('T', int16(1), "id", int32(0), int16(0), int4, int16(4), int32(-1), format)
}

// hostileServer logs everybody in and then does what script says. It returns
// the document that leads to it.
func hostileServer(t *testing.T, login []byte, script func(net.Conn)) *dbsecret.Document {
	t.Helper()
	ca, err := testpki.New("database")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	if login == nil {
		login = append(append(message('R', int32(0)), message('K', int32(1), int32(2))...), message('Z', byte('I'))...)
	}
	port := listen(t, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil {
			return
		}
		_, _ = conn.Write([]byte("S"))
		secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}})
		buf := make([]byte, 64<<10)
		if _, err := secure.Read(buf); err != nil { // the start-up message
			return
		}
		_, _ = secure.Write(login)
		script(secure)
	})
	return &dbsecret.Document{Endpoint: "localhost", Port: port, Name: "d", User: "u", SSLRootCert: string(ca.RootPEM()), Password: passwordRef()}
}

// answering sends an answer to the first query and then waits for the end.
func answering(answer []byte) func(net.Conn) {
	return func(conn net.Conn) {
		buf := make([]byte, 64<<10)
		if _, err := conn.Read(buf); err != nil {
			return
		}
		_, _ = conn.Write(answer)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// TestMalformedAnswers sends what makes the driver panic: it must be an error,
// for the database belongs to another party.
func TestMalformedAnswers(t *testing.T) {
	row := func(b ...byte) []byte { return message('D', int16(1), int32(len(b)), b) }
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	end := join(message('C', "SELECT 1"), message('Z', byte('I')))
	for name, answer := range map[string][]byte{
		malformedRow:                  join(rowDescription(binry), row(0, 0), end),
		"a later row is malformed":    join(rowDescription(binry), row(0, 0, 0, 1), row(0), end),
		"a row without its count":     join(rowDescription(text), message('D'), end),
		"a value longer than its row": join(rowDescription(text), message('D', int16(1), int32(1000), []byte("7")), end),
		"a negative length":           join(rowDescription(text), message('D', int16(1), int32(-2), []byte("7")), end),
		"a description cut short":     join(message('T', int16(5), "id"), end),
		"a format that is none":       join(rowDescription(9), row(0, 0, 0, 1), end),
		"a message without length":    {'D', 0, 0, 0, 0},
		"a message of 4 GiB":          {'D', 0xff, 0xff, 0xff, 0xff},
		"an endless error":            append([]byte{'E', 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte("x"), 1<<20)...),
		"no number":                   join(rowDescription(text), row([]byte("seven")...), end),
		"an error without fields":     join(message('E', byte(0)), message('Z', byte('I'))),
		"an unknown message":          message('!', "what"),
		"a wrong tag":                 join(rowDescription(text), message('C', "SELECT many"), message('Z', byte('I'))),
		"a row without a description": join(row('7'), end),
		"a copy":                      message('H', byte(0), int16(0)),
		"an end without a result":     message('Z', byte('I')),
		"an unknown state":            join(rowDescription(text), message('C', "SELECT 0"), message('Z', byte('?'))),
		"more rows than one":          join(rowDescription(text), row('7'), message('C', "SELECT 1"), rowDescription(text), row('8'), end),
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, hostileServer(t, nil, answering(answer)), &passwords{list: []string{"canary"}}, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			result, err := dbsecret.WriteRows(ctx, io.Discard, db, `SELECT id FROM users`)
			if name == "an unknown state" {
				return // a driver that keeps no transaction does not look at it
			}
			wantError(t, err, "dbsecret: write rows: after ")
			if result.Rows != 0 || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %+v, %v", result, err)
			}
			if n := db.Stats().InUse; n > 0 {
				t.Errorf("%d connections are still in use", n)
			}
		})
	}
	for name, login := range map[string][]byte{
		"nothing asked for":      message('R'),
		"half a number":          message('R', int16(0)),
		"salt missing":           message('R', int32(5)),
		"an unknown request":     message('R', int32(99)),
		"no SASL before its end": message('R', int32(12), "v=x"),
		"a long key":             join(message('R', int32(0)), message('K', int32(1), make([]byte, 300))),
		"a long notice":          message('N', byte('S')),
		"not the protocol":       []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"a plain error":          []byte("Ecould not fork new process for connection\n\x00"),
	} {
		t.Run("login with "+name, func(t *testing.T) {
			doc := hostileServer(t, login, func(conn net.Conn) { conn.Close() })
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := connector(t, doc, &passwords{list: []string{"canary"}}, nil).Connect(ctx)
			wantError(t, err, "dbsecret: connect to localhost")
			if errors.Is(err, context.DeadlineExceeded) || err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestMalformedInTheBackground lets database/sql meet malformed messages in its
// own goroutines, where a panic would end the program.
func TestMalformedInTheBackground(t *testing.T) {
	malformed := []byte{'D', 0, 0, 0, 4}
	t.Run("closing rows", func(t *testing.T) {
		cancelled := make(chan struct{})
		doc := hostileServer(t, nil, func(conn net.Conn) {
			buf := make([]byte, 64<<10)
			if _, err := conn.Read(buf); err != nil {
				return
			}
			_, _ = conn.Write(append(rowDescription(text), message('D', int16(1), int32(1), []byte("7"))...))
			<-cancelled
			for {
				if _, err := conn.Write(malformed); err != nil {
					return
				}
			}
		})
		db := open(t, doc, &passwords{list: []string{"canary"}}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := db.QueryContext(ctx, `SELECT id FROM users`)
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		cancel()
		close(cancelled)
		for rows.Next() { // until database/sql has closed them
		}
		_ = rows.Close()
		if n := db.Stats().InUse; n > 0 {
			t.Errorf("%d connections are still in use", n)
		}
	})
	t.Run("rolling back", func(t *testing.T) {
		doc := hostileServer(t, nil, func(conn net.Conn) {
			buf := make([]byte, 64<<10)
			if _, err := conn.Read(buf); err != nil { // BEGIN
				return
			}
			_, _ = conn.Write(append(message('C', "BEGIN"), message('Z', byte('T'))...))
			if _, err := conn.Read(buf); err != nil { // ROLLBACK
				return
			}
			_, _ = conn.Write([]byte{'Z', 0, 0, 0, 4})
			_, _ = io.Copy(io.Discard, conn)
		})
		db := open(t, doc, &passwords{list: []string{"canary"}}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		deadline := time.Now().Add(10 * time.Second)
		for db.Stats().InUse > 0 && time.Now().Before(deadline) { // until database/sql has rolled back
			runtime.Gosched()
		}
		if err := tx.Commit(); err == nil || db.Stats().InUse > 0 {
			t.Errorf("committed: %v; %d connections are still in use", err, db.Stats().InUse)
		}
	})
}

// TestSilentServer cancels a query at a server that answers neither it nor the
// cancellation: waiting for either ends.
func TestSilentServer(t *testing.T) {
	t.Parallel() // it takes the five seconds that a server is given
	asked := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	doc := hostileServer(t, nil, func(conn net.Conn) {
		buf := make([]byte, 64<<10)
		if _, err := conn.Read(buf); err == nil {
			close(asked)
		}
		_, _ = io.Copy(io.Discard, conn)
	})
	go func() {
		<-asked
		cancel()
	}()
	began := time.Now()
	_, err := dbsecret.WriteRows(ctx, io.Discard, open(t, doc, &passwords{list: []string{"canary"}}, nil), `SELECT 1`)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestEndlessAnswer cancels a query whose rows never end, whatever the client
// asks for.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rows := rowDescription(text)
	row := message('D', int16(1), int32(1), []byte("7"))
	for range 1000 {
		rows = append(rows, row...)
	}
	doc := hostileServer(t, nil, func(conn net.Conn) {
		buf := make([]byte, 64<<10)
		if _, err := conn.Read(buf); err != nil {
			return
		}
		for {
			if _, err := conn.Write(rows[:len(rows):len(rows)]); err != nil {
				return
			}
			rows = rows[len(rows)-1000*len(row):]
		}
	})
	_, err := dbsecret.WriteRows(ctx, &firstWrite{do: cancel}, open(t, doc, &passwords{list: []string{"canary"}}, nil), `SELECT 1`)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
