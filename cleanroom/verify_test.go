package cleanroom

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// proposal is what an attacker may change before the other party votes, and
// what that party has itself.
type proposal struct {
	template []byte
	policy   governance.PolicyUpdate
	contract *Specification
}

// goodProposal may be changed, but for the contract.
func goodProposal(t testing.TB, contract *Specification) *proposal {
	t.Helper()
	d := testDeployment(t)
	return &proposal{d.Template, governance.PolicyUpdate{Type: d.GovernancePolicy.Type, Claims: maps.Clone(d.GovernancePolicy.Claims)}, contract}
}

// setPolicy puts a policy text into the template.
func (p *proposal) setPolicy(t testing.TB, text string) {
	root := parsed(t, p.template).(object)
	at[object](t, root, "resources", 0, "properties", "confidentialComputeProperties")["ccePolicy"] = base64.StdEncoding.EncodeToString([]byte(text))
	b, err := json.Marshal(root)
	must(t, err)
	p.template = b
}

func (p *proposal) verify(t testing.TB) ([]Check, error) {
	return VerifyProposals(VerifyInput{p.contract, testOptions(t), p.template, p.policy})
}

// allowAll is the development policy of the reference tools, built from what
// it allows.
func allowAll() string {
	var b strings.Builder
	b.WriteString("package policy\n\napi_svn := \"0.10.0\"\n\n")
	for _, hook := range []string{
		"mount_device", "mount_overlay", "create_container", "unmount_device", "unmount_overlay", "exec_in_container", "exec_external", "shutdown_container",
		"signal_container_process", "plan9_mount", "plan9_unmount", "get_properties", "dump_stacks", "runtime_logging", "load_fragment", "scratch_mount", "scratch_unmount",
	} {
		more := map[string]string{
			"create_container":  `, "env_list": null, "allow_stdio_access": true`,
			"exec_in_container": `, "env_list": null`,
			"exec_external":     `, "env_list": null, "allow_stdio_access": true`,
		}[hook]
		blank := map[string]string{"unmount_device": " "}[hook]
		fmt.Fprintf(&b, "%s := {\"allowed\": true%s}%s\n", hook, more, blank)
	}
	return b.String()
}

// mutation is one change and the checks that must refuse it, in order.
type mutation struct {
	name   string
	denied string
	change func(t testing.TB, p *proposal)
}

