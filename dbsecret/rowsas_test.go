package dbsecret_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/dbsecret"
)

// oddRows are texts that a careless writer gets wrong, NULL among them.
const oddRows = `(VALUES (1, 'Ann', 1.50), (2, NULL, NULL), (3, '', 'NaN'), (4, 'a,"b"', -0.001), (5, E'line\nfeed\r', 1e30), (6, '\.', 0), (7, ' ', 7), (8, 'ünï 🔑', 8)) AS t(id, "First Name", amount)`

// TestCSVAsPsql: the server's own CSV is the same, byte for byte.
func TestCSVAsPsql(t *testing.T) {
	s := sharedServer(t)
	query := `SELECT id, "First Name", amount FROM ` + oddRows + ` ORDER BY id`
	want := s.psql(t, `COPY (`+query+`) TO STDOUT (FORMAT csv, HEADER)`)
	for _, header := range []bool{true, false} {
		var got bytes.Buffer
		result, err := dbsecret.WriteRowsAs(t.Context(), &got, s.db(t), &dbsecret.RowsOptions{Format: dbsecret.RowsCSV, NoHeader: !header}, query)
		if err != nil {
			t.Fatal(err)
		}
		text := want
		if !header {
			_, text, _ = strings.Cut(want, "\n")
		}
		if got.String() != text {
			t.Errorf("got  %q\nwant %q", got.String(), text)
		}
		if result.Rows != 8 || result.Bytes != int64(got.Len()) || result.SHA256 != sha256.Sum256(got.Bytes()) {
			t.Errorf("%+v", result)
		}
	}
}

// TestJSONAsServer: the server's own JSON holds the same values.
func TestJSONAsServer(t *testing.T) {
	s := sharedServer(t)
	query := `SELECT id, "First Name", amount, '{"a": [1,
		null]}'::json AS document, id > 3 AS late, '2026-01-02'::date AS day FROM ` + oddRows + ` ORDER BY id`
	want := decodeLines(t, s.psql(t, `SELECT to_jsonb(q) FROM (`+query+`) AS q`))
	var got bytes.Buffer
	if _, err := dbsecret.WriteRowsAs(t.Context(), &got, s.db(t), &dbsecret.RowsOptions{Format: dbsecret.RowsJSON}, query); err != nil {
		t.Fatal(err)
	}
	if values := decodeLines(t, got.String()); !reflect.DeepEqual(values, want) {
		t.Errorf("got  %v\nwant %v", values, want)
	}
	if _, err := dbsecret.WriteRowsAs(t.Context(), io.Discard, s.db(t), &dbsecret.RowsOptions{Format: dbsecret.RowsJSON}, `SELECT 1 AS a, 2 AS a`); err == nil || !strings.Contains(err.Error(), `two columns "a"`) {
		t.Errorf("two columns of one name: %v", err)
	}
}

func decodeLines(t *testing.T, text string) (values []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		values = append(values, v)
	}
	if len(values) != 8 {
		t.Fatalf("%d lines, want 8", len(values))
	}
	return values
}

// TestLimits: a result that breaks a limit is not committed, not even in part.
func TestLimits(t *testing.T) {
	s := sharedServer(t)
	db := s.db(t)
	const groups = `SELECT n % 3 AS kind, count(*) AS people FROM generate_series(1, 100000) AS n GROUP BY 1 ORDER BY 1`
	sink, err := datasink.NewWithBackend(datasink.Memory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		opts  dbsecret.RowsOptions
		query string
		want  string // "" if the result may leave
	}{
		{"allowed columns", dbsecret.RowsOptions{Columns: []string{"kind", "people"}}, groups, ""},
		{"another column", dbsecret.RowsOptions{Columns: []string{"people"}}, groups, `the column "kind", which is not allowed`},
		{"another case", dbsecret.RowsOptions{Columns: []string{"Kind", "people"}}, groups, `the column "kind"`},
		{"no columns allowed", dbsecret.RowsOptions{Columns: []string{}}, groups, "not allowed"},
		{"as many rows", dbsecret.RowsOptions{MaxRows: 3}, groups, ""},
		{"more rows", dbsecret.RowsOptions{MaxRows: 2}, groups, "more than the 2 rows"},
		{"many more rows", dbsecret.RowsOptions{MaxRows: 50_000}, `SELECT * FROM generate_series(1, 1000000)`, "more than the 50000 rows"},
		{"enough people", dbsecret.RowsOptions{CountColumn: "people", MinCount: 33_333}, groups, ""},
		{"too few people", dbsecret.RowsOptions{CountColumn: "people", MinCount: 33_334}, groups, `the column "people" is less than 33334`},
		{"people as numeric", dbsecret.RowsOptions{CountColumn: "people", MinCount: 5}, `SELECT 4::numeric AS people`, "less than 5"},
		{"people as a fraction", dbsecret.RowsOptions{CountColumn: "people", MinCount: 5}, `SELECT 7.5 AS people`, "holds no integer"},
		{"people unknown", dbsecret.RowsOptions{CountColumn: "people", MinCount: 5}, `SELECT NULL::int AS people`, "holds no integer"},
		{"no such column", dbsecret.RowsOptions{CountColumn: "peple", MinCount: 5}, groups, `no column "peple"`},
		{"a second one that is large", dbsecret.RowsOptions{CountColumn: "people", MinCount: 5}, `SELECT 9 AS people, 1 AS people`, "less than 5"},
		{"a minimum of nothing", dbsecret.RowsOptions{MinCount: 5}, groups, "needs a CountColumn"},
		{"a negative number of rows", dbsecret.RowsOptions{MaxRows: -1}, groups, "zero means any"},
		{"no format", dbsecret.RowsOptions{Format: 9}, groups, "format"},
	} {
		for _, format := range []dbsecret.RowsFormat{dbsecret.RowsText, dbsecret.RowsCSV} {
			opts := test.opts
			if opts.Format == 0 {
				opts.Format = format
			}
			err := sink.WriteFile(t.Context(), test.name, func(w io.Writer) error {
				_, err := dbsecret.WriteRowsAs(t.Context(), w, db, &opts, test.query)
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
}

func TestRowsFormatNames(t *testing.T) {
	for _, f := range []dbsecret.RowsFormat{dbsecret.RowsText, dbsecret.RowsCSV, dbsecret.RowsJSON} {
		if got, err := dbsecret.ParseRowsFormat(f.String()); err != nil || got != f {
			t.Errorf("%s: %v, %v", f, got, err)
		}
	}
	if _, err := dbsecret.ParseRowsFormat("parquet"); err == nil {
		t.Error("parquet is a format")
	}
}

// TestRowsProgress: whoever waits hears of rows and bytes that have been
// written, never of fewer than before, and at the end of all.
func TestRowsProgress(t *testing.T) {
	s := sharedServer(t)
	var calls, rows, size int64
	opts := &dbsecret.RowsOptions{Progress: func(r, b int64) {
		if r < rows || b < size {
			t.Errorf("%d rows and %d bytes after %d and %d", r, b, rows, size)
		}
		calls, rows, size = calls+1, r, b
	}}
	result, err := dbsecret.WriteRowsAs(t.Context(), io.Discard, s.db(t), opts, `SELECT n, 'some text' FROM generate_series(1, 100000) AS n`)
	if err != nil {
		t.Fatal(err)
	}
	if calls < 10 || rows != 100_000 || rows != result.Rows || size != result.Bytes {
		t.Errorf("%d calls, the last with %d rows and %d bytes; the result is %d and %d", calls, rows, size, result.Rows, result.Bytes)
	}
}
