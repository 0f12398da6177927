package check

import (
	"errors"
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"plain text, tab\there": "plain text, tab\there",
		"çédille ✓ 漢字 🙂":        "çédille ✓ 漢字 🙂",
		"a\nb\r\nc":             `a\nb\r\nc`,
		"\x1b[2J\x1b]0;t\a":     `\x1b[2J\x1b]0;t\a`,
		"\x00\x7f\b\v\f":        `\x00\x7f\b\v\f`,
		"\u009b31m\u0085":       `\u009b31m\u0085`,
		"\u202egnp.exe\u202c":   `\u202egnp.exe\u202c`,
		"\u2066\u2069\u200e":    `\u2066\u2069\u200e`,
		"\u2028\u2029\u200b":    `\u2028\u2029\u200b`,
		"\ufeff\u00ad\u061c":    `\ufeff\u00ad\u061c`,
		"\xff\xfe":              `\ufffd\ufffd`,
		"\U000e0041":            `\U000e0041`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q gave %s, want %s", in, got, want)
		}
	}
}

const forged = "x\n\tcheck  report.host-data\x1b[8m\u202e\u009b"

// Whatever the other party writes, a denial has the lines that this package
// wrote and no control characters.
func TestDenialsCannotBeForged(t *testing.T) {
	c := Check{ID: "id" + forged, Want: "want" + forged, Got: "got" + forged, Remedy: "remedy" + forged, Err: ErrMismatch}
	inner := &DeniedError{Op: "inner" + forged, By: "by" + forged, Checks: []Check{c}, Err: errors.New("service" + forged)}
	outer := &DeniedError{Op: "outer" + forged, By: "by" + forged, Checks: []Check{{ID: "passed", Got: forged}, c}, Err: inner}
	for _, text := range []string{c.String(), Check{ID: "ok", Got: forged}.String()} {
		if strings.ContainsAny(text, "\n\x1b\u202e\u009b") {
			t.Errorf("%q", text)
		}
	}
	text := outer.Error()
	if strings.ContainsAny(text, "\x1b\u202e\u009b") {
		t.Errorf("%q", text)
	}
	// Its own check, once; the inner denial's six lines stand below the cause.
	lines := strings.Split(text, "\n")
	if len(lines) != 1+4+1+4+1+1 {
		t.Errorf("%d lines:\n%s", len(lines), text)
	}
	own := 0
	for i, line := range lines {
		if strings.HasPrefix(line, "\tcheck  ") {
			own++
		}
		if i > 5 && !strings.HasPrefix(line, "\t       ") {
			t.Errorf("line %d of the cause stands among the checks: %q", i, line)
		}
	}
	if own != 1 {
		t.Errorf("%d checks:\n%s", own, text)
	}
}

func TestDenied(t *testing.T) {
	if err := Denied("op", "by", []Check{Equal("a", "x", "x", "")}, nil); err != nil {
		t.Errorf("nothing failed: %v", err)
	}
	cause := errors.New("cause")
	err := Denied("op", "by", []Check{Equal("a", "x", "x", "r"), Equal("b", "x", "y", "do it")}, cause)
	const want = "op: denied by by\n\tcheck  b\n\twanted x\n\tgot    y\n\tremedy do it\n\tcause  cause"
	if err == nil || err.Error() != want || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if Denied("op", "by", nil, cause) == nil {
		t.Error("a cause is a refusal")
	}
}
