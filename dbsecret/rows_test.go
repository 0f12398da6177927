package dbsecret_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres"
)

// psql runs PostgreSQL's own client and returns its output, one row a line.
func (s *server) psql(t *testing.T, query string) string {
	t.Helper()
	program, err := exec.LookPath("psql")
	if err != nil {
		binDir, _ := postgres.Find()
		program = filepath.Join(binDir, "psql")
		if _, err := os.Stat(program); err != nil {
			if os.Getenv("CLEANROOM_REQUIRE_POSTGRES") == "1" {
				t.Fatal("no psql: ", err)
			}
			t.Skip("no psql here: ", err)
		}
	}
	dir := t.TempDir()
	root, passfile := filepath.Join(dir, "root.pem"), filepath.Join(dir, "pgpass")
	if err := errors.Join(os.WriteFile(root, s.RootPEM, 0o600), os.WriteFile(passfile, append([]byte("*:*:*:*:"), s.Password().Clone()...), 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", query,
		fmt.Sprintf("host=%s port=%d dbname=%s user=%s sslmode=verify-full sslrootcert=%s passfile=%s", s.Host, s.Port, s.Database, s.User, root, passfile))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "PGCLIENTENCODING=UTF8"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("psql: %v: %s", err, stderr.Bytes())
	}
	return string(out)
}

// lineSQL makes the server write what WriteRows should.
const lineSQL = `SELECT 'id: ' || id || ' firstName: ' || replace(replace(coalesce(first_name, ''), E'\r', '\r'), E'\n', '\n') FROM `

func TestWriteRowsAsPsql(t *testing.T) {
	s := sharedServer(t)
	db := s.db(t)
	admin := s.admin(t, "")
	mustExec(t, admin, `CREATE TABLE odd (id integer PRIMARY KEY, first_name text)`)
	t.Cleanup(func() { mustExec(t, admin, `DROP TABLE odd`) })
	mustExec(t, admin, `GRANT SELECT ON odd TO PUBLIC`)
	for i, name := range []any{
		"Ann", "O'Neil", `Ann "the" Great`, "Smith, John", "Jürgen Größe", "Ann Mary", "  blanks  ", "", nil,
		"line\nfeed", "return\r", "both\r\n", "\n", "\r\n\r\n", "tab\there", `back\slash`, `not\na line feed`, "ünï\ncödé", "שלום", "🔑",
		"id: 7 firstName: Mallory", "e\u0301", "\u00a0", strings.Repeat("long ", 100_000),
	} {
		mustExec(t, admin, `INSERT INTO odd VALUES ($1, $2)`, i-3, name)
	}
	for _, table := range []string{"odd", "users", "users WHERE false"} {
		t.Run(table, func(t *testing.T) {
			want := s.psql(t, lineSQL+table+` ORDER BY id`)
			var got bytes.Buffer
			result, err := dbsecret.WriteRows(t.Context(), &got, db, `SELECT id, first_name FROM `+table+` ORDER BY id`)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != want {
				t.Errorf("got  %.2000q\nwant %.2000q", got.String(), want)
			}
			if result.Rows != int64(strings.Count(want, "\n")) || result.Bytes != int64(len(want)) || result.SHA256 != sha256.Sum256([]byte(want)) {
				t.Errorf("the result is %+v", result)
			}
		})
	}
}

// TestScenario runs the query of the scenario, with its argument.
func TestScenario(t *testing.T) {
	s := sharedServer(t)
	var want strings.Builder
	for _, u := range postgres.SampleUsers() {
		if u.Gender == "Female" {
			fmt.Fprintf(&want, "id: %d firstName: %s\n", u.ID, u.FirstName)
		}
	}
	var got strings.Builder
	result, err := dbsecret.WriteRows(t.Context(), &got, s.db(t), `SELECT id, first_name FROM users WHERE gender = $1 ORDER BY id`, "Female")
	if err != nil || result.Rows != postgres.FemaleUsers || got.String() != want.String() {
		t.Errorf("%+v, %v, as wanted: %t", result, err, got.String() == want.String())
	}
	if psql := s.psql(t, lineSQL+`users WHERE gender = 'Female' ORDER BY id`); psql != want.String() {
		t.Error("psql sees something else")
	}
}

