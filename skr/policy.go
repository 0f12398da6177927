package skr

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	policyVersion = "1.0.0"
	// maxPolicyBytes is far above the few hundred bytes of policies in use.
	maxPolicyBytes = 64 << 10
)

// ReleasePolicy says which attestation tokens release a key: Key Vault's
// policy grammar 1.0.0. A token satisfies it when some branch names the
// token's issuer as its authority and the branch's conditions hold. A policy
// does not change after it was made.
type ReleasePolicy struct{ branches []branch }

// branch is one element of the top-level anyOf.
type branch struct {
	authority string
	rule      condition // a group: allOf or anyOf
}

// condition is a leaf (claim, operator, value) or a group of conditions.
type condition struct {
	claim string
	op    operator
	value any // string, json.Number or bool

	group    groupKind
	children []condition
}

type groupKind string

const (
	leaf  groupKind = ""
	allOf groupKind = "allOf"
	anyOf groupKind = "anyOf"
)

// NewReleasePolicy makes the policy of a clean room: for each host data (the
// SHA-256 of a container group's security policy, 64 hex digits) one branch
// that wants this host data, an attested utility VM and SEV-SNP. The authority
// is the attestation service, as host or URL.
func NewReleasePolicy(authority string, hostData ...string) (*ReleasePolicy, error) {
	authority, err := normalizeEndpoint(authority)
	if err != nil {
		return nil, fmt.Errorf("skr: release policy: authority %w", err)
	}
	if len(hostData) == 0 {
		return nil, errors.New("skr: release policy: no host data given; without one every clean room could release the key")
	}
	p := &ReleasePolicy{}
	seen := map[string]bool{}
	for _, h := range hostData {
		h = strings.ToLower(h)
		if b, err := hex.DecodeString(h); err != nil || len(b) != sha256.Size {
			return nil, fmt.Errorf("skr: release policy: host data %q is not 64 hex digits; it is the SHA-256 of the decoded security policy", shorten(h))
		}
		if seen[h] {
			continue
		}
		seen[h] = true
		p.branches = append(p.branches, branch{authority, condition{group: allOf, children: []condition{
			{claim: claimHostData, op: opEquals, value: h},
			{claim: claimCompliance, op: opEquals, value: complianceUVM},
			{claim: claimType, op: opEquals, value: typeSEVSNP},
		}}})
	}
	return p, nil
}

// ParseReleasePolicy reads a policy of at most 64 KiB. It refuses what it does
// not know, unlike most readers of JSON: a member that is ignored here but
// honoured by a vault would make two different policies look equal.
func ParseReleasePolicy(b []byte) (*ReleasePolicy, error) {
	if len(b) > maxPolicyBytes {
		return nil, fmt.Errorf("skr: release policy: %d bytes; at most %d are read", len(b), maxPolicyBytes)
	}
	doc, err := decodeObjectStrict(b)
	if err != nil {
		return nil, fmt.Errorf("skr: release policy: %w", err)
	}
	p, err := parsePolicy(doc)
	if err != nil {
		return nil, fmt.Errorf("skr: release policy: %w", err)
	}
	return p, nil
}

func parsePolicy(doc map[string]any) (*ReleasePolicy, error) {
	if err := onlyMembers(doc, "version", "anyOf"); err != nil {
		return nil, err
	}
	if v := doc["version"]; v != policyVersion {
		return nil, fmt.Errorf("version is %q, want %q", shorten(fmt.Sprint(v)), policyVersion)
	}
	list, ok := doc["anyOf"].([]any)
	if !ok || len(list) == 0 {
		return nil, errors.New("anyOf is no list of authorities")
	}
	p := &ReleasePolicy{}
	for i, v := range list {
		b, err := parseBranch(v)
		if err != nil {
			return nil, fmt.Errorf("anyOf[%d]: %w", i, err)
		}
		p.branches = append(p.branches, b)
	}
	return p, nil
}

func parseBranch(v any) (branch, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return branch{}, errors.New("is no object")
	}
	authority, ok := object["authority"].(string)
	if !ok || authority == "" {
		return branch{}, errors.New("has no authority")
	}
	if err := onlyMembers(object, "authority", string(allOf), string(anyOf)); err != nil {
		return branch{}, err
	}
	rule, err := parseGroup(object)
	if err != nil {
		return branch{}, err
	}
	return branch{authority, rule}, nil
}

