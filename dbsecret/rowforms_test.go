package dbsecret

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzForms reads what was written with the standard library's readers.
func FuzzForms(f *testing.F) {
	for _, s := range []string{"", "a", "a,b", `a"b`, "a\nb", "a\r\nb", `\.`, " ", "\x00\x1f", "ü\u2028🔑", "\xff", `back\slash`, "\""} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		b, err := appendCSV(nil, first, "TEXT", true)
		if err != nil {
			t.Fatal(err)
		}
		b, err = appendCSV(append(b, ','), []byte(second), "TEXT", false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := csv.NewReader(bytes.NewReader(append(b, '\n'))).Read()
		// The reader takes a carriage return before a line feed away.
		want := []string{strings.ReplaceAll(first, "\r\n", "\n"), strings.ReplaceAll(second, "\r\n", "\n")}
		if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Fatalf("%q and %q as CSV %q: %q, %v", first, second, b, got, err)
		}
		b, err = appendJSON(nil, first, "TEXT")
		if utf8.ValidString(first) != (err == nil) {
			t.Fatalf("%q as JSON: %v", first, err)
		}
		if err == nil {
			var text string
			if err := json.Unmarshal(b, &text); err != nil || text != first {
				t.Fatalf("%q as JSON %q: %q, %v", first, b, text, err)
			}
		}
	})
}

// TestForms: what tells values apart that look alike.
func TestForms(t *testing.T) {
	when := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.FixedZone("", 3600))
	for _, test := range []struct {
		src       any
		kind      string
		csv, json string
	}{
		{nil, "TEXT", ``, `null`},
		{"", "TEXT", `""`, `""`},
		{[]byte{}, "TEXT", `""`, `""`},
		{`\.`, "TEXT", `"\."`, `"\\."`},
		{int64(-5), "INT8", `-5`, `-5`},
		{true, "BOOL", `true`, `true`},
		{0.1, "FLOAT8", `0.1`, `0.1`},
		{1e15, "FLOAT8", `1e+15`, `1e+15`},
		{math.NaN(), "FLOAT8", `NaN`, `"NaN"`},
		{math.Inf(-1), "FLOAT8", `-Infinity`, `"-Infinity"`},
		{[]byte("12345678901234567890.50"), "NUMERIC", `12345678901234567890.50`, `12345678901234567890.50`},
		{[]byte("NaN"), "NUMERIC", `NaN`, `"NaN"`},
		{[]byte("Infinity"), "NUMERIC", `Infinity`, `"Infinity"`},
		{[]byte{0, 255}, "BYTEA", `\x00ff`, `"\\x00ff"`},
		{[]byte("{\"a\":\n [1]}"), "JSON", "\"{\"\"a\"\":\n [1]}\"", `{"a":[1]}`},
		{[]byte(`{1,2}`), "_INT4", `"{1,2}"`, `"{1,2}"`},
		{when, "TIMESTAMPTZ", `2026-02-03T03:05:06.000007Z`, `"2026-02-03T03:05:06.000007Z"`},
	} {
		if b, err := appendCSV(nil, test.src, test.kind, true); err != nil || string(b) != test.csv {
			t.Errorf("%v as CSV: %s, %v, want %s", test.src, b, err, test.csv)
		}
		b, err := appendJSON([]byte("x"), test.src, test.kind)
		if err != nil || string(b) != "x"+test.json {
			t.Errorf("%v as JSON: %s, %v, want %s", test.src, b, err, test.json)
		}
		if !json.Valid(b[1:]) {
			t.Errorf("%v: %s is not JSON", test.src, b)
		}
	}
	for _, bad := range []struct {
		src  any
		kind string
	}{{"\xff", "TEXT"}, {[]byte("{"), "JSONB"}, {[]byte("{} {}"), "JSON"}, {[]byte(""), "JSON"}, {struct{}{}, "TEXT"}} {
		if b, err := appendJSON(nil, bad.src, bad.kind); err == nil {
			t.Errorf("%v as JSON: %s", bad.src, b)
		}
	}
}
