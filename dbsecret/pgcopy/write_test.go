package pgcopy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/dbsecret/pgcopy"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres/pgtest"
)

// oddRows are values that a careless reader gets wrong, NULL among them.
const oddRows = `SELECT * FROM (VALUES (1, 'Ann', 1.50), (2, NULL, NULL), (3, '', 'NaN'), (4, 'a,"b"', -0.001),
	(5, E'line\nfeed\r', 1e30), (6, '\.', 0), (7, E' \t', 7), (8, 'ünï 🔑', 8), (9, E'"\\"\n""', 'Infinity')) AS t(id, "First, ""Name""", amount) ORDER BY id -- the end`

// types has one row of what drivers differ about.
const types = `SELECT 'NaN'::float8 AS nan, '-Infinity'::float4 AS inf, '\x00ff0a'::bytea AS bytes, ARRAY['a,b', NULL, '"'] AS list,
	'2026-03-04 05:06:07.5+02'::timestamptz AS at, 12345678901234567890.123::numeric AS amount, true AS yes, '{"a": 1}'::jsonb AS doc`

func TestAsPSQL(t *testing.T) {
	s := pgtest.Start(t)
	for _, query := range []string{oddRows, types, `SELECT id, first_name FROM users ORDER BY id`, `VALUES (1)`, `TABLE plants`, `SELECT NULL::text UNION ALL SELECT ''`,
		`SELECT 1 WHERE false`, `SELECT repeat(E'x"\n,\t\\', n * 5000) FROM generate_series(1, 9) n`} {
		for opts, with := range map[*pgcopy.Options]string{
			nil:                          "FORMAT csv, HEADER",
			{NoHeader: true}:             "FORMAT csv",
			{Format: pgcopy.Text}:        "FORMAT text",
			{MaxRows: 1000}:              "FORMAT csv, HEADER",
			{MaxRows: 1, NoHeader: true}: "",
		} {
			var got bytes.Buffer
			result, err := pgcopy.Write(t.Context(), &got, s.Connector(t), opts, query)
			if with == "" {
				if err != nil && !strings.Contains(err.Error(), "more than the 1 rows") {
					t.Errorf("%s: %v", query, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", query, err)
				continue
			}
			if want := s.Output(t, `COPY (`+query+"\n"+`) TO STDOUT (`+with+`)`); got.String() != want {
				t.Errorf("%s\ngot  %q\nwant %q", query, got.String(), want)
			}
			var rows int64
			if err := open(t, s).QueryRowContext(t.Context(), "SELECT count(*) FROM ("+query+"\n) AS q").Scan(&rows); err != nil {
				t.Fatal(err)
			}
			if result.Rows != rows || result.Bytes != int64(got.Len()) || result.SHA256 != sha256.Sum256(got.Bytes()) {
				t.Errorf("%s: %+v, want %d rows", query, result, rows)
			}
		}
	}
}

func open(t testing.TB, s *pgtest.Server) *sql.DB {
	db := sql.OpenDB(s.Connector(t))
	t.Cleanup(func() { db.Close() })
	return db
}

// TestLimits: a result that breaks a limit is not committed, not even in part.
func TestLimits(t *testing.T) {
	s := pgtest.Start(t)
	const groups = `SELECT n % 3 AS kind, count(*) AS people FROM generate_series(1, 100000) AS n GROUP BY 1 ORDER BY 1`
	sink, err := datasink.NewWithBackend(datasink.Memory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		opts  pgcopy.Options
		query string
		want  string // "" if the result may leave
	}{
		{"allowed columns", pgcopy.Options{Columns: []string{"kind", "people"}}, groups, ""},
		{"another column", pgcopy.Options{Columns: []string{"people"}}, groups, `the column "kind", which is not allowed`},
		{"all columns of a table", pgcopy.Options{Columns: []string{"id"}}, `TABLE users`, `the column "first_name", which is not allowed`},
		{"no columns allowed", pgcopy.Options{Columns: []string{}}, groups, "not allowed"},
		{"as many rows", pgcopy.Options{MaxRows: 3}, groups, ""},
		{"more rows", pgcopy.Options{MaxRows: 2}, groups, "more than the 2 rows"},
		{"many more rows", pgcopy.Options{MaxRows: 50_000}, `SELECT * FROM generate_series(1, 1000000)`, "more than the 50000 rows"},
		{"enough people", pgcopy.Options{CountColumn: "people", MinCount: 33_333}, groups, ""},
		{"too few people", pgcopy.Options{CountColumn: "people", MinCount: 33_334}, groups, `the column "people" is less than 33334`},
		{"people as a fraction", pgcopy.Options{CountColumn: "people", MinCount: 5}, `SELECT 7.5 AS people`, "holds no integer"},
		{"people unknown", pgcopy.Options{CountColumn: "people", MinCount: 5}, `SELECT NULL::int AS people`, "holds no integer"},
		{"people as a long text", pgcopy.Options{CountColumn: "people", MinCount: 5}, `SELECT repeat('9', 100000) AS people`, "holds no integer"},
		{"people behind a quoted field", pgcopy.Options{CountColumn: "people", MinCount: 5}, `SELECT E'9,"\n9\t9' AS a, 4 AS people`, "less than 5"},
		{"no such column", pgcopy.Options{CountColumn: "peple", MinCount: 5}, groups, `no column "peple"`},
		{"a second one that is large", pgcopy.Options{CountColumn: "people", MinCount: 5}, `SELECT 9 AS people, 1 AS people`, "less than 5"},
		{"a minimum of nothing", pgcopy.Options{MinCount: 5}, groups, "needs a CountColumn"},
		{"a negative number of rows", pgcopy.Options{MaxRows: -1}, groups, "zero means any"},
		{"no format", pgcopy.Options{Format: 9}, groups, "format 9"},
	} {
		for _, format := range []pgcopy.Format{pgcopy.CSV, pgcopy.Text} {
			opts := test.opts
			if opts.Format == 0 {
				opts.Format = format
			}
			name := fmt.Sprint(test.name, " ", format)
			err := sink.WriteFile(t.Context(), name, func(w io.Writer) error {
				result, err := pgcopy.Write(t.Context(), w, s.Connector(t), &opts, test.query)
				if err != nil && result != (dbsecret.RowsResult{}) {
					t.Errorf("%s: an error and %+v", name, result)
				}
				return err
			})
			_, statErr := sink.Stat(context.Background(), name)
			switch {
			case test.want == "" && (err != nil || statErr != nil):
				t.Errorf("%s: %v, %v", name, err, statErr)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%s: %v, want %q", name, err, test.want)
			case test.want != "" && !errors.Is(statErr, fs.ErrNotExist):
				t.Errorf("%s: something was committed", name)
			}
		}
	}
}

// TestOneReadingStatement gives queries that mean to be more than one.
func TestOneReadingStatement(t *testing.T) {
	s := pgtest.Start(t)
	s.Exec(t, `CREATE TABLE kept (id int); INSERT INTO kept VALUES (1); GRANT ALL ON kept TO PUBLIC;
		CREATE SEQUENCE counter; GRANT ALL ON SEQUENCE counter TO PUBLIC`)
	target := filepath.Join(t.TempDir(), "stolen")
	for query, code := range map[string]string{
		`SELECT 1; DELETE FROM kept`:                                      "42601",
		`SELECT 1) TO STDOUT; DELETE FROM kept; COPY (SELECT 1`:           "42601",
		`SELECT 1) TO PROGRAM 'cat > ` + target + `' --`:                  "42601",
		`SELECT 1) TO '` + target + `' --`:                                "42601",
		`SELECT 1) TO STDOUT (FORMAT csv) --`:                             "42601",
		`SELECT 1 /*`:                                                     "42601",
		`SELECT '1`:                                                       "42601",
		`DELETE FROM kept RETURNING id`:                                   "25006",
		`WITH gone AS (DELETE FROM kept RETURNING id) SELECT * FROM gone`: "25006",
		`SELECT nextval('counter')`:                                       "25006",
		`SELECT id INTO copied FROM kept`:                                 "no columns",
		`COMMIT`:                                                          "no columns",
		``:                                                                "no columns",
		`-- SELECT 1`:                                                     "no columns",
		`SHOW server_version`:                                             "42601",
		`EXPLAIN SELECT 1`:                                                "42601",
		`SELECT id FROM kept WHERE id = $1`:                               "has 1 parameters",
		"SELECT 1\x00":                                                    "a NUL",
		`SELECT gender FROM users WHERE gender="Female"`:                  "42703",
		`SELECT * FROM nowhere`:                                           "42P01",
		`SELECT pg_read_file('/etc/passwd')`:                              "42501",
	} {
		for _, format := range []pgcopy.Format{pgcopy.CSV, pgcopy.Text} {
			_, err := pgcopy.Write(t.Context(), io.Discard, s.Connector(t), &pgcopy.Options{Format: format}, query)
			var refused *pgconn.PgError
			switch {
			case err == nil:
				t.Errorf("%q: no error", query)
			case errors.As(err, &refused) && refused.Code == code:
			case !strings.Contains(err.Error(), code):
				t.Errorf("%q: %v, want %s", query, err, code)
			}
		}
	}
	var kept int
	if err := open(t, s).QueryRowContext(t.Context(), `SELECT count(*) FROM kept`).Scan(&kept); err != nil || kept != 1 {
		t.Errorf("%d rows are kept, %v", kept, err)
	}
	if _, err := os.Stat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the output went to a file: %v", err)
	}
	for _, query := range []string{"SELECT 1;", "SELECT 1 ; \n;", "SELECT 1 -- one;", "SELECT ');' /* ; */", `SELECT 1 AS ") TO STDOUT"`} {
		if _, err := pgcopy.Write(t.Context(), io.Discard, s.Connector(t), nil, query); err != nil {
			t.Errorf("%q: %v", query, err)
		}
	}
}

func TestLiteral(t *testing.T) {
	s := pgtest.Start(t)
	for _, value := range []string{"Female", "", "D'Arcy", `\`, `\'; DROP TABLE users; --`, `'' OR 1=1`, "line\nfeed", "$1 %s ünï"} {
		var got string
		if err := open(t, s).QueryRowContext(t.Context(), "SELECT "+pgcopy.Literal(value)).Scan(&got); err != nil || got != value {
			t.Errorf("%q became %q, %v", value, got, err)
		}
	}
	result, err := pgcopy.Write(t.Context(), io.Discard, s.Connector(t), nil, `SELECT id FROM users WHERE gender = `+pgcopy.Literal("Female"))
	if err != nil || result.Rows != 521 {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestEnvironmentChangesNothing sets what pgx and PostgreSQL's clients read.
func TestEnvironmentChangesNothing(t *testing.T) {
	s := pgtest.Start(t)
	const session = `SELECT current_database(), current_user, current_setting('application_name'), current_setting('client_encoding'),
		current_setting('DateStyle'), current_setting('TimeZone'), current_setting('search_path'), ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
	var before, after bytes.Buffer
	if _, err := pgcopy.Write(t.Context(), &before, s.Connector(t), nil, session); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	for _, file := range []string{".pgpass", ".pg_service.conf", "root.crt"} {
		if err := os.WriteFile(filepath.Join(home, file), []byte("nothing of use"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, variable := range []string{
		"HOME=" + home, "PGHOST=192.0.2.1", "PGHOSTADDR=192.0.2.1", "PGPORT=9", "PGDATABASE=elsewhere", "PGUSER=somebody", "PGPASSWORD=wrong",
		"PGPASSFILE=" + home + "/.pgpass", "PGSERVICE=other", "PGSERVICEFILE=" + home + "/.pg_service.conf", "PGAPPNAME=somebody", "PGCONNECT_TIMEOUT=1",
		"PGSSLMODE=disable", "PGSSLKEY=" + home, "PGSSLCERT=" + home, "PGSSLCERTMODE=require", "PGSSLSNI=0", "PGSSLROOTCERT=" + home + "/root.crt",
		"PGSSLPASSWORD=x", "PGSSLNEGOTIATION=direct", "PGTARGETSESSIONATTRS=standby", "PGTZ=Asia/Kathmandu", "PGOPTIONS=-c search_path=nowhere",
		"PGMINPROTOCOLVERSION=3.2", "PGMAXPROTOCOLVERSION=3.2", "PGCHANNELBINDING=disable", "PGREQUIREAUTH=none", "PGCLIENTENCODING=LATIN1", "PGDATESTYLE=German",
	} {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	if _, err := pgcopy.Write(t.Context(), &after, s.Connector(t), nil, session); err != nil {
		t.Fatal(err)
	}
	if before.String() != after.String() || !strings.Contains(before.String(), "cleanroom,UTF8") || !strings.Contains(before.String(), ",t,TLSv1.3") {
		t.Errorf("the session is\n%s\nand was\n%s", after.String(), before.String())
	}
}

// TestServerMustVerify: nothing is asked of a server that another root signed,
// or that has no password of ours.
func TestServerMustVerify(t *testing.T) {
	s := pgtest.Start(t)
	stranger := pgtest.Hostile(t, func(net.Conn) {})
	doc := s.Document()
	doc.SSLRootCert = stranger.SSLRootCert
	_, err := pgcopy.Write(t.Context(), io.Discard, pgtest.Connector(t, doc, s.Unwrapper(), nil), nil, `SELECT 1`)
	if err == nil || !strings.Contains(err.Error(), "sslRootCert") {
		t.Errorf("another root: %v", err)
	}
	_, err = pgcopy.Write(t.Context(), io.Discard, pgtest.Connector(t, s.Document(), pgtest.Password("canary"), nil), nil, `SELECT 1`)
	if err == nil || !strings.Contains(err.Error(), "refused the password") || strings.Contains(fmt.Sprintf("%+v", err), "canary") {
		t.Errorf("another password: %v", err)
	}
}

// turns counts how often the client writes behind something that it read: each
// is a round trip.
type turns struct {
	net.Conn
	mu   sync.Mutex
	read bool
	n    int
}

func (c *turns) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = true
	return n, err
}

func (c *turns) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.read {
		c.n++
	}
	c.read = false
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *turns) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	c.Conn, c.read = conn, true // the connection itself is the first
	return c, err
}

// TestRoundTrips counts those until the first row has come: the connection, TLS
// asked for, TLS, the login in three steps, the description, the copy. Goodbye is
// one more, without an answer.
func TestRoundTrips(t *testing.T) {
	s := pgtest.Start(t)
	counting := &turns{}
	c := pgtest.Connector(t, s.Document(), s.Unwrapper(), &dbsecret.Options{Dialer: counting})
	atFirstRow := 0
	w := writerFunc(func(p []byte) (int, error) {
		if atFirstRow == 0 {
			atFirstRow = counting.n
		}
		return len(p), nil
	})
	if _, err := pgcopy.Write(t.Context(), w, c, nil, `SELECT n FROM generate_series(1, 100000) AS n`); err != nil {
		t.Fatal(err)
	}
	t.Logf("round trips to the first row: %d", atFirstRow)
	if atFirstRow > 8 {
		t.Errorf("%d round trips to the first row, want 8", atFirstRow)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestFailedOutput and a context that ends stop the query at the server.
func TestFailedOutput(t *testing.T) {
	s := pgtest.Start(t)
	full := errors.New("disk full")
	for name, w := range map[string]io.Writer{
		"an error":      writerFunc(func(p []byte) (int, error) { return 0, full }),
		"a short write": writerFunc(func(p []byte) (int, error) { return 1, nil }),
	} {
		result, err := pgcopy.Write(t.Context(), w, s.Connector(t), nil, `SELECT generate_series(1, 100000000)`)
		if result.Rows != 0 || !errors.Is(err, full) && !errors.Is(err, io.ErrShortWrite) || !strings.Contains(err.Error(), "output: ") {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	if _, err := pgcopy.Write(ctx, w, s.Connector(t), nil, `SELECT generate_series(1, 100000000)`); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := pgcopy.Write(ctx, io.Discard, s.Connector(t), nil, `SELECT pg_sleep(600)`); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("timed out: %v", err)
	}
	var left int
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if err := open(t, s).QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%'`).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			break
		}
	}
	if left > 0 {
		t.Errorf("%d queries go on at the server", left)
	}
}
