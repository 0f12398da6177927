package cleanroom

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func changeLines(changes []Change) string {
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	return strings.Join(lines, "\n")
}

// TestDiffPolicies edits the text of the generated policy, and has each change
// named by its place.
func TestDiffPolicies(t *testing.T) {
	policy := string(testDeployment(t).Policy)
	hash, err := PolicyHash([]byte(policy))
	must(t, err)
	for _, c := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"comment", "# Clean room policy", "# clean room", ""},
		{"layout", "\napi_version := ", "\n\napi_version   :=  ", ""},
		{"line ends", "\n", "\r\n", ""},
		{"layer", `"` + strings.Repeat("2b", 32) + `"`, `"` + strings.Repeat("2c", 32) + `"`, "containers[demo-app].layers[1]: "},
		{"word", `"-c",`, `"-x",`, `containers[demo-app].command[1]: "-c" -> "-x" (the program runs otherwise)`},
		{"more words", `"-c",`, `"-c", "-x",`, "containers[demo-app].command[3]: nothing -> "},
		{"value of a variable", "OUTPUT_LOCATION=/mnt/remote/", "OUTPUT_LOCATION=/dev/shm/", "containers[demo-app].env_rules[OUTPUT_LOCATION].pattern: "},
		{"loose variable", `"pattern": "TERM=xterm",
        "required": false,
        "strategy": "string"`, `"pattern": "TERM=xterm", "required": false, "strategy": "re2"`, `containers[/pause].env_rules[TERM].strategy: "string" -> "re2" (which`},
		{"mount", `"destination": "/etc/resolv.conf"`, `"destination": "/etc/hosts"`, `containers[demo-app].mounts[/etc/hosts]: nothing -> "sandbox:///tmp/atlas/resolvconf/.+" (what`},
		{"capability", `"ambient": []`, `"ambient": ["CAP_SYS_ADMIN"]`, `containers[/pause].capabilities.ambient[CAP_SYS_ADMIN]: nothing -> "CAP_SYS_ADMIN"`},
		{"elevated", `"allow_elevated": false`, `"allow_elevated": true`, "containers[demo-app].allow_elevated: false -> true (a privileged"},
		{"container", `"name": "demo-app"`, `"name": "other"`, "containers[other]: nothing -> "},
		{"logging", "allow_runtime_logging := false", "allow_runtime_logging := true", "allow_runtime_logging: false -> true (the host"},
		{"stacks", "allow_dump_stacks := false\n", "", "allow_dump_stacks: false -> nothing (the host"},
		{"enforcement", "create_container := data.framework.create_container", `create_container := {"allowed": true}`, "create_container: "},
		{"rule", "\nreason := ", "\nallowed {\n  true\n}\nreason := ", "statement allowed {"},
		{"fragment", `"minimum_svn": "1"`, `"minimum_svn": "0"`, "fragments[" + infrastructureFeed + `].minimum_svn: "1" -> "0" (whose`},
	} {
		changed := policy
		if c.old != "" {
			if changed = strings.ReplaceAll(policy, c.old, c.new); changed == policy {
				t.Fatalf("%s: there is no %q in\n%s", c.name, c.old, policy)
			}
		}
		changes, err := DiffPolicies([]byte(policy), []byte(changed))
		must(t, err)
		got := changeLines(changes)
		if !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
		other, err := PolicyHash([]byte(changed))
		must(t, err)
		if (other == hash) != (c.want == "") {
			t.Errorf("%s: hashes %s, %s", c.name, hash, other)
		}
	}
	// The policy that allows everything can be read, and is another.
	changes, err := DiffPolicies([]byte(policy), []byte(allowAll()))
	must(t, err)
	if got := changeLines(changes); !strings.Contains(got, "containers: a list of 2: /pause, demo-app -> nothing") {
		t.Errorf("%s", got)
	}
}

// TestDiffPoliciesOrder: containers and capabilities have no order, words have.
func TestDiffPoliciesOrder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`containers := [{"name": "a"}, {"name": "b"}]`, `containers := [{"name": "b"}, {"name": "a"}]`, true},
		{`containers := [{"effective": ["X", "Y"]}]`, `containers := [{"effective": ["Y", "X"]}]`, true},
		{`containers := [{"name": "a"}, {"name": "a"}]`, `containers := [{"name": "a"}]`, false},
		{`containers := [{"command": ["x", "y"]}]`, `containers := [{"command": ["y", "x"]}]`, false},
		{`containers := []`, `containers := {}`, false},
		{`containers := []`, `containers := null`, false},
		{`x := "data.a"`, `x := data.a`, false},
		{"a := 1\nb := 2", "b := 2\na := 1", true},
	} {
		changes, err := DiffPolicies([]byte(c.a), []byte(c.b))
		must(t, err)
		x, err := PolicyHash([]byte(c.a))
		must(t, err)
		y, err := PolicyHash([]byte(c.b))
		must(t, err)
		if (len(changes) == 0) != c.same || (x == y) != c.same {
			t.Errorf("%s, %s: %v, hashes %s, %s", c.a, c.b, changes, x, y)
		}
	}
}