// templateMutations change what would be deployed and leave the policy alone:
// where the policy forbids the change, the room would not start, but a voter
// must not have agreed to it.
func templateMutations(t testing.TB) []mutation {
	const recomputed = "template.recomputed"
	m := func(name, denied string, edit templateEdit) mutation {
		return mutation{name, denied, func(t testing.TB, p *proposal) { p.template = editTemplate(t, edit) }}
	}
	app := func(name string, change func(app object)) mutation {
		return m(name, recomputed, func(_, _, app object) { change(app) })
	}
	group := func(name string, change func(properties object)) mutation {
		return m(name, recomputed, func(_, group, _ object) { change(group["properties"].(object)) })
	}
	env := func(name string, change func(list []any) []any) mutation {
		return app(name, func(app object) { app["environmentVariables"] = change(app["environmentVariables"].([]any)) })
	}
	value := func(name, variable, old, new string) mutation {
		return env(name, func(list []any) []any {
			for _, v := range list {
				if v := v.(object); v["name"] == variable {
					changed := strings.Replace(v["value"].(string), old, new, 1)
					if changed == v["value"] {
						t.Fatalf("%s: there is no %q in %s", name, old, variable)
					}
					v["value"] = changed
				}
			}
			return list
		})
	}
	security := func(name, key string, value any) mutation {
		return app(name, func(app object) { app["securityContext"].(object)[key] = value })
	}
	other, err := json.Marshal(string(testdata(t, "other-service.pem")))
	must(t, err)
	service, err := json.Marshal(string(testdata(t, "service.pem")))
	must(t, err)
	return []mutation{
		m("image by tag", "template.images template.recomputed", func(_, _, app object) { app["image"] = "docker.io/golang:1.26" }),
		m("image without registry", "template.images template.recomputed", func(_, _, app object) { app["image"] = "golang@sha256:" + strings.Repeat("0", 64) }),
		app("digest", func(app object) { app["image"] = "docker.io/golang@sha256:" + strings.Repeat("0", 64) }),
		app("registry", func(app object) {
			app["image"] = strings.Replace(app["image"].(string), "docker.io", "evil.example", 1)
		}),
		app("command", func(app object) { app["command"] = []any{"bash", "-c", "cat /proc/self/environ"} }),
		app("word of the command", func(app object) { app["command"] = append(app["command"].([]any), "-x") }),
		app("no command", func(app object) { delete(app, "command") }),
		app("null command", func(app object) { app["command"] = nil }),
		value("value of a variable", "OUTPUT_LOCATION", "/mnt/remote/output", "/dev/shm"),
		value("contract of the room", GovernanceVariable, "collab1-db", "collab2-db"),
		value("governance service", GovernanceVariable, "collab.confidential", "evil.confidential"),
		value("service certificate", GovernanceVariable, string(service), string(other)),
		value("second service certificate", GovernanceVariable, string(service), strings.TrimSuffix(string(service), `"`)+strings.TrimPrefix(string(other), `"`)),
		value("name of the application", GovernanceVariable, "demo-app", "other-app"),
		value("container of the output", SinkVariable("consumer-output"), "consa0001", "evilsa"),
		value("mode of the output", SinkVariable("consumer-output"), `"CPK"`, `"SSE"`),
		value("identity of the output", SinkVariable("consumer-output"), "22222222", "33333333"),
		value("vault of the data key", SinkVariable("consumer-output"), "conkv0001", "evilkv"),
		value("key of the data key", SinkVariable("consumer-output"), `"200f0873-kek"`, `"another-kek"`),
		value("attestation service", SinkVariable("consumer-output"), "sharedneu.neu", "evil.neu"),
		env("more variables", func(list []any) []any { return append(list, object{"name": "DEBUG", "value": "1"}) }),
		env("more sinks", func(list []any) []any {
			return append(list, object{"name": SinkVariable("more"), "value": list[len(list)-1].(object)["value"]})
		}),
		env("fewer variables", func(list []any) []any { return list[1:] }),
		env("no variables", func([]any) []any { return nil }),
		env("order of variables", func(list []any) []any { return append([]any{list[1], list[0]}, list[2:]...) }),
		env("name of a variable", func(list []any) []any { list[0].(object)["name"] = "CODE2"; return list }),
		security("privileged", "privileged", true),
		security("privileged as text", "privileged", "true"),
		security("escalation", "allowPrivilegeEscalation", true),
		security("capability", "capabilities", object{"add": []any{"SYS_ADMIN"}, "drop": []any{"ALL"}}),
		security("capabilities kept", "capabilities", object{"drop": []any{}}),
		security("root", "runAsUser", 0),
		security("no seccomp", "seccompProfile", "e30="),
		app("cpu", func(app object) {
			app["resources"].(object)["requests"].(object)["cpu"] = json.Number("0.25")
		}),
		app("cpu as text", func(app object) { app["resources"].(object)["requests"].(object)["cpu"] = "0.5" }),
		app("limits", func(app object) { app["resources"].(object)["limits"] = object{"cpu": 1} }),
		app("mount", func(app object) {
			app["volumeMounts"] = []any{object{"name": "v", "mountPath": "/application"}}
		}),
		app("probe", func(app object) {
			app["livenessProbe"] = object{"exec": object{"command": []any{"sh", "-c", "curl evil.example"}}}
		}),
		app("port", func(app object) { app["ports"] = []any{object{"port": 22}} }),
		group("container", func(p object) {
			p["containers"] = append(p["containers"].([]any), object{"name": "evil", "properties": object{"image": "evil.example/x@sha256:" + strings.Repeat("0", 64)}})
		}),
		m("unpinned container", "template.images template.recomputed", func(_, group, _ object) {
			p := group["properties"].(object)
			p["containers"] = append([]any{object{"name": "evil", "properties": object{"image": "evil.example/x"}}}, p["containers"].([]any)...)
		}),
		group("name of the container", func(p object) { p["containers"].([]any)[0].(object)["name"] = "other" }),
		group("volume", func(p object) { p["volumes"] = []any{object{"name": "v", "emptyDir": object{}}} }),
		group("secret volume", func(p object) {
			p["volumes"] = []any{object{"name": "v", "secret": object{"main.go": "cGFja2FnZSBtYWlu"}}}
		}),
		group("public address", func(p object) { p["ipAddress"] = object{"type": "Public", "ports": []any{object{"port": 22}}} }),
		group("name servers", func(p object) { p["dnsConfig"] = object{"nameServers": []any{"203.0.113.66"}} }),
		group("restart", func(p object) { p["restartPolicy"] = "Always" }),
		group("system", func(p object) { p["osType"] = "Windows" }),
		group("log to a workspace", func(p object) {
			p["diagnostics"] = object{"logAnalytics": object{"workspaceId": "w", "workspaceKey": "k"}}
		}),
		group("registry account", func(p object) {
			p["imageRegistryCredentials"] = []any{object{"server": "docker.io", "username": "u", "password": "p"}}
		}),
		group("extension", func(p object) { p["extensions"] = []any{object{"name": "vk"}} }),
		group("subnet", func(p object) { p["subnetIds"] = []any{object{"id": "s"}} }),
		group("more about confidentiality", func(p object) { p["confidentialComputeProperties"].(object)["ccePolicy2"] = "e30=" }),
		group("init containers missing", func(p object) { delete(p, "initContainers") }),
		m("contract", "template.contract template.recomputed", func(_, group, _ object) { group["tags"].(object)[contractTag] = "collab2-db" }),
		m("tag", recomputed, func(_, group, _ object) { group["tags"].(object)["more"] = "x" }),
		m("identity of the group", recomputed, func(_, group, _ object) { group["identity"] = object{"type": "SystemAssigned"} }),
		m("condition", recomputed, func(_, group, _ object) { group["condition"] = "[parameters('x')]" }),
		m("version of the interface", recomputed, func(_, group, _ object) { group["apiVersion"] = "2021-10-01" }),
		m("name", recomputed, func(_, group, _ object) { group["name"] = "room" }),
		m("location", recomputed, func(_, group, _ object) { group["location"] = "westeurope" }),
		m("default of a parameter", recomputed, func(root, _, _ object) {
			root["parameters"].(object)["location"].(object)["defaultValue"] = "westeurope"
		}),
		m("parameter", recomputed, func(root, _, _ object) { root["parameters"].(object)["x"] = object{"type": "string"} }),
		m("variables", recomputed, func(root, _, _ object) { root["variables"] = object{} }),
		m("outputs", recomputed, func(root, _, _ object) { root["outputs"] = object{"x": object{"type": "string", "value": "x"}} }),
		m("schema", recomputed, func(root, _, _ object) { root["$schema"] = "https://evil.example" }),

		m("second group", "template.readable policy.host-data", func(root, group, _ object) { root["resources"] = []any{group, group} }),
		m("init container", "template.readable policy.host-data", func(_, group, _ object) {
			p := group["properties"].(object)
			p["initContainers"] = p["containers"]
		}),
		m("standard group", "template.readable policy.host-data", func(_, group, _ object) { group["properties"].(object)["sku"] = "Standard" }),
		m("secure value", "template.readable policy.host-data", func(_, _, app object) {
			app["environmentVariables"].([]any)[0].(object)["secureValue"] = "x"
		}),
		m("expression", "template.readable policy.host-data", func(_, _, app object) { app["command"].([]any)[0] = "[parameters('x')]" }),
		m("no policy", "template.readable policy.host-data", func(_, group, _ object) {
			group["properties"].(object)["confidentialComputeProperties"] = object{}
		}),
		{"no template", "template.readable policy.host-data", func(_ testing.TB, p *proposal) { p.template = nil }},
		{"empty template", "template.readable policy.host-data", func(_ testing.TB, p *proposal) { p.template = []byte("{}") }},
		{"key twice", "template.readable policy.host-data", func(_ testing.TB, p *proposal) {
			p.template = bytes.Replace(p.template, []byte(`"privileged": false`), []byte(`"privileged": true, "privileged": false`), 1)
		}},
	}
}

