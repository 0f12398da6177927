package redact

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// No verb prints the bytes, not even of a struct that holds the secret by
// value or in an unexported field, in any base.
func TestNothingPrints(t *testing.T) {
	const canary = "canary-41"
	s := New([]byte(canary))
	holder := struct {
		hidden *Secret
		Shown  *Secret
	}{s, s}
	forms := []string{canary, fmt.Sprint([]byte(canary)), fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("%#v", []byte(canary)), fmt.Sprintf("%o", []byte(canary))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o"} {
		for _, v := range []any{s, holder, &holder, []any{holder}} {
			text := fmt.Sprintf(verb, v)
			for _, f := range forms {
				if strings.Contains(text, strings.Trim(f, "[]")) {
					t.Errorf("%s of %T prints %s", verb, v, text)
				}
			}
		}
	}
	if b, err := json.Marshal(holder); err != nil || strings.Contains(string(b), canary) {
		t.Errorf("json: %s, %v", b, err)
	}
	if string(s.Clone()) != canary || s.Len() != len(canary) {
		t.Error("the secret is not what was put in")
	}
	s.Close()
	s.Close()
	if s.Clone() != nil || s.Len() != 0 {
		t.Error("the secret outlived Close")
	}
}
