package cleanroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	checks := verifyTemplate(want, in)
	checks = append(checks, verifyPolicy(want, in)...)
	return checks, check.Denied("cleanroom: verify proposals of contract "+in.GenerateOptions.ContractID, "this program", checks, nil)
}

const voteNo = "vote against the proposal and ask its proposer for the inputs that were used"

func verifyTemplate(want *Deployment, in VerifyInput) []Check {
	got, err := ParseTemplate(in.ProposedTemplate)
	if err != nil {
		return []Check{{ID: "template.readable", Want: "a template of one confidential container group", Got: err.Error(), Remedy: voteNo, Err: err}}
	}
	expected, err := ParseTemplate(want.Template)
	if err != nil {
		panic("cleanroom: internal error: the generated template cannot be read: " + err.Error())
	}
	checks := []Check{
		check.Equal("template.readable", "yes", "yes", ""),
		check.Equal("template.contract", in.GenerateOptions.ContractID, got.ContractID(), "the template belongs to another contract; "+voteNo),
		verifyImages(got),
		check.Equal("template.allow-all", "a policy that pins containers", allowAllOr(got.HostData(), "a policy that pins containers"), "the policy lets the host run anything; "+voteNo),
	}
	line, a, b := firstLine(want.Policy, got.policy)
	policy := Check{ID: "template.policy", Want: want.HostData, Got: got.HostData()}
	if line != 0 {
		policy = Check{
			ID:     "template.policy",
			Want:   fmt.Sprintf("line %d: %s", line, a),
			Got:    b,
			Remedy: "the policy in the template is not that of the contract; " + voteNo,
			Err:    check.ErrMismatch,
		}
	}
	same := Check{ID: "template.recomputed", Want: "the template of the contract", Got: "the template of the contract"}
	if at, a, b := firstDifference(withoutPolicy(expected.tree), withoutPolicy(got.tree), ""); at != "" {
		same = Check{ID: "template.recomputed", Want: at + " = " + a, Got: b, Remedy: "the template is not that of the contract; " + voteNo, Err: check.ErrMismatch}
	}
	return append(checks, policy, same)
}

// verifyImages repeats what the document's validation checks, on what would
// really be deployed.
func verifyImages(t *Template) Check {
	c := Check{ID: "template.images", Want: "every image pinned by digest", Got: "every image pinned by digest"}
	for _, app := range t.Applications() {
		if err := checkImage(t.Image(app)); err != nil {
			c.Got, c.Err, c.Remedy = app+": "+shorten(t.Image(app), 120), err, voteNo
			break
		}
	}
	return c
}

func verifyPolicy(want *Deployment, in VerifyInput) []Check {
	claims, err := plainClaims(in.ProposedPolicy.Claims)
	if err != nil {
		return []Check{{ID: "policy.readable", Want: "claims in JSON", Got: err.Error(), Remedy: voteNo, Err: err}}
	}
	host := claimText(claims[claimHostData])
	inTemplate := "nothing"
	if t, err := ParseTemplate(in.ProposedTemplate); err == nil {
		inTemplate = t.HostData()
	}
	checks := []Check{
		check.Equal("policy.type", want.GovernancePolicy.Type, in.ProposedPolicy.Type, voteNo),
		check.Equal("policy.allow-all", "host data of one policy", allowAllOr(host, "host data of one policy"), "keys would be released to a room that runs anything; "+voteNo),
		check.Equal("policy.host-data", inTemplate, host, "the proposed host data is not the SHA-256 of the policy in the proposed template; "+voteNo),
		check.Equal("policy.debuggable", "false", claimText(claims[claimDebuggable]), "a debuggable room shows its memory to the host; "+voteNo),
	}
	expected, err := plainClaims(want.GovernancePolicy.Claims)
	if err != nil {
		panic("cleanroom: internal error: " + err.Error())
	}
	same := Check{ID: "policy.recomputed", Want: "the claims of the contract", Got: "the claims of the contract"}
	if at, a, b := firstDifference(expected, claims, ""); at != "" {
		same = Check{ID: "policy.recomputed", Want: at + " = " + a, Got: b, Remedy: "the claims are not those of the contract; " + voteNo, Err: check.ErrMismatch}
	}
	return append(checks, same)
}

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
		return shorten(v, 80)
	}
	return brief(v)
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
	c := make(map[string]any, len(m))
	for k, v := range m {
		c[k] = v
	}
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
	for i := range max(len(w), len(g)) {
		a, b := "nothing", "nothing"
		if i < len(w) {
			a = strings.TrimSpace(w[i])
		}
		if i < len(g) {
			b = strings.TrimSpace(g[i])
		}
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			return i + 1, shorten(a, 120), shorten(b, 120)
		}
	}
	return 0, "", ""
}