// policyMutations change what a room may run. Each is tried twice: with the
// host data that fit, as an attacker would propose them, and with those that
// the voter expects.
func policyMutations() []mutation {
	text := func(name, old, new string) mutation {
		return mutation{name, "template.policy", func(t testing.TB, p *proposal) {
			got, err := ParseTemplate(p.template)
			must(t, err)
			changed := strings.Replace(string(got.Policy()), old, new, 1)
			if changed == string(got.Policy()) {
				t.Fatalf("%s: the policy has no %q", name, old)
			}
			p.setPolicy(t, changed)
		}}
	}
	const variable = `"pattern": "OUTPUT_LOCATION=/mnt/remote/output",
        "required": true,
        "strategy": "string"`
	return []mutation{
		text("image", "@sha256:f43c", "@sha256:f43d"),
		text("layer", strings.Repeat("1a", 32), strings.Repeat("1b", 32)),
		text("order of layers", strings.Repeat("1a", 32)+"\",\n      \""+strings.Repeat("2b", 32), strings.Repeat("2b", 32)+"\",\n      \""+strings.Repeat("1a", 32)),
		text("command", "go run main.go", "go run evil.go"),
		text("value of a variable", "OUTPUT_LOCATION=/mnt/remote/output", "OUTPUT_LOCATION=/dev/shm"),
		text("variable by pattern", variable, strings.NewReplacer("/mnt/remote/output", ".*", `"strategy": "string"`, `"strategy": "re2"`).Replace(variable)),
		text("variable not required", variable, strings.Replace(variable, "true", "false", 1)),
		text("any variable", `"pattern": "TERM=xterm",
        "required": false,
        "strategy": "string"`, `"pattern": ".*",
        "required": false,
        "strategy": "re2"`),
		text("service certificate", "-----BEGIN CERTIFICATE-----\\\\nMIIByz", "-----BEGIN CERTIFICATE-----\\\\nMIIByy"),
		text("process", `"exec_processes": []`, `"exec_processes": [{"command": ["sh"], "signals": []}]`),
		text("elevated", `"allow_elevated": false`, `"allow_elevated": true`),
		text("standard output", `"allow_stdio_access": false`, `"allow_stdio_access": true`),
		text("new privileges", `"no_new_privileges": true`, `"no_new_privileges": false`),
		text("capability", `"bounding": []`, `"bounding": ["CAP_SYS_ADMIN"]`),
		text("mount", "sandbox:///tmp/atlas/resolvconf/.+", "sandbox:///.+"),
		text("more mounts", `"mounts": [
`, `"mounts": [
      {"destination": "/x", "options": ["rw"], "source": "sandbox:///x", "type": "bind"},
`),
		text("signals", `"signals": []`, `"signals": [9]`),
		text("directory", `"working_dir": "/go"`, `"working_dir": "/tmp"`),
		text("container", "containers := [\n", "containers := [\n  {\"command\": [\"sh\"], \"layers\": []},\n"),
		text("pause container", pauseLayer, strings.Repeat("0", 64)),
		text("feed of fragments", infrastructureFeed, "evil.example/fragment"),
		text("issuer of fragments", "sha256:I__iu", "sha256:J__iu"),
		text("stacks", "allow_dump_stacks := false", "allow_dump_stacks := true"),
		text("logging", "allow_runtime_logging := false", "allow_runtime_logging := true"),
		text("scratch", "allow_unencrypted_scratch := false", "allow_unencrypted_scratch := true"),
		text("processes from outside", "exec_external := data.framework.exec_external", `exec_external := {"allowed": true}`),
		text("processes in containers", "exec_in_container := data.framework.exec_in_container", `exec_in_container := {"allowed": true}`),
		text("framework", `framework_version := "0.2.3"`, `framework_version := "0.1.0"`),
		text("rule appended", "reason :=", "default create_container := {\"allowed\": true}\n\nreason :="),
		text("comment", "# Clean room policy", "# Clean  room policy"),
		text("blank at the end of a line", "package policy\n", "package policy \n"),
		text("line end", "package policy\n", "package policy\r\n"),
		text("end", "data.framework.errors}\n", "data.framework.errors}"),
		text("null at the end", "data.framework.errors}\n", "data.framework.errors}\n\x00"),
		text("letter that looks alike", "go run main.go", "go run mаin.go"),
		text("terminal escape", "go run main.go", "go run main.go\x1b[2K"),
		{"allow all", "template.allow-all template.policy", func(t testing.TB, p *proposal) { p.setPolicy(t, allowAll()) }},
	}
}