func TestDiffPoliciesRefuses(t *testing.T) {
	good := testDeployment(t).Policy
	for say, bad := range map[string]string{
		"empty":          "# nothing\n",
		"a twice":        "a := 1\na := 2\n",
		"else":           "a := 1\nelse := 2\n",
		"backquotes":     "a := `x\n# y`\n",
		"UTF-8":          "a := \xff\n",
		"more than 4194": strings.Repeat("a", maxJSON+1),
	} {
		_, err := DiffPolicies(good, []byte(bad))
		if err == nil || !strings.Contains(err.Error(), say) || !strings.HasPrefix(err.Error(), "cleanroom: diff policies: the second: ") {
			t.Errorf("%s: %v", say, err)
		}
		if _, err := DiffPolicies([]byte(bad), good); err == nil || !strings.Contains(err.Error(), "the first") {
			t.Errorf("%s: %v", say, err)
		}
		if _, err := PolicyHash([]byte(bad)); err == nil {
			t.Errorf("%s has a hash", say)
		}
	}
}

// TestDiffTemplates reads into the policy of the template.
func TestDiffTemplates(t *testing.T) {
	before := testDeployment(t).Template
	hash, err := TemplateHash(before)
	must(t, err)
	const group = "resources[containerGroups].properties."
	policy := goodProposal(t, nil)
	policy.setPolicy(t, strings.Replace(string(testDeployment(t).Policy), `"-c",`, `"-x",`, 1))
	unread := goodProposal(t, nil)
	unread.setPolicy(t, "a := `b`")
	for _, c := range []struct {
		name  string
		after []byte
		want  string
	}{
		{"nothing", before, ""},
		{"layout", oneLine(t, before), ""},
		{"image", editTemplate(t, func(_, _, app object) { app["image"] = "other" }), group + "containers[demo-app].properties.image: "},
		{"cpu", editTemplate(t, func(_, _, app object) {
			app["resources"].(object)["requests"].(object)["cpu"] = json.Number("64")
		}), group + "containers[demo-app].properties.resources.requests.cpu: "},
		{"variable", editTemplate(t, func(_, _, app object) {
			app["environmentVariables"] = append(app["environmentVariables"].([]any), object{"name": "DEBUG", "value": "1"})
		}), group + `containers[demo-app].properties.environmentVariables[DEBUG]: nothing -> "1"`},
		{"policy", policy.template, group + `confidentialComputeProperties.ccePolicy.containers[demo-app].command[1]: "-c" -> "-x" (the program runs otherwise)`},
		{"unreadable policy", unread.template, group + "confidentialComputeProperties.ccePolicy: a policy -> "},
	} {
		changes, err := DiffTemplates(before, c.after)
		must(t, err)
		got := changeLines(changes)
		other, err := TemplateHash(c.after)
		must(t, err)
		if !strings.HasPrefix(got, c.want) || len(changes) > 1 || (got == "") != (c.want == "") || (hash == other) != (c.want == "") {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	for _, bad := range []string{"", "[]", "{}{}", `{"a": 1, "A": 2}`} {
		if _, err := DiffTemplates(before, json.RawMessage(bad)); err == nil || !strings.HasPrefix(err.Error(), "cleanroom: diff templates: the second: ") {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := DiffTemplates(json.RawMessage(bad), before); err == nil {
			t.Errorf("%q", bad)
		}
		if _, err := TemplateHash(json.RawMessage(bad)); err == nil {
			t.Errorf("%q", bad)
		}
	}
}

func oneLine(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, json.Compact(&out, b))
	return out.Bytes()
}

// TestVerifyNamesPolicyChanges: a voter reads what another policy lets happen.
func TestVerifyNamesPolicyChanges(t *testing.T) {
	policy := string(testDeployment(t).Policy)
	for want, text := range map[string]string{
		`differs in containers[demo-app].command[1]: "-c" -> "-x" (the program runs otherwise); vote against`: strings.Replace(policy, `"-c",`, `"-x",`, 1),
		"comments or layout differ": policy + "# more\n",
		"and in ":                   allowAll(),
	} {
		p := goodProposal(t, mergedDocument(t))
		p.setPolicy(t, text)
		checks, err := p.verify(t)
		if err == nil {
			t.Error("accepted")
		}
		found := false
		for _, c := range checks {
			found = found || c.ID == "template.policy" && strings.Contains(c.Remedy, want)
		}
		if !found {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzDiffPolicies: what differs has a place and another hash, in both
// directions.
func FuzzDiffPolicies(f *testing.F) {
	good := testDeployment(f).Policy
	f.Add(good, []byte(allowAll()))
	f.Add([]byte("a := [{\"name\": \"b\"}, {\"name\": \"b\"}, {\"name\": \"b#2\"}]"), []byte("a := []"))
	f.Add([]byte("effective := []\nx := 1e3"), []byte("effective := {}\nx := 1000"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, errX := PolicyHash(a)
		y, errY := PolicyHash(b)
		changes, err := DiffPolicies(a, b)
		if (err == nil) != (errX == nil && errY == nil) {
			t.Fatalf("%v, %v, %v", err, errX, errY)
		}
		if err != nil {
			return
		}
		if (len(changes) == 0) != (x == y) {
			t.Fatalf("%v, hashes %s and %s", changes, x, y)
		}
		for _, c := range changes {
			if c.Path == "" {
				t.Errorf("%v has no place", c)
			}
		}
		back, err := DiffPolicies(b, a)
		if err != nil || len(back) != len(changes) {
			t.Errorf("%d changes, back %d, %v", len(changes), len(back), err)
		}
	})
}
