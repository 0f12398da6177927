package skr

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

const hostile = "x\x1b[2J\n\tcheck  report.host-data\u202e\u009b31m"

// What another party wrote cannot break out of its line in an error, nor fill a
// page.
func TestHostileTextsStayOnTheirLine(t *testing.T) {
	branch := func(rest string) string {
		return `{"version":"1.0.0","anyOf":[{"authority":"a","allOf":[{` + rest + `}]}]}`
	}
	refused := 0
	expect := func(name string, err error) {
		t.Helper()
		refused++
		if err == nil || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\x1b\u202e\u009b") {
			t.Errorf("%s: %.300q", name, err)
		}
	}
	for _, text := range []string{hostile, hostile + strings.Repeat("y", 30_000)} {
		for name, policy := range map[string]string{
			"version":      `{"version":` + quote(text) + `,"anyOf":[]}`,
			"member":       `{"version":"1.0.0",` + quote(text) + `:1,"anyOf":[]}`,
			"member twice": `{` + quote(text) + `:1,` + quote(text) + `:1}`,
			"operator":     branch(`"claim":"c",` + quote(text) + `:1`),
			"value":        branch(`"claim":` + quote(text) + `,"equals":{}`),
			"operators":    branch(`"claim":` + quote(text) + `,"equals":1,"less":2`),
		} {
			if len(policy) > maxPolicyBytes {
				t.Fatal("the policy is too long to be looked at")
			}
			_, err := ParseReleasePolicy([]byte(policy))
			expect("policy, "+name, err)
		}
		for name, said := range map[string][3]string{
			"code": {text, "", ""}, "inner code": {"Conflict", text, ""}, "message": {"Conflict", "", text},
		} {
			w := newWorld(t)
			w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Authorization") == "" || r.Host != vaultHost {
					return false
				}
				refuse(rw, http.StatusConflict, said[0], said[1], said[2])
				return true
			}
			_, err := w.releaser(t).Release(context.Background(), w.ref(), &bearer{"t"})
			expect("service, "+name, err)
		}
	}
	if refused != 18 {
		t.Errorf("%d refusals, want 18", refused)
	}
}
