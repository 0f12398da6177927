package cleanroom

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Template is a deployment template as a voter reads it: what would run, with
// which environment, under which policy.
type Template struct {
	tree       any
	contractID string
	policy     []byte
	containers []templateContainer
}

type templateContainer struct {
	name, image string
	command     []string
	environment Environment
}

// ParseTemplate reads an ARM template of one confidential container group, of
// at most 4 MB. Whatever it cannot know the meaning of is refused: keys that
// are written twice or in another case, a second resource, containers that run
// before the others, secure values, and expressions where images, commands,
// variables and the policy stand. Properties that it does not read are kept for
// [VerifyProposals] to compare.
func ParseTemplate(b []byte) (*Template, error) {
	t, err := parseTemplate(b)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: read template: %w", err)
	}
	return t, nil
}

func parseTemplate(b []byte) (*Template, error) {
	tree, err := parseJSONTree(b)
	if err != nil {
		return nil, err
	}
	r := templateReader{}
	resources := r.list(tree, "", "resources")
	if len(resources) != 1 {
		r.fail("resources", fmt.Sprintf("has %d entries, must have one container group", len(resources)))
	}
	if r.err != nil {
		return nil, r.err
	}
	const at = "resources[0]"
	group := resources[0]
	if kind := r.text(group, at, "type"); !strings.EqualFold(kind, armGroupType) {
		r.fail(at+".type", fmt.Sprintf("is %q, must be %s", shorten(kind, 80), armGroupType))
	}
	properties := r.get(group, at, "properties")
	if sku := r.text(properties, at+".properties", "sku"); !strings.EqualFold(sku, armSKU) {
		r.fail(at+".properties.sku", fmt.Sprintf("is %q, must be %s: nothing else attests", shorten(sku, 40), armSKU))
	}
	if len(r.optionalList(properties, at+".properties", "initContainers")) > 0 {
		r.fail(at+".properties.initContainers", "has containers that would run before the applications; a room of this form has none")
	}
	if len(r.optionalList(group, at, "resources")) > 0 {
		r.fail(at+".resources", "has resources inside the container group")
	}
	r.noCopy(group, at)
	r.noCopy(properties, at+".properties")
	t := &Template{tree: tree}
	t.contractID = r.text(r.get(group, at, "tags"), at+".tags", contractTag)
	t.policy = r.policy(r.get(properties, at+".properties", "confidentialComputeProperties"), at+".properties.confidentialComputeProperties")
	seen := map[string]bool{}
	for i, c := range r.list(properties, at+".properties", "containers") {
		container := r.container(c, fmt.Sprintf("%s.properties.containers[%d]", at, i))
		if seen[container.name] {
			r.fail(at+".properties.containers", fmt.Sprintf("has two containers %q", container.name))
		}
		seen[container.name] = true
		t.containers = append(t.containers, container)
	}
	if len(t.containers) == 0 {
		r.fail(at+".properties.containers", "is empty; nothing would run")
	}
	if r.err != nil {
		return nil, r.err
	}
	return t, nil
}

// templateReader walks the tree; its first error stays.
type templateReader struct{ err error }

func (r *templateReader) fail(path, message string) {
	if r.err == nil {
		r.err = errors.New(path + ": " + message)
	}
}

// get is the value of a key that must be there.
func (r *templateReader) get(v any, path, key string) any {
	value, ok := r.lookup(v, path, key)
	if !ok {
		r.fail(join(path, key), "is missing")
	}
	return value
}

// lookup refuses the key in another case: to the platform it is the same.
func (r *templateReader) lookup(v any, path, key string) (any, bool) {
	object, ok := v.(map[string]any)
	if !ok {
		r.fail(path, "must be an object")
		return nil, false
	}
	if value, ok := object[key]; ok {
		return value, true
	}
	for k := range object {
		if foldCase(k) == foldCase(key) {
			r.fail(join(path, key), fmt.Sprintf("is written as %q", k))
		}
	}
	return nil, false
}

func (r *templateReader) list(v any, path, key string) []any {
	value := r.get(v, path, key)
	list, ok := value.([]any)
	if !ok {
		r.fail(join(path, key), "must be a list")
	}
	return list
}

// text is a literal text.
func (r *templateReader) text(v any, path, key string) string {
	return r.literal(r.get(v, path, key), join(path, key))
}

func (r *templateReader) literal(v any, path string) string {
	s, ok := v.(string)
	if !ok {
		r.fail(path, "must be text")
		return ""
	}
	s, ok = armText(s)
	if !ok {
		r.fail(path, "is an expression; nobody can vote on what it will be")
	}
	return s
}

// noCopy refuses the key with which the platform makes other keys.
func (r *templateReader) noCopy(v any, path string) {
	if copies, _ := r.lookup(v, path, "copy"); copies != nil {
		r.fail(path+".copy", "would add what does not stand in the template")
	}
}

func (r *templateReader) policy(v any, path string) []byte {
	encoded := r.text(v, path, "ccePolicy")
	policy, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(policy) == 0 || base64.StdEncoding.EncodeToString(policy) != encoded {
		r.fail(path+".ccePolicy", "is not the base64 of a policy; without one the platform lets anything run")
	}
	return policy
}

func (r *templateReader) container(v any, path string) templateContainer {
	properties, at := r.get(v, path, "properties"), path+".properties"
	r.noCopy(properties, at)
	c := templateContainer{name: r.text(v, path, "name"), image: r.text(properties, at, "image")}
	for i, word := range r.optionalList(properties, at, "command") {
		c.command = append(c.command, r.literal(word, fmt.Sprintf("%s.command[%d]", at, i)))
	}
	seen := map[string]bool{}
	for i, variable := range r.optionalList(properties, at, "environmentVariables") {
		where := fmt.Sprintf("%s.environmentVariables[%d]", at, i)
		if object, ok := variable.(map[string]any); ok && len(object) != 2 {
			r.fail(where, "must have a name and a value, and no other key: a secure value is one that nobody can vote on")
		}
		name := r.text(variable, where, "name")
		if seen[name] {
			r.fail(where, fmt.Sprintf("sets %q a second time", shorten(name, 80)))
		}
		seen[name] = true
		c.environment = append(c.environment, EnvVar{name, r.text(variable, where, "value")})
	}
	return c
}

func (r *templateReader) optionalList(v any, path, key string) []any {
	if value, _ := r.lookup(v, path, key); value == nil {
		return nil
	}
	return r.list(v, path, key)
}

// ContractID is the contract in the template's tag.
func (t *Template) ContractID() string { return t.contractID }

// Policy is the decoded text of the policy.
func (t *Template) Policy() []byte { return append([]byte(nil), t.policy...) }

// HostData is the SHA-256 of the policy in lower case hex: what a room that
// the platform starts from this template reports.
func (t *Template) HostData() string { return hostData(t.policy) }

// Applications are the names of the containers, in order.
func (t *Template) Applications() []string {
	var names []string
	for i := range t.containers {
		names = append(names, t.containers[i].name)
	}
	return names
}

// Environment is what the container app gets, in order; nil if there is none
// of this name.
func (t *Template) Environment(app string) Environment {
	return append(Environment(nil), t.container(app).environment...)
}

// Command is what the container app runs; nil if it keeps the image's own, or
// if there is none of this name.
func (t *Template) Command(app string) []string {
	return append([]string(nil), t.container(app).command...)
}

// Image is the reference of the container app's image; "" if there is none of
// this name.
func (t *Template) Image(app string) string { return t.container(app).image }

func (t *Template) container(app string) templateContainer {
	for _, c := range t.containers {
		if c.name == app {
			return c
		}
	}
	return templateContainer{}
}
