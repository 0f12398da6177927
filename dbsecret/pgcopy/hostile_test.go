package pgcopy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/dbsecret/pgcopy"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres/pgtest"
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// described answers BEGIN and the description of a query with one column.
var described = join(pgtest.Message('1'), pgtest.Message('2'), pgtest.Message('n'), pgtest.Message('C', "BEGIN"),
	pgtest.Message('1'), pgtest.Message('t', int16(0)), column("id"), pgtest.Message('Z', byte('T')))

func column(name string) []byte {
	return pgtest.Message('T', int16(1), name, int32(0), int16(0), int32(23), int16(4), int32(-1), int16(0))
}

// rows is a COPY of the text.
func rows(text, tag string) []byte {
	return join(copying, pgtest.Message('d', []byte(text)), pgtest.Message('c'), pgtest.Message('C', tag), ready)
}

var (
	copying = pgtest.Message('H', byte(0), int16(1), int16(0))
	ready   = pgtest.Message('Z', byte('T'))
)

// answering sends one answer to the description and one to the copy.
func answering(description, answer []byte, end bool) func(net.Conn) {
	return func(conn net.Conn) {
		for {
			kind, _, err := pgtest.Request(conn)
			if err != nil || kind == 'X' {
				return
			}
			switch kind {
			case 'S':
				_, _ = conn.Write(description)
			case 'Q':
				_, _ = conn.Write(answer)
				if end {
					return
				}
			}
		}
	}
}

// TestHostileServer: whatever the server sends, it is an error and ends.
func TestHostileServer(t *testing.T) {
	before := runtime.NumGoroutine()
	text := pgcopy.Text
	for name, test := range map[string]struct {
		format      pgcopy.Format
		description []byte
		answer      []byte
		want        string
	}{
		"honest CSV":            {0, described, rows("id\n7\n\n\"\"\n", "COPY 3"), ""},
		"honest text":           {text, described, rows("7\n\\N\n\\\\N\n", "COPY 3"), ""},
		"a header of others":    {0, described, rows("password\n7\n", "COPY 1"), `names column 1 "password"`},
		"a header that is long": {0, described, rows(strings.Repeat("x", 1000)+"\n", "COPY 0"), "very long name"},
		"no header":             {0, described, rows("", "COPY 0"), "no header"},
		"more fields":           {0, described, rows("id\n7,8\n", "COPY 1"), "more fields"},
		"more fields of text":   {text, described, rows("7\t8\n", "COPY 1"), "more fields"},
		"an open quote":         {0, described, rows("id\n\"7\n", "COPY 1"), "no end"},
		"a quote in a field":    {0, described, rows("id\n7\"\n", "COPY 1"), "malformed CSV"},
		"a quote that goes on":  {0, described, rows("id\n\"7\"8\n", "COPY 1"), "malformed CSV"},
		"a bare return":         {0, described, rows("id\n7\r\n", "COPY 1"), "malformed CSV"},
		"a return in text":      {text, described, rows("7\r\n", "COPY 1"), "malformed text"},
		"an escaped line":       {text, described, rows("7\\\n", "COPY 1"), "malformed text"},
		"half a row":            {0, described, rows("id\n7", "COPY 1"), "no end"},
		"a row is lost":         {0, described, rows("id\n7\n", "COPY 2"), "some are lost"},
		"a row is added":        {0, described, rows("id\n7\n8\n", "COPY 1"), "some are lost"},
		"another tag":           {0, described, rows("id\n7\n", "SELECT 1"), "some are lost"},
		"no tag":                {0, described, join(copying, pgtest.Message('d', []byte("id\n7\n")), pgtest.Message('c'), ready), "some are lost"},
		"a tag alone":           {0, described, join(pgtest.Message('C', "COPY 0"), ready), "no header"},
		"rows of a SELECT":      {text, described, join(column("id"), pgtest.Message('D', int16(1), int32(1), []byte("7")), pgtest.Message('C', "SELECT 1"), ready), "some are lost"},
		"an error after rows":   {0, described, join(copying, pgtest.Message('d', []byte("id\n7\n")), pgtest.Message('E', byte('S'), "ERROR", byte('C'), "57014", byte('M'), "stopped\x1b[2J", byte(0)), ready), "57014"},
		"an early end":          {0, described, join(copying, pgtest.Message('d', []byte("id\n7\n"))), "EOF"},
		"an end in a message":   {0, described, join(copying, pgtest.Message('d', []byte("id\n7\n"))[:7]), "EOF"},
		"a message of 4 GiB":    {0, described, []byte{'d', 0xff, 0xff, 0xff, 0xff}, "announced a message"},
		"a message of nothing":  {0, described, []byte{'d', 0, 0, 0, 0}, "malformed"},
		"an unknown message":    {0, described, pgtest.Message('!', "what"), "unknown message"},
		"a request to copy in":  {0, described, join(pgtest.Message('G', byte(0), int16(1), int16(0)), pgtest.Message('C', "COPY 0"), ready), "no header"},
		"a short end":           {0, described, pgtest.Message('Z'), ""},
		"no description":        {0, join(pgtest.Message('1'), ready), nil, ""},
		"columns cut short":     {0, join(described[:len(described)-len(column("id"))-len(ready)], pgtest.Message('T', int16(5), "id"), ready), nil, ""},
		"an early ready":        {0, ready, nil, ""},
		"rows in a description": {0, join(pgtest.Message('D', int16(1), int32(1000), []byte("7")), ready), nil, ""},
		"an empty error":        {0, join(pgtest.Message('E', byte(0)), ready), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			doc := pgtest.Hostile(t, answering(test.description, test.answer, strings.HasPrefix(name, "an early") || strings.HasPrefix(name, "an end")))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			result, err := pgcopy.Write(ctx, io.Discard, pgtest.Connector(t, doc, pgtest.Password("canary"), nil), &pgcopy.Options{Format: test.format}, `SELECT id FROM users`)
			if strings.HasPrefix(name, "honest") {
				if err != nil || result.Rows != 3 {
					t.Errorf("got %+v, %v", result, err)
				}
				return
			}
			if err == nil || result.Rows != 0 || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), test.want) ||
				strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %+v, %v", result, err)
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines are left, %d were there", n, before)
	}
}

