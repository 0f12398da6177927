package cleanroom_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/governance"
)

// TestReadProposals reads what is open as it was signed, and refuses proposals
// that do anything else besides.
func TestReadProposals(t *testing.T) {
	a := agree(t, "logging")
	ctx := t.Context()
	read := func() (*cleanroom.Proposals, error) { return cleanroom.ReadProposals(ctx, a.ledger, roomContract) }
	p, err := read()
	a.must(err)
	if p.TemplateID+p.PolicyID+p.LoggingID+p.TelemetryID != "" || p.Template != nil {
		t.Errorf("nothing is open: %+v", p)
	}
	inForce, claims := p.Standing()
	accepted, err := cleanroom.ParseTemplate(inForce)
	a.must(err)
	if accepted.HostData() != a.template.HostData() || claims == nil || p.Logging {
		t.Errorf("in force: %s, %+v, logging %t", accepted.HostData(), claims, p.Logging)
	}
	propose := func(actions ...governance.Action) string {
		t.Helper()
		proposal, err := a.ledger.Propose(ctx, actions...)
		a.must(err)
		return proposal.ID
	}
	withdraw := func(ids ...string) {
		t.Helper()
		for _, id := range ids {
			_, err := a.ledger.Proposal(id).Withdraw(ctx)
			a.must(err)
		}
	}

	template := json.RawMessage(`{"resources":[{"n":1}]}`)
	policy := governance.HostDataPolicy(strings.Repeat("ab", 32))
	policy.PolicyType = "snp-caci"
	ids := []string{
		propose(governance.SetDeploymentSpec(roomContract, template)), propose(governance.SetCleanRoomPolicy(roomContract, policy)),
		propose(governance.EnableLogging(roomContract)), propose(governance.EnableTelemetry(roomContract)),
	}
	p, err = read()
	a.must(err)
	if p.TemplateID != ids[0] || p.PolicyID != ids[1] || p.LoggingID != ids[2] || p.TelemetryID != ids[3] {
		t.Errorf("%+v, want %q", p, ids)
	}
	if string(p.Template) != string(template) || p.Policy.Type != governance.PolicyAdd || p.Policy.PolicyType != "snp-caci" ||
		p.Policy.Claims[governance.ClaimHostData] != strings.Repeat("ab", 32) {
		t.Errorf("%s, %+v", p.Template, p.Policy)
	}
	if standing, update := p.Standing(); string(standing) != string(template) || update.PolicyType != "snp-caci" {
		t.Errorf("would be %s, %+v", standing, update)
	}
	withdraw(ids...)

	set := func(name string, args any) governance.Action { return governance.Action{Name: name, Args: args} }
	for name, c := range map[string]struct {
		say     string
		actions [][]governance.Action
	}{
		"two of a kind": {"2 proposals of set_deployment_spec are open", [][]governance.Action{
			{governance.SetDeploymentSpec(roomContract, template)}, {governance.SetDeploymentSpec(roomContract, json.RawMessage(`{}`))}}},
		"something besides": {"must do set_clean_room_policy alone", [][]governance.Action{
			{governance.SetCleanRoomPolicy(roomContract, policy), governance.EnableLogging(roomContract)}}},
		"an argument more": {"the arguments are contractId, extra, spec", [][]governance.Action{
			{set("set_deployment_spec", map[string]any{"contractId": roomContract, "spec": map[string]any{"data": template}, "extra": 1})}}},
		"a part more": {"spec: the arguments are also, data", [][]governance.Action{
			{set("set_deployment_spec", map[string]any{"contractId": roomContract, "spec": map[string]any{"data": template, "also": 1}})}}},
	} {
		var open []string
		for _, actions := range c.actions {
			open = append(open, propose(actions...))
		}
		_, err := read()
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
		withdraw(open...)
	}
}

// TestIncludes: a contract has to say what a party has shared.
func TestIncludes(t *testing.T) {
	a := agree(t, "logging", "policy")
	whole := a.spec
	for name, c := range map[string]struct {
		change func(part *cleanroom.Specification)
		say    string
	}{
		"the same":  {func(*cleanroom.Specification) {}, ""},
		"less":      {func(s *cleanroom.Specification) { s.Datasinks = nil }, ""},
		"more":      {func(s *cleanroom.Specification) { a.must(s.AllowTCP("203.0.113.7", 5432)) }, "leaves out"},
		"different": {func(s *cleanroom.Specification) { s.Identities[1].ClientID = "30000000-0000-4000-8000-0000000000fd" }, "identities"},
	} {
		text, err := whole.Encode()
		a.must(err)
		part, err := cleanroom.ParseSpecification(text)
		a.must(err)
		c.change(part)
		err = whole.Includes(part)
		if (c.say == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := whole.Includes(nil); err == nil {
		t.Error("nothing is included")
	}
}

// TestStandingOfNothing: before the first proposal there is neither.
func TestStandingOfNothing(t *testing.T) {
	if template, policy := new(cleanroom.Proposals).Standing(); template != nil || policy != nil {
		t.Errorf("%s, %+v", template, policy)
	}
}
