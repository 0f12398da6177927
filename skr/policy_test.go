package skr

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files of this package")

func parsePolicyText(t testing.TB, text string) *ReleasePolicy {
	t.Helper()
	p, err := ParseReleasePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// goldenClaims are the claims of a good token, as a verified token has them.
func goldenClaims() Claims {
	return Claims{
		"iss":           "https://" + maaHost,
		claimType:       typeSEVSNP,
		claimCompliance: complianceUVM,
		claimHostData:   strings.Repeat("ab", 32),
		claimDebuggable: false,
		"svn":           json.Number("7"),
		"nested":        map[string]any{"x.y": map[string]any{"z": "deep"}, "list": []any{"a"}},
	}
}

func TestExplainGolden(t *testing.T) {
	with := func(edit func(Claims)) Claims {
		c := goldenClaims()
		edit(c)
		return c
	}
	two, err := NewReleasePolicy(maaHost, strings.Repeat("cd", 32), strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	policy := func(conditions string) *ReleasePolicy {
		return parsePolicyText(t, `{"version":"1.0.0","anyOf":[{"authority":"https://`+maaHost+`","allOf":[`+conditions+`]}]}`)
	}
	cases := map[string]struct {
		policy *ReleasePolicy
		claims Claims
		ok     bool
	}{
		"satisfied":       {two, goldenClaims(), true},
		"host-data":       {two, with(func(c Claims) { c[claimHostData] = strings.Repeat("ef", 32) }), false},
		"case-counts":     {two, with(func(c Claims) { c[claimHostData] = strings.Repeat("AB", 32) }), false},
		"other-authority": {two, with(func(c Claims) { c["iss"] = "https://other.attest.azure.net" }), false},
		"nearest-branch": {two, with(func(c Claims) {
			delete(c, claimCompliance)
			c[claimHostData] = strings.Repeat("ab", 32)
		}), false},
		"no-claims":    {two, Claims{}, false},
		"boolean-text": {policy(`{"claim":"` + claimDebuggable + `","equals":"false"}`), goldenClaims(), true},
		"number-text":  {policy(`{"claim":"svn","equals":"7"},{"claim":"svn","equals":7}`), goldenClaims(), true},
		"nested-claim": {policy(`{"claim":"nested.x.y.z","equals":"deep"}`), goldenClaims(), true},
		"not-scalar":   {policy(`{"claim":"nested.list","notEquals":"b"}`), goldenClaims(), false},
		"operators": {policy(`{"claim":"svn","less":7},{"claim":"svn","lessOrEquals":"7"},{"claim":"svn","greater":6.5},` +
			`{"claim":"svn","greaterOrEquals":8},{"claim":"svn","notEquals":"7"},{"claim":"iss","less":7},` +
			`{"claim":"gone","exists":false},{"claim":"gone","exists":"true"},{"claim":"gone","notEquals":"x"}`), goldenClaims(), false},
		"nested-any-of": {policy(`{"anyOf":[{"allOf":[{"claim":"a","equals":"1"},{"claim":"b","equals":"2"}]},{"claim":"svn","greater":9}]},{"claim":"svn","equals":7}`), goldenClaims(), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := tc.policy.Explain(tc.claims)
			if e.Satisfied != tc.ok {
				t.Errorf("satisfied %v, want %v", e.Satisfied, tc.ok)
			}
			golden(t, "explain-"+name, e.String()+"\n")
		})
	}
	if files, _ := filepath.Glob("testdata/golden/explain-*.txt"); len(files) != len(cases) {
		t.Errorf("%d golden files for %d cases", len(files), len(cases))
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("%s differs; got:\n%s", file, got)
	}
}

func TestNewReleasePolicy(t *testing.T) {
	a, b := strings.Repeat("ab", 32), strings.Repeat("0f", 32)
	p, err := NewReleasePolicy("https://"+strings.ToUpper(maaHost)+"/", strings.ToUpper(a), b, a)
	if err != nil {
		t.Fatal(err)
	}
	q, err := NewReleasePolicy(maaHost, b, a)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Equal(q) || p.Hash() != q.Hash() || string(p.Encode()) == string(q.Encode()) {
		t.Errorf("order counts, or does not show:\n%s\n%s", p, q)
	}
	if got := p.Authorities(); len(got) != 1 || got[0] != "https://"+maaHost {
		t.Errorf("authorities %v", got)
	}
	one, err := NewReleasePolicy(maaHost, a)
	if err != nil {
		t.Fatal(err)
	}
	if p.Equal(one) || p.Equal(nil) || (*ReleasePolicy)(nil).Equal(p) {
		t.Error("different policies are equal")
	}
	for name, args := range map[string][]string{
		"no host data": {maaHost}, "short": {maaHost, a[2:]}, "no hex": {maaHost, strings.Repeat("zz", 32)},
		"no authority": {"", a}, "http": {"http://" + maaHost, a}, "path": {maaHost + "/x", a},
	} {
		if p, err := NewReleasePolicy(args[0], args[1:]...); err == nil {
			t.Errorf("%s gave %s", name, p)
		}
	}
}

func TestParseReleasePolicyRefusals(t *testing.T) {
	leaf := `{"claim":"c","equals":"v"}`
	branch := func(rest string) string {
		return `{"version":"1.0.0","anyOf":[{"authority":"a",` + rest + `}]}`
	}
	nested := leaf
	for range maxJSONDepth {
		nested = `{"anyOf":[` + nested + `]}`
	}
	cases := map[string]string{
		"empty":                "",
		"null":                 "null",
		"list":                 "[]",
		"two values":           branch(`"allOf":[`+leaf+`]`) + "{}",
		"no version":           `{"anyOf":[{"authority":"a","allOf":[` + leaf + `]}]}`,
		"other version":        `{"version":"2.0.0","anyOf":[{"authority":"a","allOf":[` + leaf + `]}]}`,
		"no branch":            `{"version":"1.0.0","anyOf":[]}`,
		"unknown member":       `{"version":"1.0.0","noneOf":[],"anyOf":[{"authority":"a","allOf":[` + leaf + `]}]}`,
		"no authority":         `{"version":"1.0.0","anyOf":[{"allOf":[` + leaf + `]}]}`,
		"no conditions":        branch(`"allOf":[]`),
		"both":                 branch(`"allOf":[` + leaf + `],"anyOf":[` + leaf + `]`),
		"neither":              `{"version":"1.0.0","anyOf":[{"authority":"a"}]}`,
		"unknown branch name":  branch(`"oneOf":[` + leaf + `]`),
		"no operator":          branch(`"allOf":[{"claim":"c"}]`),
		"two operators":        branch(`"allOf":[{"claim":"c","equals":"v","less":1}]`),
		"unknown operator":     branch(`"allOf":[{"claim":"c","matches":"v"}]`),
		"object value":         branch(`"allOf":[{"claim":"c","equals":{}}]`),
		"null value":           branch(`"allOf":[{"claim":"c","equals":null}]`),
		"claim and group":      branch(`"allOf":[{"claim":"c","allOf":[` + leaf + `]}]`),
		"empty claim":          branch(`"allOf":[{"claim":"","equals":"v"}]`),
		"member twice":         branch(`"allOf":[{"claim":"c","equals":"v","equals":"w"}]`),
		"condition is text":    branch(`"allOf":["c"]`),
		"group of two members": branch(`"allOf":[{"allOf":[` + leaf + `],"x":1}]`),
		"too deep":             branch(`"allOf":[` + nested + `]`),
		"too long":             branch(`"allOf":[`+leaf+`]`) + strings.Repeat(" ", maxPolicyBytes),
	}
	for name, text := range cases {
		if p, err := ParseReleasePolicy([]byte(text)); err == nil {
			t.Errorf("%s gave %s", name, p)
		}
	}
	if len(cases) != 25 {
		t.Errorf("%d cases, want 25", len(cases))
	}
}

func TestZeroPolicySatisfiesNothing(t *testing.T) {
	if e := new(ReleasePolicy).Explain(goldenClaims()); e.Satisfied || e.String() == "" {
		t.Errorf("%s", e)
	}
}

func TestCompareNumbers(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		order int
		ok    bool
	}{
		{"1", "2", -1, true}, {"2", "2.0", 0, true}, {"-1", "-2", 1, true},
		{"9007199254740993", "9007199254740992", 1, true},
		{"1e9", "1", 0, false}, {"", "1", 0, false}, {"1/2", "1", 0, false}, {"-", "1", 0, false},
		{strings.Repeat("9", 65), "1", 0, false},
	} {
		if order, ok := compareNumbers(c.a, c.b); order != c.order || ok != c.ok {
			t.Errorf("%s and %s: %d, %v", c.a, c.b, order, ok)
		}
	}
}