// TestValues compares with what the server prints.
func TestValues(t *testing.T) {
	s := sharedServer(t)
	db := s.db(t)
	for _, value := range []string{
		`0`, `-2147483648`, `32767::int2`, `9223372036854775807`, `(-9223372036854775808)::int8`, `12345678901234567890.1234567890::numeric`, `'NaN'::numeric`,
		`0::float8`, `'-0'::float8`, `1::float8`, `0.1::float8`, `1234567::float8`, `123456789012345::float8`, `999999999999999.9::float8`, `1e15::float8`, `1234567890123456::float8`, `1e16::float8`, `1e-4::float8`, `1e-5::float8`, `1.5e300::float8`, `5e-324::float8`,
		`'NaN'::float8`, `'Infinity'::float8`, `'-Infinity'::float8`,
		`0.1::float4`, `123456::float4`, `1234567::float4`, `1e6::float4`, `1e-4::float4`, `1e-5::float4`, `3.4e38::float4`, `16777216::float4`,
		`'text'`, `'text'::varchar(10)`, `'text'::char(10)`, `'x'::"char"`, `''::text`, `'name'::name`,
		`'\x00ff0a'::bytea`, `''::bytea`,
		`'2020-02-29'::date`, `'0005-02-29 BC'::date`, `'0001-02-29 BC'::date`, `'0044-03-15 BC'::date`, `'12345-01-01'::date`, `'infinity'::date`, `'-infinity'::timestamp`,
		`'2020-02-29 13:14:15'::timestamp`, `'2020-02-29 13:14:15.123456'::timestamp`, `'2020-02-29 00:00:00.1'::timestamp`, `'0044-03-15 01:02:03 BC'::timestamp`,
		`'13:14:15'::time`, `'13:14:15.5'::time`, `'13:14:15+00'::timetz`, `'13:14:00+00'::timetz`, `'13:14:15+05:30'::timetz`, `'13:14:15.25-08'::timetz`,
		`'1 year 2 mons 3 days 04:05:06.7'::interval`, `'{"a": [1, "x"]}'::json`, `'{"a":  [1]}'::jsonb`, `'{1,2,NULL}'::int[]`, `'{"a b",c}'::text[]`,
		`'550e8400-e29b-41d4-a716-446655440000'::uuid`, `'192.0.2.1/32'::inet`, `'192.0.2.0/24'::cidr`, `'[1,5)'::int4range`, `1234.5::money`, `'<a>b</a>'::xml`, `ROW(1,'x')`,
		`B'101'`, `'(1,2)'::point`, `'00:00:5e:00:53:01'::macaddr`,
	} {
		var want string
		if err := db.QueryRowContext(t.Context(), `SELECT format('%s', `+value+`)`).Scan(&want); err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		// Without arguments all comes as text, with one some as binary.
		for _, args := range [][]any{nil, {1}} {
			query := `SELECT ` + value + ` AS v`
			if args != nil {
				query += ` WHERE $1 = 1`
			}
			var got strings.Builder
			if _, err := dbsecret.WriteRows(t.Context(), &got, db, query, args...); err != nil || got.String() != "v: "+want+"\n" {
				t.Errorf("%s with %d arguments: got %q, %v; want %q", value, len(args), got.String(), err, want)
			}
		}
	}
	for value, want := range map[string]string{
		`'2020-02-29 13:14:15+02'::timestamptz`:       "2020-02-29T11:14:15Z",
		`'2020-02-29 13:14:15.12-05:30'::timestamptz`: "2020-02-29T18:44:15.12Z",
		`NULL::int`: "",
		`true`:      "true",
		`false`:     "false",
	} {
		for _, zone := range []string{"UTC", "Asia/Kathmandu"} {
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(t.Context(), `SET TimeZone = '`+zone+`'`); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			if _, err := dbsecret.WriteRows(t.Context(), &got, conn, `SELECT `+value+` AS v`); err != nil || got.String() != "v: "+want+"\n" {
				t.Errorf("%s in %s: got %q, %v; want %q", value, zone, got.String(), err, want)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestLabels(t *testing.T) {
	s := sharedServer(t)
	for column, want := range map[string]string{
		"first_name": "firstName", "id": "id", "ID": "id", "FIRST NAME": "firstName", "firstName": "firstName", "FirstName": "firstName",
		"a-b.c": "aBC", "größe_in_cm": "größeInCm", "élan_vital": "élanVital", "_x_": "x", "2nd": "2nd", "a: b\n": "aB", "?column?": "column", "!": "column1",
	} {
		var got strings.Builder
		_, err := dbsecret.WriteRows(t.Context(), &got, s.db(t), `SELECT 1 AS "`+column+`"`)
		if err != nil || got.String() != want+": 1\n" {
			t.Errorf("%q: got %q, %v; want %q", column, got.String(), err, want)
		}
	}
}

// TestMillion writes a million rows, with memory that does not grow with them.
func TestMillion(t *testing.T) {
	s := sharedServer(t)
	s.bigTable(t)
	want := sha256.New()
	for n := 1; n <= million; n++ {
		fmt.Fprintf(want, "id: %d firstName: Name%d\n", n, n%997)
	}
	var m meter
	result, err := dbsecret.WriteRows(t.Context(), &m, s.db(t), `SELECT id, first_name FROM big ORDER BY id`)
	if err != nil || result.Rows != million {
		t.Fatal(result.Rows, err)
	}
	if !bytes.Equal(result.SHA256[:], want.Sum(nil)) {
		t.Error("the text is not what the table holds")
	}
	const bound = 4 << 20
	if m.growth() > bound || m.largest > 128<<10 {
		t.Errorf("while %d bytes were written, the heap grew by %d; the largest piece had %d", result.Bytes, m.growth(), m.largest)
	}
}

// meter is a writer that looks at the live heap now and then.
type meter struct {
	written, next, largest int
	first, most            uint64
}

func (m *meter) Write(p []byte) (int, error) {
	m.written += len(p)
	m.largest = max(m.largest, len(p))
	if m.written >= m.next {
		m.next += 4 << 20
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		if m.first == 0 {
			m.first = stats.HeapAlloc
		}
		m.most = max(m.most, stats.HeapAlloc)
	}
	return len(p), nil
}

func (m *meter) growth() uint64 { return m.most - m.first }

// TestQueryErrors has what people get wrong.
func TestQueryErrors(t *testing.T) {
	s := sharedServer(t)
	db := s.db(t)
	mustExec(t, s.admin(t, ""), `CREATE TABLE IF NOT EXISTS forbidden (id int)`)
	for _, c := range []struct {
		query string
		args  []any
		want  []string
	}{
		{`SELECT id FROM nowhere`, nil, []string{`relation "nowhere" does not exist`, "42P01", "dbName"}},
		{`SELECT id FROM nowhere WHERE id = $1`, []any{1}, []string{`relation "nowhere" does not exist`, "42P01"}},
		{`SELECT id FROM users WHERE gender = "Female"`, nil, []string{`column "Female" does not exist`, "pass values as arguments"}},
		{`SELECT * FROM forbidden`, nil, []string{"permission denied", "grant SELECT"}},
		{`SELEC 1`, nil, []string{"syntax error"}},
		{`SELECT 1 WHERE $1 = 1`, []any{"x"}, []string{"invalid input syntax"}},
		{`SELECT 1 WHERE $1 = $2`, []any{1}, []string{"parameter"}},
		{`SELECT 1/(3 - n) FROM generate_series(1, 5) AS n`, nil, []string{"division by zero"}},
		{`SELECT 10000/(30000 - n) FROM generate_series(1, 50000) AS n`, nil, []string{"after 29", "division by zero"}},
		{`SELECT 1; SELECT 2`, nil, []string{"more than one result"}},
		{``, nil, []string{"returns no columns"}},
		{`SET work_mem = '1MB'`, nil, []string{"returns no columns"}},
		{`COPY users TO STDOUT`, nil, []string{"dbsecret: write rows"}},
	} {
		result, err := dbsecret.WriteRows(t.Context(), io.Discard, db, c.query, c.args...)
		wantError(t, err, append(c.want, "dbsecret: write rows: after ")...)
		if result != (dbsecret.RowsResult{}) {
			t.Errorf("%s: an error and the result %+v", c.query, result)
		}
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Errorf("the pool is of no use any more: %v", err)
	}
	if n := db.Stats().InUse; n > 0 {
		t.Errorf("%d connections are still in use", n)
	}
}

// short and broken are outputs that fail.
type short struct{}

func (short) Write(p []byte) (int, error) { return len(p) - 1, nil }

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestOutputErrors(t *testing.T) {
	s := sharedServer(t)
	db := s.db(t)
	full := errors.New("the disk is full")
	for w, want := range map[io.Writer]error{short{}: io.ErrShortWrite, broken{full}: full} {
		result, err := dbsecret.WriteRows(t.Context(), w, db, `SELECT * FROM generate_series(1, 1000000)`)
		if !errors.Is(err, want) || result != (dbsecret.RowsResult{}) {
			t.Errorf("got %+v, %v; want %v", result, err, want)
		}
		wantError(t, err, "output: ")
	}
	if n := db.Stats().InUse; n > 0 {
		t.Errorf("%d connections are still in use", n)
	}
	func() {
		defer func() {
			if recover() != "the writer's own" {
				t.Error("a panic of the writer was swallowed")
			}
		}()
		_, _ = dbsecret.WriteRows(t.Context(), panicking{}, db, `SELECT 1 AS x`)
	}()
	if n := db.Stats().InUse; n > 0 {
		t.Errorf("%d connections are still in use after a panic", n)
	}
}

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic("the writer's own") }
