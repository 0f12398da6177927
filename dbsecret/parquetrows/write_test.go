package parquetrows_test

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
	"runtime"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/dbsecret/parquetrows"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres/pgtest"
)

func open(t testing.TB, s *pgtest.Server) *sql.DB {
	db := sql.OpenDB(s.Connector(t))
	t.Cleanup(func() { db.Close() })
	return db
}

// read returns the rows of a file, as the library reads them.
func read(t testing.TB, file []byte) (schema *parquet.Schema, rows [][]parquet.Value, groups int) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range f.RowGroups() {
		reader := group.Rows()
		for {
			buf := make([]parquet.Row, 64)
			n, err := reader.ReadRows(buf)
			for _, row := range buf[:n] {
				rows = append(rows, row.Clone())
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return f.Schema(), rows, len(f.RowGroups())
}

// TestTypes reads back each of the types, with what is odd about it.
func TestTypes(t *testing.T) {
	s := pgtest.Start(t)
	db := open(t, s)
	for _, test := range []struct {
		expression, kind string
		want             string // the value as the library prints it
	}{
		{`(-32768)::smallint`, "INT(16,true)", "-32768"},
		{`2147483647::int`, "INT(32,true)", "2147483647"},
		{`9223372036854775807::bigint`, "INT(64,true)", "9223372036854775807"},
		{`1.5::real`, "FLOAT", "1.5"},
		{`'NaN'::float8`, "DOUBLE", "NaN"},
		{`'-Infinity'::float8`, "DOUBLE", "-Inf"},
		{`'Infinity'::real`, "FLOAT", "+Inf"},
		{`true`, "BOOLEAN", "true"},
		{`'\x00ff'::bytea`, "BYTE_ARRAY", "\x00\xff"},
		{`''::bytea`, "BYTE_ARRAY", ""},
		{`(-1.5)::numeric(5, 2)`, "DECIMAL(5,2)", "-150"},
		{`(-0.01)::numeric(5, 2)`, "DECIMAL(5,2)", "-1"},
		{`9999999999999999.99::numeric(18, 2)`, "DECIMAL(18,2)", "999999999999999999"},
		{`12345678901234567890.5::numeric(30, 1)`, "STRING", "12345678901234567890.5"},
		{`1.50::numeric`, "STRING", "1.50"},
		{`'NaN'::numeric`, "STRING", "NaN"},
		{`'1969-12-31'::date`, "DATE", "-1"},
		{`'0044-03-15 BC'::date`, "DATE", "-735160"},
		{`'1970-01-01 00:00:00.000001'::timestamp`, "TIMESTAMP(isAdjustedToUTC=false,unit=MICROS)", "1"},
		{`'1970-01-01 01:00:00+01'::timestamptz`, "TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)", "0"},
		{`'1969-12-31 23:59:59.5Z'::timestamptz`, "TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)", "-500000"},
		{`'00:00:01.5'::time`, "TIME(isAdjustedToUTC=false,unit=MICROS)", "1500000"},
		{`'24:00'::time`, "TIME(isAdjustedToUTC=false,unit=MICROS)", "86400000000"},
		{`'12:00:00+02'::timetz`, "STRING", "12:00:00+02"},
		{`'{"a": 1}'::jsonb`, "JSON", `{"a": 1}`},
		{`'{"a":  1}'::json`, "JSON", `{"a":  1}`},
		{`ARRAY['a,b', NULL, '"']`, "STRING", `{"a,b",NULL,"\""}`},
		{`ARRAY[1, 2]`, "STRING", `{1,2}`},
		{`''::text`, "STRING", ""},
		{`'ünï 🔑'::varchar`, "STRING", "ünï 🔑"},
		{`'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid`, "STRING", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{`interval '1 day 2 hours'`, "STRING", "1 day 02:00:00"},
		{`7::oid`, "STRING", "7"},
	} {
		for _, args := range [][]any{nil, {1}} { // the driver asks for other forms with arguments
			query := `SELECT v FROM generate_series(1, 2) AS n LEFT JOIN (SELECT 1 AS n, ` + test.expression + ` AS v) AS q USING (n)`
			if args != nil {
				query += ` WHERE 1 = $1`
			}
			query += ` ORDER BY n`
			var file bytes.Buffer
			if _, err := parquetrows.Write(t.Context(), &file, db, nil, query, args...); err != nil {
				t.Errorf("%s: %v", test.expression, err)
				continue
			}
			schema, rows, _ := read(t, file.Bytes())
			if len(rows) != 2 || !rows[1][0].IsNull() || rows[0][0].IsNull() {
				t.Errorf("%s: the rows %v", test.expression, rows)
				continue
			}
			kind := schema.Fields()[0].Type().String()
			if rows[0][0].String() != test.want || kind != test.kind {
				t.Errorf("%s: %s %q, want %s %q", test.expression, kind, rows[0][0], test.kind, test.want)
			}
		}
	}
	for expression, want := range map[string]string{
		`'infinity'::date`:          "infinity; cast it to text",
		`'-infinity'::timestamptz`:  "infinity; cast it to text",
		`'294276-12-31'::timestamp`: "beyond what 64 bits",
		`'NaN'::numeric(5, 2)`:      "NaN",
		`1 AS a, 2 AS a`:            `two columns "a"`,
	} {
		result, err := parquetrows.Write(t.Context(), io.Discard, db, nil, `SELECT `+expression)
		if err == nil || !strings.Contains(err.Error(), want) || result != (dbsecret.RowsResult{}) {
			t.Errorf("%s: %+v, %v", expression, result, err)
		}
	}
}

// TestRows reads back the sample's, in their order and that of the columns.
func TestRows(t *testing.T) {
	s := pgtest.Start(t)
	for _, opts := range []*parquetrows.Options{nil, {GroupRows: 100}, {GroupBytes: 1}, {GroupRows: 1}, {GroupRows: 257}} {
		var file bytes.Buffer
		result, err := parquetrows.Write(t.Context(), &file, open(t, s), opts, `SELECT last_name, id, first_name, id AS "?column.1?" FROM users WHERE gender = $1 ORDER BY id`, "Female")
		if err != nil {
			t.Fatal(err)
		}
		schema, rows, groups := read(t, file.Bytes())
		var names []string
		for _, f := range schema.Fields() {
			names = append(names, f.Name())
		}
		wantGroups := map[*parquetrows.Options]int{}
		if opts != nil {
			wantGroups[opts] = map[int64]int{100: 6, 0: 521, 1: 521, 257: 3}[opts.GroupRows]
		} else {
			wantGroups[nil] = 1
		}
		if fmt.Sprint(names) != "[last_name id first_name ?column.1?]" || len(rows) != 521 || groups != wantGroups[opts] {
			t.Errorf("%+v: columns %v, %d rows, %d groups, want %d", opts, names, len(rows), groups, wantGroups[opts])
		}
		if result.Rows != 521 || result.Bytes != int64(file.Len()) || result.SHA256 != sha256.Sum256(file.Bytes()) {
			t.Errorf("%+v", result)
		}
		want, err := open(t, s).QueryContext(t.Context(), `SELECT last_name, id, first_name FROM users WHERE gender = 'Female' ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; want.Next(); i++ {
			var last, first string
			var id int64
			if err := want.Scan(&last, &id, &first); err != nil {
				t.Fatal(err)
			}
			if r := rows[i]; r[0].String() != last || r[1].Int64() != id || r[2].String() != first || r[3].Int64() != id {
				t.Fatalf("row %d is %v, want %s %d %s", i, r, last, id, first)
			}
		}
		if err := want.Close(); err != nil {
			t.Error(err)
		}
	}
	var file bytes.Buffer
	result, err := parquetrows.Write(t.Context(), &file, open(t, s), nil, `SELECT id FROM users WHERE false`)
	if _, rows, _ := read(t, file.Bytes()); err != nil || result.Rows != 0 || len(rows) != 0 {
		t.Errorf("no rows: %+v, %v", result, err)
	}
}

// TestLimits: a result that breaks a limit is not committed, not even in part.
func TestLimits(t *testing.T) {
	s := pgtest.Start(t)
	db := open(t, s)
	const groups = `SELECT n % 3 AS kind, count(*) AS people FROM generate_series(1, 100000) AS n GROUP BY 1 ORDER BY 1`
	sink, err := datasink.NewWithBackend(datasink.Memory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		opts  parquetrows.Options
		query string
		want  string // "" if the result may leave
	}{
		{"allowed columns", parquetrows.Options{Columns: []string{"kind", "people"}}, groups, ""},
		{"another column", parquetrows.Options{Columns: []string{"people"}}, groups, `the column "kind", which is not allowed`},
		{"no columns allowed", parquetrows.Options{Columns: []string{}}, groups, "not allowed"},
		{"as many rows", parquetrows.Options{MaxRows: 3}, groups, ""},
		{"more rows", parquetrows.Options{MaxRows: 2}, groups, "more than the 2 rows"},
		{"many more rows", parquetrows.Options{MaxRows: 50_000, GroupRows: 1000}, `SELECT * FROM generate_series(1, 1000000)`, "more than the 50000 rows"},
		{"enough people", parquetrows.Options{CountColumn: "people", MinCount: 33_333}, groups, ""},
		{"too few people", parquetrows.Options{CountColumn: "people", MinCount: 33_334}, groups, `the column "people" is less than 33334`},
		{"people unknown", parquetrows.Options{CountColumn: "people", MinCount: 5}, `SELECT NULL::int AS people`, "holds no integer"},
		{"no such column", parquetrows.Options{CountColumn: "peple", MinCount: 5}, groups, `no column "peple"`},
		{"a minimum of nothing", parquetrows.Options{MinCount: 5}, groups, "needs a CountColumn"},
		{"a negative number of rows", parquetrows.Options{MaxRows: -1}, groups, "zero means any"},
		{"a negative group", parquetrows.Options{GroupRows: -1}, groups, "zero means the default"},
		{"no columns", parquetrows.Options{}, `SET work_mem = '64MB'`, "no columns"},
		{"a division by zero at the end", parquetrows.Options{}, `SELECT 1 / (1000 - n) FROM generate_series(1, 1000) AS n`, "division by zero"},
	} {
		err := sink.WriteFile(t.Context(), test.name, func(w io.Writer) error {
			_, err := parquetrows.Write(t.Context(), w, db, &test.opts, test.query)
			return err
		})
		_, statErr := sink.Stat(context.Background(), test.name)
		switch {
		case test.want == "" && (err != nil || statErr != nil):
			t.Errorf("%s: %v, %v", test.name, err, statErr)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		case test.want != "" && !errors.Is(statErr, fs.ErrNotExist):
			t.Errorf("%s: something was committed", test.name)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestFailures of the output, the context and the server are errors.
func TestFailures(t *testing.T) {
	s := pgtest.Start(t)
	db := open(t, s)
	full := errors.New("disk full")
	const endless = `SELECT generate_series(1, 100000000)`
	_, err := parquetrows.Write(t.Context(), writerFunc(func([]byte) (int, error) { return 0, full }), db, nil, endless)
	if !errors.Is(err, full) {
		t.Errorf("a full disk: %v", err)
	}
	_, err = parquetrows.Write(t.Context(), writerFunc(func(p []byte) (int, error) { return len(p) - 1, nil }), db, nil, endless)
	if !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a short write: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	writes := 0
	_, err = parquetrows.Write(ctx, writerFunc(func(p []byte) (int, error) {
		if writes++; writes > 3 { // within a row group
			cancel()
		}
		return len(p), nil
	}), db, &parquetrows.Options{GroupRows: 1000}, endless)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for name, answer := range map[string][]byte{
		"an early end":       bytes.Join([][]byte{description(23), pgtest.Message('D', int16(1), int32(1), []byte("7"))}, nil),
		"no number":          bytes.Join([][]byte{description(23), pgtest.Message('D', int16(1), int32(5), []byte("seven")), end}, nil),
		"a large number":     bytes.Join([][]byte{description(21), pgtest.Message('D', int16(1), int32(5), []byte("70000")), end}, nil),
		"not UTF-8":          bytes.Join([][]byte{description(25), pgtest.Message('D', int16(1), int32(1), []byte("\xff")), end}, nil),
		"no boolean":         bytes.Join([][]byte{description(16), pgtest.Message('D', int16(1), int32(0)), end}, nil),
		"no timestamp":       bytes.Join([][]byte{description(1184), pgtest.Message('D', int16(1), int32(4), []byte("then")), end}, nil),
		"a row of nothing":   bytes.Join([][]byte{description(23), pgtest.Message('D'), end}, nil),
		"more than the type": bytes.Join([][]byte{numeric(5, 2), pgtest.Message('D', int16(1), int32(12), []byte("999999999.00")), end}, nil),
		"another scale":      bytes.Join([][]byte{numeric(5, 2), pgtest.Message('D', int16(1), int32(3), []byte("1.5")), end}, nil),
	} {
		doc := pgtest.Hostile(t, func(conn net.Conn) {
			if _, _, err := pgtest.Request(conn); err == nil {
				_, _ = conn.Write(answer)
			}
		})
		db := sql.OpenDB(pgtest.Connector(t, doc, pgtest.Password("canary"), nil))
		result, err := parquetrows.Write(t.Context(), io.Discard, db, nil, `SELECT 1`)
		if err == nil || result != (dbsecret.RowsResult{}) {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
		db.Close()
	}
}

var end = bytes.Join([][]byte{pgtest.Message('C', "SELECT 1"), pgtest.Message('Z', byte('I'))}, nil)

func description(oid int32) []byte {
	return pgtest.Message('T', int16(1), "v", int32(0), int16(0), oid, int16(-1), int32(-1), int16(0))
}

func numeric(precision, scale int32) []byte {
	return pgtest.Message('T', int16(1), "v", int32(0), int16(0), int32(1700), int16(-1), precision<<16+scale+4, int16(0))
}

// TestMemory: a million rows in bounded groups leave the heap as it was.
func TestMemory(t *testing.T) {
	s := pgtest.Start(t)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := heap(), uint64(0)
	writes := 0
	w := writerFunc(func(p []byte) (int, error) {
		if writes++; writes%16 == 0 {
			most = max(most, heap())
		}
		return len(p), nil
	})
	result, err := parquetrows.Write(t.Context(), w, open(t, s), &parquetrows.Options{GroupBytes: 4 << 20}, `SELECT n, 'Name' || n AS name FROM generate_series(1, 1000000) AS n`)
	if err != nil || result.Rows != 1_000_000 {
		t.Fatal(result, err)
	}
	t.Logf("heap before %d KiB, at most %d KiB", before>>10, most>>10)
	if most > before+32<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, most)
	}
}