// claimMutations change which rooms would be trusted.
func claimMutations() []mutation {
	m := func(name, denied string, change func(p *governance.PolicyUpdate)) mutation {
		return mutation{name, denied, func(_ testing.TB, p *proposal) { change(&p.policy) }}
	}
	claim := func(name, denied, claim string, value func(old any) any) mutation {
		return m(name, denied, func(p *governance.PolicyUpdate) { p.Claims[claim] = value(p.Claims[claim]) })
	}
	const host, debuggable = "policy.host-data policy.recomputed", "policy.debuggable policy.recomputed"
	other := strings.Repeat("cd", 32)
	return []mutation{
		claim("other host data", host, governance.ClaimHostData, func(any) any { return other }),
		claim("second host data", host, governance.ClaimHostData, func(old any) any { return []any{old, other} }),
		claim("host data twice", host, governance.ClaimHostData, func(old any) any { return []any{old, old} }),
		claim("host data in capitals", host, governance.ClaimHostData, func(old any) any { return strings.ToUpper(old.(string)) }),
		claim("host data in a list of a list", host, governance.ClaimHostData, func(old any) any { return []any{[]any{old}} }),
		claim("no host data", host, governance.ClaimHostData, func(any) any { return nil }),
		claim("empty host data", host, governance.ClaimHostData, func(any) any { return "" }),
		claim("host data in an object", host, governance.ClaimHostData, func(old any) any { return object{"equals": old} }),
		claim("host data of what allows all", "policy.allow-all "+host, governance.ClaimHostData, func(any) any { return AllowAllHostData }),
		claim("the same in capitals", "policy.allow-all "+host, governance.ClaimHostData, func(any) any { return strings.ToUpper(AllowAllHostData) }),
		m("host data missing", host, func(p *governance.PolicyUpdate) { delete(p.Claims, governance.ClaimHostData) }),
		claim("debuggable", debuggable, governance.ClaimDebuggable, func(any) any { return true }),
		claim("debuggable or not", debuggable, governance.ClaimDebuggable, func(any) any { return []any{false, true} }),
		claim("debuggable as text", debuggable, governance.ClaimDebuggable, func(any) any { return "false" }),
		claim("debuggable as a number", debuggable, governance.ClaimDebuggable, func(any) any { return 0 }),
		m("debuggable missing", debuggable, func(p *governance.PolicyUpdate) { delete(p.Claims, governance.ClaimDebuggable) }),
		claim("more claims", "policy.recomputed", governance.ClaimVMPL, func(any) any { return 3 }),
		claim("claim of another name", "policy.recomputed", "x-ms-sevsnpvm-hostdata2", func(any) any { return other }),
		claim("name in another case", "policy.readable", "X-MS-SEVSNPVM-HOSTDATA", func(any) any { return other }),
		claim("no JSON", "policy.readable", governance.ClaimVMPL, func(any) any { return func() {} }),
		m("no claims", "policy.host-data policy.debuggable policy.recomputed", func(p *governance.PolicyUpdate) { p.Claims = nil }),
		m("remove", "policy.type", func(p *governance.PolicyUpdate) { p.Type = governance.PolicyRemove }),
		m("no type", "policy.type", func(p *governance.PolicyUpdate) { p.Type = "" }),
		m("type in capitals", "policy.type", func(p *governance.PolicyUpdate) { p.Type = "ADD" }),
		m("other platform", "policy.platform", func(p *governance.PolicyUpdate) { p.PolicyType = "jwt" }),
		m("virtual machines", "policy.platform", func(p *governance.PolicyUpdate) { p.PolicyType = "snp-cvm" }),
		m("nothing", "policy.type policy.host-data policy.debuggable policy.recomputed", func(p *governance.PolicyUpdate) { *p = governance.PolicyUpdate{} }),
	}
}

