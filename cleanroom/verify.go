package cleanroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/check"
)

// VerifyInput is what a party has before it votes.
type VerifyInput struct {
	// Specification is the document of the accepted contract, as this party
	// read it from the governance service.
	Specification *Specification
	// GenerateOptions are this party's own, not the proposer's.
	GenerateOptions GenerateOptions
	// ProposedTemplate and ProposedPolicy are what the proposals say.
	ProposedTemplate json.RawMessage
	ProposedPolicy   governance.PolicyUpdate
}

// VerifyProposals makes the deployment again from the accepted contract and
// compares it with what is proposed: the policy in the template byte for byte,
// the template value by value, the proposed host data with the SHA-256 of that
// policy. All checks are returned, in order; if one failed the error is a
// [*DeniedError], and the answer to the vote is no. An error of another type
// means that the party's own inputs give no deployment.
func VerifyProposals(in VerifyInput) ([]Check, error) {
	if in.Specification == nil {
		return nil, errors.New("cleanroom: verify proposals: there is no specification; parse the data of the accepted contract")
	}
	want, err := Generate(in.Specification, in.GenerateOptions)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: verify proposals: recompute: %w", err)
	}
	proposed, err := ParseTemplate(in.ProposedTemplate)
	var checks []Check
	if err != nil {
		checks = []Check{{ID: "template.readable", Want: "a template of one confidential container group", Got: check.Printable(err.Error()), Remedy: voteNo, Err: err}}
	} else {
		checks = verifyTemplate(want, proposed, in.GenerateOptions.ContractID)
	}
	checks = append(checks, verifyPolicy(want, proposed, in.ProposedPolicy)...)
	return checks, check.Denied("cleanroom: verify proposals of contract "+in.GenerateOptions.ContractID, "this program", checks, nil)
}

const voteNo = "vote against the proposal and ask its proposer for the inputs that were used"

func verifyTemplate(want *Deployment, got *Template, contractID string) []Check {
	expected, err := ParseTemplate(want.Template)
	if err != nil {
		panic("cleanroom: internal error: the generated template cannot be read: " + err.Error())
	}
	checks := []Check{
		{ID: "template.readable", Want: "yes", Got: "yes"},
		check.Equal("template.contract", contractID, shown(got.ContractID()), "the template belongs to another contract; "+voteNo),
		verifyImages(got),
		check.Equal("template.allow-all", "a policy that pins containers", allowAllOr(got.HostData(), "a policy that pins containers"), "the policy lets the host run anything; "+voteNo),
	}
	policy := Check{ID: "template.policy", Want: want.HostData, Got: got.HostData()}
	if line, a, b := firstLine(want.Policy, got.policy); line != 0 {
		policy = Check{
			ID:     "template.policy",
			Want:   fmt.Sprintf("line %d: %s", line, a),
			Got:    b,
			Remedy: "the policy in the template is not that of the contract" + policyChanges(want.Policy, got.policy) + "; " + voteNo,
			Err:    check.ErrMismatch,
		}
	}
	return append(checks, policy, recomputed("template.recomputed", "the template of the contract", withoutPolicy(expected.tree), withoutPolicy(got.tree)))
}

// policyChanges names the first of the differences of two policies, if they can
// be read.
func policyChanges(want, got []byte) string {
	changes, err := DiffPolicies(want, got)
	switch {
	case err != nil:
		return ""
	case len(changes) == 0:
		return " to the letter: comments or layout differ, and the platform measures them"
	case len(changes) == 1:
		return ", which differs in " + changes[0].String()
	}
	return fmt.Sprintf(", which differs in %s, and in %d more", changes[0], len(changes)-1)
}

// recomputed compares what is proposed, value by value, with what the contract
// gives.
func recomputed(id, what string, want, got any) Check {
	at, a, b := firstDifference(want, got, "")
	if at == "" {
		return Check{ID: id, Want: what, Got: what}
	}
	return Check{ID: id, Want: at + " = " + a, Got: b, Remedy: "this is not " + what + "; " + voteNo, Err: check.ErrMismatch}
}