// TestEndlessRows: they end with the limit, or with the context.
func TestEndlessRows(t *testing.T) {
	endless := func(conn net.Conn) {
		answering(described, join(copying, pgtest.Message('d', []byte("id\n"))), true)(conn)
		many := bytes.Repeat(pgtest.Message('d', []byte("7\n")), 1000)
		for {
			if _, err := conn.Write(many); err != nil {
				return
			}
		}
	}
	write := func(ctx context.Context, opts *pgcopy.Options, w io.Writer) error {
		_, err := pgcopy.Write(ctx, w, pgtest.Connector(t, pgtest.Hostile(t, endless), pgtest.Password("canary"), nil), opts, `SELECT 1`)
		return err
	}
	if err := write(t.Context(), &pgcopy.Options{MaxRows: 1_000_000}, io.Discard); err == nil || !strings.Contains(err.Error(), "more than the 1000000 rows") {
		t.Errorf("with a limit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	if err := write(ctx, nil, stop); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSilentServer: the context ends the wait for each answer.
func TestSilentServer(t *testing.T) {
	for name, description := range map[string][]byte{"the description": nil, "the copy": described, "the end": described} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		answer := []byte(nil)
		if name == "the end" {
			answer = join(copying, pgtest.Message('d', []byte("id\n7\n")), pgtest.Message('c'), pgtest.Message('C', "COPY 1"))
		}
		doc := pgtest.Hostile(t, answering(description, answer, false))
		_, err := pgcopy.Write(ctx, io.Discard, pgtest.Connector(t, doc, pgtest.Password("canary"), nil), nil, `SELECT 1`)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for %s: %v", name, err)
		}
		cancel()
	}
}
