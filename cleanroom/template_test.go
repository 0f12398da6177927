package cleanroom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// parsed is JSON as maps, lists and numbers as written.
func parsed(t testing.TB, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	must(t, d.Decode(&v))
	return v
}

// at is the value at a path of keys and indexes.
func at[T any](t testing.TB, v any, path ...any) T {
	t.Helper()
	for _, step := range path {
		switch s := step.(type) {
		case string:
			v = v.(map[string]any)[s]
		case int:
			v = v.([]any)[s]
		}
	}
	out, ok := v.(T)
	if !ok {
		t.Fatalf("%v is a %T", path, v)
	}
	return out
}

type object = map[string]any

// editedTemplate is the good template with a change to its root, its group's
// properties, or its application's properties.
type templateEdit func(root, group, app object)

func editTemplate(t testing.TB, edit templateEdit) []byte {
	t.Helper()
	root := parsed(t, testDeployment(t).Template).(object)
	group := at[object](t, root, "resources", 0)
	edit(root, group, at[object](t, group, "properties", "containers", 0, "properties"))
	b, err := json.Marshal(root)
	must(t, err)
	return b
}

func TestParseTemplateRefuses(t *testing.T) {
	good := string(testDeployment(t).Template)
	replaced := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the template has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	edited := func(edit templateEdit) string { return string(editTemplate(t, edit)) }
	properties := func(group object) object { return group["properties"].(object) }
	first := func(list any) object { return list.([]any)[0].(object) }
	cases := []struct{ name, text, say string }{
		{"empty", "", "EOF"},
		{"no JSON", "template", "invalid character"},
		{"not an object", "[]", "must be an object"},
		{"null", "null", "must be an object"},
		{"cut", good[:len(good)-20], "EOF"},
		{"text after", good + "{}", "after the end"},
		{"not UTF-8", replaced("collab1-db", "collab1-db\xff"), "UTF-8"},
		{"too long", good + strings.Repeat(" ", maxJSON), "more than 4194304"},
		{"too deep", `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", "nested deeper"},
		{"key twice", replaced(`"sku":`, `"sku": "Standard", "sku":`), "resources[0].properties.sku is written twice"},
		{"key twice in another case", replaced(`"sku":`, `"SKU": "Standard", "sku":`), "sku is written twice"},
		{"key twice with a long s", replaced(`"sku":`, `"ſku": "Standard", "sku":`), "sku is written twice"},
		{"key in another case", replaced(`"sku":`, `"Sku":`), `is written as "Sku"`},
		{"command in another case", replaced(`"command":`, `"Command":`), `is written as "Command"`},
		{"variables in another case", replaced(`"environmentVariables":`, `"EnvironmentVariables":`), `is written as "EnvironmentVariables"`},
		{"init containers in another case", replaced(`"initContainers": []`, `"InitContainers": [{}]`), `is written as "InitContainers"`},
		{"no resources", edited(func(root, _, _ object) { delete(root, "resources") }), "resources: is missing"},
		{"resources by name", edited(func(root, group, _ object) { root["resources"] = object{"room": group} }), "resources: must be a list"},
		{"empty resources", edited(func(root, _, _ object) { root["resources"] = []any{} }), "has 0 entries"},
		{"second resource", edited(func(root, group, _ object) { root["resources"] = []any{group, group} }), "has 2 entries"},
		{"nested resource", edited(func(_, group, _ object) { group["resources"] = []any{object{}} }), "resources inside"},
		{"resource is text", edited(func(root, _, _ object) { root["resources"] = []any{"x"} }), "must be an object"},
		{"other resource", edited(func(_, group, _ object) { group["type"] = "Microsoft.Compute/virtualMachines" }), "must be Microsoft.ContainerInstance"},
		{"standard group", edited(func(_, group, _ object) { properties(group)["sku"] = "Standard" }), "nothing else attests"},
		{"no sku", edited(func(_, group, _ object) { delete(properties(group), "sku") }), "sku: is missing"},
		{"no properties", edited(func(_, group, _ object) { delete(group, "properties") }), "properties: is missing"},
		{"init container", edited(func(_, group, _ object) { properties(group)["initContainers"] = properties(group)["containers"] }), "before the applications"},
		{"copies of the group", edited(func(_, group, _ object) { group["copy"] = object{"count": 2} }), "copy: would add"},
		{"copies of a property", edited(func(_, group, _ object) {
			properties(group)["copy"] = []any{object{"name": "containers", "count": 2, "input": object{}}}
		}), "copy: would add"},
		{"copies of a variable", edited(func(_, _, app object) {
			app["copy"] = []any{object{"name": "environmentVariables", "count": 2, "input": object{}}}
		}), "copy: would add"},
		{"no tags", edited(func(_, group, _ object) { delete(group, "tags") }), "tags: is missing"},
		{"no contract", edited(func(_, group, _ object) { group["tags"] = object{} }), "accr-contract-id: is missing"},
		{"contract by expression", edited(func(_, group, _ object) { group["tags"].(object)[contractTag] = "[parameters('name')]" }), "is an expression"},
		{"no policy section", edited(func(_, group, _ object) { delete(properties(group), "confidentialComputeProperties") }), "confidentialComputeProperties: is missing"},
		{"no policy", edited(func(_, group, _ object) { properties(group)["confidentialComputeProperties"] = object{} }), "ccePolicy: is missing"},
		{"empty policy", edited(func(_, group, _ object) { properties(group)["confidentialComputeProperties"] = object{"ccePolicy": ""} }), "anything run"},
		{"bad base64", edited(func(_, group, _ object) {
			properties(group)["confidentialComputeProperties"] = object{"ccePolicy": "cGFja2Fn*"}
		}), "not the base64"},
		{"base64 with a line end", edited(func(_, group, _ object) {
			properties(group)["confidentialComputeProperties"] = object{"ccePolicy": "cGFj\na2Fn"}
		}), "not the base64"},
		{"base64 with spare bits", edited(func(_, group, _ object) {
			properties(group)["confidentialComputeProperties"] = object{"ccePolicy": "cGFja2F="}
		}), "not the base64"},
		{"policy by expression", edited(func(_, group, _ object) {
			properties(group)["confidentialComputeProperties"] = object{"ccePolicy": "[parameters('policy')]"}
		}), "is an expression"},
		{"no containers", edited(func(_, group, _ object) { delete(properties(group), "containers") }), "containers: is missing"},
		{"empty containers", edited(func(_, group, _ object) { properties(group)["containers"] = []any{} }), "nothing would run"},
		{"containers by expression", edited(func(_, group, _ object) { properties(group)["containers"] = "[variables('all')]" }), "must be a list"},
		{"two containers of a name", edited(func(_, group, _ object) {
			c := properties(group)["containers"].([]any)
			properties(group)["containers"] = append(c, c[0])
		}), `two containers "demo-app"`},
		{"container without name", edited(func(_, group, _ object) { delete(first(properties(group)["containers"]), "name") }), "name: is missing"},
		{"container without properties", edited(func(_, group, _ object) { delete(first(properties(group)["containers"]), "properties") }), "properties: is missing"},
		{"no image", edited(func(_, _, app object) { delete(app, "image") }), "image: is missing"},
		{"image by expression", edited(func(_, _, app object) { app["image"] = "[parameters('image')]" }), "image: is an expression"},
		{"image is a number", edited(func(_, _, app object) { app["image"] = 1 }), "image: must be text"},
		{"command is text", edited(func(_, _, app object) { app["command"] = "sh" }), "command: must be a list"},
		{"command by expression", edited(func(_, _, app object) { app["command"] = []any{"[parameters('x')]"} }), "command[0]: is an expression"},
		{"command of numbers", edited(func(_, _, app object) { app["command"] = []any{"sh", 1} }), "command[1]: must be text"},
		{"variables by name", edited(func(_, _, app object) { app["environmentVariables"] = object{"A": "b"} }), "must be a list"},
		{"secure value", edited(func(_, _, app object) {
			app["environmentVariables"] = []any{object{"name": "A", "secureValue": "b"}}
		}), "value: is missing"},
		{"secure value beside the value", edited(func(_, _, app object) {
			app["environmentVariables"] = []any{object{"name": "A", "value": "a", "secureValue": "b"}}
		}), "nobody can vote on"},
		{"value by reference", edited(func(_, _, app object) {
			app["environmentVariables"] = []any{object{"name": "A", "value": "a", "secureValueReference": "b"}}
		}), "nobody can vote on"},
		{"variable without name", edited(func(_, _, app object) { app["environmentVariables"] = []any{object{"value": "b"}} }), "must have a name"},
		{"variable is text", edited(func(_, _, app object) { app["environmentVariables"] = []any{"A=b"} }), "must be an object"},
		{"name by expression", edited(func(_, _, app object) {
			app["environmentVariables"] = []any{object{"name": "[parameters('x')]", "value": "b"}}
		}), "name: is an expression"},
		{"value by expression", edited(func(_, _, app object) {
			app["environmentVariables"] = []any{object{"name": "A", "value": "[parameters('x')]"}}
		}), "value: is an expression"},
		{"variable twice", edited(func(_, _, app object) {
			app["environmentVariables"] = []any{object{"name": "A", "value": "1"}, object{"name": "A", "value": "2"}}
		}), `sets "A" a second time`},
	}
	for _, c := range cases {
		got, err := ParseTemplate([]byte(c.text))
		if err == nil || got != nil || !strings.Contains(err.Error(), c.say) || !strings.HasPrefix(err.Error(), "cleanroom: read template: ") {
			t.Errorf("%s: want %q, got %.300v", c.name, c.say, err)
		}
	}
	if len(cases) != 61 {
		t.Errorf("%d refusals, want 61", len(cases))
	}
}

// A template is read in time that its length bounds: the names above a value
// do not count for each value.
func TestParseTemplateIsLinear(t *testing.T) {
	name := strings.Repeat("n", 20000)
	deep := strings.Repeat(`{"`+name+`":`, 50) + "[" + strings.Repeat("1,", 200000) + "1]" + strings.Repeat("}", 50)
	if used := allocated(func() {
		_, err := parseJSONTree([]byte(deep))
		must(t, err)
	}); used > 200 {
		t.Errorf("%d MiB allocated for %d KiB", used, len(deep)>>10)
	}
	_, err := parseJSONTree([]byte(strings.Repeat(`{"`+name+`":`, 50) + `{"a":1,"a":2}` + strings.Repeat("}", 50)))
	if err == nil || len(err.Error()) > 1000 {
		t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
	}
}

func FuzzParseTemplate(f *testing.F) {
	f.Add([]byte(testDeployment(f).Template))
	f.Add(editTemplate(f, func(_, group, app object) {
		delete(app, "command")
		app["environmentVariables"] = []any{object{"name": "A", "value": "[[x]"}}
		group["properties"].(object)["confidentialComputeProperties"] = object{"ccePolicy": "eA=="}
	}))
	f.Add([]byte(`{"resources":[{"type":"Microsoft.ContainerInstance/containerGroups","tags":{"accr-contract-id":"c"},"properties":{"sku":"confidential","confidentialComputeProperties":{"ccePolicy":"eA=="},"containers":[{"name":"a","properties":{"image":"i"}}]}}]}`))
	opts, s := testOptions(f), mergedDocument(f)
	policy := testDeployment(f).GovernancePolicy
	good, err := ParseTemplate(testDeployment(f).Template)
	must(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseTemplate(b)
		if err != nil {
			if got != nil {
				t.Error("a template beside an error")
			}
			return
		}
		if len(got.Applications()) == 0 || len(got.Policy()) == 0 {
			t.Error("a template that runs nothing, or anything")
		}
		// Whatever it is, only what says the same passes.
		_, err = VerifyProposals(VerifyInput{s, opts, b, policy})
		if at, _, _ := firstDifference(good.tree, got.tree, ""); (err == nil) != (at == "") {
			t.Errorf("differs at %q, verdict %v", at, err)
		}
	})
}