// TestVerifyProposals is the vote of a party that expects to be deceived: one
// thing of a good proposal is changed at a time.
func TestVerifyProposals(t *testing.T) {
	contract := mergedDocument(t)
	good := goodProposal(t, contract)
	expected, err := good.verify(t)
	must(t, err)
	if len(expected) != 12 {
		t.Errorf("%d checks, want 12: %v", len(expected), expected)
	}
	var all []mutation
	all = append(all, templateMutations(t)...)
	all = append(all, claimMutations()...)
	for _, m := range policyMutations() {
		change := m.change
		fitting := " policy.recomputed"
		if m.name == "allow all" {
			fitting = " policy.allow-all policy.recomputed"
		}
		all = append(all,
			mutation{"policy: " + m.name, m.denied + " policy.host-data", change},
			mutation{"policy and host data: " + m.name, m.denied + fitting, func(t testing.TB, p *proposal) {
				change(t, p)
				got, err := ParseTemplate(p.template)
				must(t, err)
				p.policy.Claims[governance.ClaimHostData] = got.HostData()
			}})
	}
	if len(all) != 176 {
		t.Errorf("%d mutations, want 176", len(all))
	}
	for _, m := range all {
		p := goodProposal(t, contract)
		m.change(t, p)
		checks, err := p.verify(t)
		var denied *DeniedError
		if !errors.As(err, &denied) {
			t.Errorf("%s: accepted, %v", m.name, err)
			continue
		}
		var failed []string
		for _, c := range checks {
			if c.OK() {
				continue
			}
			failed = append(failed, c.ID)
			if c.Want == c.Got || c.Want == "" || c.Got == "" || c.Remedy == "" {
				t.Errorf("%s: %s does not explain itself: %+v", m.name, c.ID, c)
			}
			if len(c.Want) > 600 || len(c.Got) > 600 || strings.ContainsAny(c.Got, "\x00\x1b\r\n") {
				t.Errorf("%s: %s got %q", m.name, c.ID, c.Got)
			}
			if !strings.Contains(err.Error(), c.ID) || !strings.Contains(err.Error(), c.Got) {
				t.Errorf("%s: the error does not tell about %s", m.name, c.ID)
			}
		}
		if got := strings.Join(failed, " "); got != m.denied {
			t.Errorf("%s: want %s, got %s", m.name, m.denied, got)
		}
	}
}

