package governance_test

import (
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// A service cannot write lines of its own into an error, nor what a terminal
// obeys.
func TestServiceErrorIsPrintable(t *testing.T) {
	const forged = "x\n\tremedy run this\x1b[2J\u202e\u009b"
	err := &governance.ServiceError{
		Op: "vote", Code: forged, StatusCode: 403, Message: forged, Remedy: "the real one",
		Details: []governance.ErrorDetail{{AuthPolicy: forged, Code: forged, Message: forged}},
	}
	text := err.Error()
	if lines := strings.Count(text, "\n") + 1; lines != 3 || strings.Count(text, "\n\tremedy ") != 1 || strings.ContainsAny(text, "\x1b\u202e\u009b") {
		t.Errorf("%d lines:\n%q", lines, text)
	}
}