// parseGroup reads the one of allOf and anyOf that an object must have.
func parseGroup(object map[string]any) (condition, error) {
	all, hasAll := object[string(allOf)]
	some, hasAny := object[string(anyOf)]
	if hasAll == hasAny {
		return condition{}, errors.New("wants exactly one of allOf and anyOf")
	}
	kind, members := allOf, all
	if hasAny {
		kind, members = anyOf, some
	}
	list, ok := members.([]any)
	if !ok || len(list) == 0 {
		return condition{}, fmt.Errorf("%s is no list of conditions", kind)
	}
	group := condition{group: kind}
	for i, v := range list {
		c, err := parseCondition(v)
		if err != nil {
			return condition{}, fmt.Errorf("%s[%d]: %w", kind, i, err)
		}
		group.children = append(group.children, c)
	}
	return group, nil
}

func parseCondition(v any) (condition, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return condition{}, errors.New("is no object")
	}
	claim, isLeaf := object["claim"]
	if !isLeaf {
		if err := onlyMembers(object, string(allOf), string(anyOf)); err != nil {
			return condition{}, err
		}
		return parseGroup(object)
	}
	name, ok := claim.(string)
	if !ok || name == "" {
		return condition{}, errors.New("claim is no name")
	}
	if len(object) != 2 {
		return condition{}, fmt.Errorf("claim %q wants exactly one operator", shorten(name))
	}
	for member, value := range object {
		if member == "claim" {
			continue
		}
		op := operator(member)
		if !op.valid() {
			return condition{}, fmt.Errorf("claim %q has unknown operator %q", shorten(name), shorten(member))
		}
		if _, scalar := scalarText(value); !scalar {
			return condition{}, fmt.Errorf("claim %q: %s wants a string, number or boolean", shorten(name), op)
		}
		return condition{claim: name, op: op, value: value}, nil
	}
	panic("skr: internal error: a condition without operator")
}

func onlyMembers(object map[string]any, known ...string) error {
	var unknown []string
	for name := range object {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("has unknown member %q", shorten(unknown[0]))
}

// Authorities are the issuers that the policy names, each once, in order.
func (p *ReleasePolicy) Authorities() []string {
	var names []string
	for _, b := range p.branches {
		if !slices.Contains(names, b.authority) {
			names = append(names, b.authority)
		}
	}
	return names
}

// Encode is the policy as compact JSON: version first, authority before its
// conditions, conditions in their order. The same policy gives the same bytes
// in every run. It is what to send to a vault.
func (p *ReleasePolicy) Encode() []byte { return p.encode(false) }

// Hash is the SHA-256 of the policy's normal form, in which the order of
// branches and conditions does not count: two policies have the same hash if
// and only if they are [ReleasePolicy.Equal].
func (p *ReleasePolicy) Hash() [32]byte { return sha256.Sum256(p.encode(true)) }

// Equal reports whether two policies say the same, whatever the order of
// branches and conditions and whatever the white space of their sources. A
// vault may store another serialisation than the one it was sent.
func (p *ReleasePolicy) Equal(q *ReleasePolicy) bool {
	return p != nil && q != nil && bytes.Equal(p.encode(true), q.encode(true))
}

// MarshalJSON is Encode.
func (p *ReleasePolicy) MarshalJSON() ([]byte, error) { return p.Encode(), nil }

// String is Encode as text. A policy holds no secret.
func (p *ReleasePolicy) String() string { return string(p.Encode()) }

func (p *ReleasePolicy) encode(sorted bool) []byte {
	parts := make([]string, len(p.branches))
	for i, b := range p.branches {
		// Without its braces, the group is one more member of the branch.
		rule := b.rule.encode(sorted)
		parts[i] = `{"authority":` + quote(b.authority) + "," + rule[1:]
	}
	if sorted {
		slices.Sort(parts)
	}
	return []byte(`{"version":"` + policyVersion + `","anyOf":[` + strings.Join(parts, ",") + "]}")
}

func (c condition) encode(sorted bool) string {
	if c.group == leaf {
		return `{"claim":` + quote(c.claim) + "," + quote(string(c.op)) + ":" + encodeValue(c.value) + "}"
	}
	parts := make([]string, len(c.children))
	for i, child := range c.children {
		parts[i] = child.encode(sorted)
	}
	if sorted {
		slices.Sort(parts)
	}
	return `{"` + string(c.group) + `":[` + strings.Join(parts, ",") + "]}"
}

func encodeValue(v any) string {
	if s, ok := v.(string); ok {
		return quote(s)
	}
	s, _ := scalarText(v)
	return s
}

// quote is a JSON string without the escapes that only matter inside HTML.
func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("skr: internal error: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

var _ json.Marshaler = (*ReleasePolicy)(nil)