// verifyImages repeats what the document's validation checks, on what would
// really be deployed.
func verifyImages(t *Template) Check {
	c := Check{ID: "template.images", Want: "every image pinned by digest", Got: "every image pinned by digest"}
	for _, app := range t.Applications() {
		if err := checkImage(t.Image(app)); err != nil {
			c.Got, c.Err, c.Remedy = check.Printable(shorten(app, 80)+": "+shorten(t.Image(app), 120)), err, voteNo
			break
		}
	}
	return c
}

func verifyPolicy(want *Deployment, template *Template, proposed governance.PolicyUpdate) []Check {
	claims, err := plainClaims(proposed.Claims)
	if err != nil {
		return []Check{{ID: "policy.readable", Want: "claims in JSON", Got: check.Printable(err.Error()), Remedy: voteNo, Err: err}}
	}
	host, inTemplate := claimText(claims[governance.ClaimHostData]), "nothing"
	if template != nil {
		inTemplate = template.HostData()
	}
	platform := proposed.PolicyType
	if platform == "" {
		platform = containerGroups
	}
	expected, err := plainClaims(want.GovernancePolicy.Claims)
	if err != nil {
		panic("cleanroom: internal error: " + err.Error())
	}
	return []Check{
		check.Equal("policy.type", want.GovernancePolicy.Type, shown(proposed.Type), voteNo),
		check.Equal("policy.platform", containerGroups, shown(platform), "the policy is not about confidential container groups; "+voteNo),
		check.Equal("policy.allow-all", "host data of one policy", allowAllOr(host, "host data of one policy"), "keys would be released to a room that runs anything; "+voteNo),
		check.Equal("policy.host-data", inTemplate, host, "the proposed host data is not the SHA-256 of the policy in the proposed template; "+voteNo),
		check.Equal("policy.debuggable", "false", brief(claims[governance.ClaimDebuggable]), "a debuggable room shows its memory to the host; "+voteNo),
		recomputed("policy.recomputed", "the claims of the contract", expected, claims),
	}
}

// containerGroups is the policy type that the governance service takes for
// granted.
const containerGroups = "snp-caci"

// plainClaims gives the claims as the service stores them: text, booleans,
// lists. A list of one is that one, which is the form of an accepted policy.
func plainClaims(claims map[string]any) (map[string]any, error) {
	b, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	tree, err := parseJSONTree(b)
	if err != nil {
		return nil, err
	}
	plain, _ := tree.(map[string]any)
	for k, v := range plain {
		if list, ok := v.([]any); ok && len(list) == 1 {
			plain[k] = list[0]
		}
	}
	return plain, nil
}

func claimText(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return shown(v)
	}
	return brief(v)
}

// shown is a proposer's text for a message.
func shown(s string) string {
	if s == "" {
		return "nothing"
	}
	return check.Printable(shorten(s, 140))
}

func allowAllOr(host, otherwise string) string {
	if strings.EqualFold(host, AllowAllHostData) {
		return "the policy that allows everything"
	}
	return otherwise
}

// withoutPolicy copies the tree down to the policy, which is compared by its
// decoded lines, and leaves it out.
func withoutPolicy(tree any) any {
	root, _ := tree.(map[string]any)
	resources, _ := root["resources"].([]any)
	group, _ := resources[0].(map[string]any)
	properties, _ := group["properties"].(map[string]any)
	confidential, _ := properties["confidentialComputeProperties"].(map[string]any)
	return without(root, "resources", []any{without(group, "properties", without(properties, "confidentialComputeProperties", without(confidential, "ccePolicy", nil)))})
}

// without is a copy of m with one value replaced, or removed if it is nil.
func without(m map[string]any, key string, value any) map[string]any {
	c := maps.Clone(m)
	if value == nil {
		delete(c, key)
	} else {
		c[key] = value
	}
	return c
}

// firstLine finds the first line that differs; 0 if none does.
func firstLine(want, got []byte) (line int, wantLine, gotLine string) {
	if bytes.Equal(want, got) {
		return 0, "", ""
	}
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for line < len(w) && line < len(g) && w[line] == g[line] {
		line++
	}
	text := func(lines []string) string {
		if line == len(lines) {
			return "nothing"
		}
		return lines[line]
	}
	a, b := text(w), text(g)
	if x, y := strings.TrimSpace(a), strings.TrimSpace(b); x != y {
		a, b = x, y
	}
	wantLine, gotLine = contrast(a, b)
	return line + 1, wantLine, gotLine
}