// The service and the reference tools write the same in other ways.
func TestVerifyProposalsAccepts(t *testing.T) {
	host := testDeployment(t).HostData
	for name, change := range map[string]func(p *proposal){
		"reformatted": func(p *proposal) {
			// As JavaScript writes it: keys in any order, 4.0 as 4.
			var v any
			must(t, json.Unmarshal(p.template, &v))
			b, err := json.Marshal(v)
			must(t, err)
			if bytes.Contains(b, []byte("4.0,")) || bytes.Contains(b, []byte("4.0}")) {
				t.Error("the numbers are as they were")
			}
			p.template = b
		},
		"escaped": func(p *proposal) {
			p.template = bytes.Replace(p.template, []byte("demo-app"), []byte(`\u0064emo-app`), 1)
		},
		"list":          func(p *proposal) { p.policy.Claims[governance.ClaimHostData] = []any{host} },
		"list of texts": func(p *proposal) { p.policy.Claims[governance.ClaimHostData] = []string{host} },
		"lists":         func(p *proposal) { p.policy.Claims[governance.ClaimDebuggable] = []any{false} },
		"policy type":   func(p *proposal) { p.policy.PolicyType = "snp-caci" },
	} {
		p := goodProposal(t, mergedDocument(t))
		change(p)
		checks, err := p.verify(t)
		if err != nil || slices.ContainsFunc(checks, func(c Check) bool { return !c.OK() || c.Remedy != "" }) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The voter's own inputs decide, and what is wrong with them is no reason to
// vote no.
func TestVerifyProposalsWithOwnInputs(t *testing.T) {
	good := goodProposal(t, mergedDocument(t))
	in := VerifyInput{mergedDocument(t), testOptions(t), good.template, good.policy}
	var denied *DeniedError

	foreign := in
	foreign.GenerateOptions.ServiceCertificate = testdata(t, "other-service.pem")
	if _, err := VerifyProposals(foreign); !errors.As(err, &denied) {
		t.Errorf("another certificate: %v", err)
	}
	changed := in
	changed.Specification = mergedDocument(t)
	changed.Specification.Applications[0].Command = []string{"sh"}
	if _, err := VerifyProposals(changed); !errors.As(err, &denied) {
		t.Errorf("another contract: %v", err)
	}
	none := in
	none.Specification = nil
	invalid := in
	invalid.GenerateOptions.Images = nil
	for name, in := range map[string]VerifyInput{"no specification": none, "no images": invalid} {
		checks, err := VerifyProposals(in)
		if err == nil || checks != nil || errors.As(err, &denied) || !strings.HasPrefix(err.Error(), "cleanroom: verify proposals: ") {
			t.Errorf("%s: %v, %v", name, checks, err)
		}
	}
}

// The denials of some attacks, as a voter sees them.
func TestDenialGolden(t *testing.T) {
	wanted := map[string]string{
		"service certificate":        "denied-certificate.txt",
		"host data missing":          "denied-host-data.txt",
		"processes from outside":     "denied-exec.txt",
		"host data in capitals":      "denied-capitals.txt",
		"unpinned container":         "denied-container.txt",
		"blank at the end of a line": "denied-blank.txt",
	}
	for _, m := range slices.Concat(templateMutations(t), claimMutations(), policyMutations()) {
		file, ok := wanted[m.name]
		if !ok {
			continue
		}
		delete(wanted, m.name)
		p := goodProposal(t, mergedDocument(t))
		m.change(t, p)
		_, err := p.verify(t)
		golden(t, file, []byte(fmt.Sprintln(err)))
	}
	if len(wanted) > 0 {
		t.Errorf("no mutation of the names %v", wanted)
	}
}

func TestAllowAllHostData(t *testing.T) {
	if text := allowAll(); len(text) != 769 || hostData([]byte(text)) != AllowAllHostData {
		t.Errorf("%d bytes with the host data %s", len(text), hostData([]byte(text)))
	}
}
