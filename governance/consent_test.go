package governance_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

func TestExecutionConsent(t *testing.T) {
	c, k := withContract(t)
	ctx := t.Context()
	theirs := c.publisher.Contract(k.ID())
	want := func(enabled bool, code string) {
		t.Helper()
		status, err := k.Option(ctx, governance.Execution)
		c.check(err)
		if status.Enabled != enabled || status.ReasonCode != code || (status.Err() == nil) != enabled {
			t.Errorf("execution: %+v", status)
		}
		if !enabled {
			wantDenied(t, status.Err(), "consent.execution")
		}
	}
	want(true, "")
	c.check(k.DisableExecution(ctx))
	c.check(k.DisableExecution(ctx))
	want(false, "ContractDisabled")
	c.check(theirs.EnableExecution(ctx)) // each member lifts only its own
	want(false, "ContractDisabled")
	c.check(k.EnableExecution(ctx))
	want(true, "")

	draft := c.consumer.Contract("draft")
	_, err := draft.Create(ctx, "data")
	c.check(err)
	wantCode(t, draft.EnableExecution(ctx), "ContractNotAccepted")
	status, err := draft.Option(ctx, governance.Execution)
	c.check(err)
	if status.Enabled || status.ReasonCode != "ContractNotAccepted" {
		t.Errorf("execution of a draft: %+v", status)
	}
	wantText(t, wantDenied(t, status.Err(), "consent.execution"), "all members must accept the contract first")
	_, err = k.Option(ctx, "printing")
	wantCode(t, err, "InvalidOption")
}

func TestLoggingConsent(t *testing.T) {
	c, k := withContract(t)
	ctx := t.Context()
	option := func(o governance.RuntimeOption) *governance.OptionStatus {
		t.Helper()
		s, err := c.publisher.Contract(k.ID()).Option(ctx, o)
		c.check(err)
		return s
	}
	wantText(t, wantDenied(t, option(governance.Logging).Err(), "consent.logging"), "a member must propose")
	p, err := k.ProposeLogging(ctx)
	c.check(err)
	wantText(t, wantDenied(t, option(governance.Logging).Err(), "consent.logging"), p.ID)
	c.accept(p, c.both()...)
	if s := option(governance.Logging); !s.Enabled || option(governance.Telemetry).Enabled {
		t.Errorf("logging: %+v", s)
	}
	// Taking it back needs no vote.
	if p := c.propose(c.publisher, governance.DisableLogging(k.ID())); p.State != governance.ProposalAccepted {
		t.Errorf("disabling logging is %s", p.State)
	}
	if s := option(governance.Logging); s.Enabled {
		t.Errorf("logging: %+v", s)
	}
	if p := c.propose(c.publisher, governance.DisableTelemetry(k.ID())); p.State != governance.ProposalAccepted {
		t.Errorf("disabling telemetry is %s", p.State)
	}
}

func TestCleanRoomPolicy(t *testing.T) {
	c, k := withContract(t)
	ctx := t.Context()
	policy := func() *governance.CleanRoomPolicy {
		t.Helper()
		p, err := c.publisher.Contract(k.ID()).CleanRoomPolicy(ctx)
		c.check(err)
		return p
	}
	if p := policy(); len(p.Claims) != 0 || len(p.ProposalIDs) != 0 || p.HostData() != nil {
		t.Errorf("policy before: %+v", p)
	}
	first := governance.HostDataPolicy("aa")
	first.Claims[governance.ClaimVMPL] = 0
	p, err := k.ProposeCleanRoomPolicy(ctx, first)
	c.check(err)
	if got := policy(); !slices.Equal(got.ProposalIDs, []string{p.ID}) {
		t.Errorf("proposed: %+v", got)
	}
	c.accept(p, c.both()...)
	p, err = k.ProposeCleanRoomPolicy(ctx, governance.PolicyUpdate{Type: governance.PolicyAdd, Claims: map[string]any{governance.ClaimHostData: []string{"bb", "aa"}}})
	c.check(err)
	c.accept(p, c.both()...)
	got, _ := json.Marshal(policy().Claims)
	if want := `{"x-ms-sevsnpvm-hostdata":["aa","bb"],"x-ms-sevsnpvm-is-debuggable":[false],"x-ms-sevsnpvm-vmpl":[0]}`; string(got) != want {
		t.Errorf("policy %s, want %s", got, want)
	}
	p, err = k.ProposeCleanRoomPolicy(ctx, governance.PolicyUpdate{Type: governance.PolicyRemove, Claims: map[string]any{governance.ClaimHostData: "aa"}})
	c.check(err)
	c.accept(p, c.both()...)
	if h := policy().HostData(); !slices.Equal(h, []string{"bb"}) {
		t.Errorf("host data %q", h)
	}

	_, err = k.ProposeCleanRoomPolicy(ctx, governance.PolicyUpdate{Type: "replace", Claims: first.Claims})
	wantText(t, err, `type "replace" must be add or remove`)
	_, err = k.ProposeCleanRoomPolicy(ctx, governance.PolicyUpdate{Type: governance.PolicyAdd})
	wantText(t, err, "no claim")
	for _, v := range []any{"", nil} {
		_, err = k.ProposeCleanRoomPolicy(ctx, governance.PolicyUpdate{Type: governance.PolicyAdd, Claims: map[string]any{governance.ClaimHostData: v}})
		wantText(t, err, "governance: propose clean room policy of "+k.ID()+": claim "+governance.ClaimHostData+" has no value")
	}
	_, err = k.ProposeCleanRoomPolicy(ctx, governance.PolicyUpdate{Type: governance.PolicyAdd, Claims: map[string]any{"pcr0": "x"}})
	wantCode(t, err, "ProposalFailedToValidate")
	_, err = c.consumer.Contract("draft").ProposeCleanRoomPolicy(ctx, first)
	wantCode(t, err, "ProposalFailedToValidate")
}

func TestDeploymentSpec(t *testing.T) {
	c, k := withContract(t)
	ctx := t.Context()
	for _, bad := range []string{"", "[]", "null", `"x"`, "{"} {
		if _, err := k.ProposeDeploymentSpec(ctx, json.RawMessage(bad)); err == nil {
			t.Errorf("template %q passed", bad)
		}
	}
	_, err := c.consumer.Contract("draft").ProposeDeploymentSpec(ctx, json.RawMessage("{}"))
	wantCode(t, err, "ProposalFailedToValidate")
	for _, template := range []string{`{"a":{"Name":1,"name":2}}`, `{"b":"<x>"}`} {
		p, err := k.ProposeDeploymentSpec(ctx, json.RawMessage(template))
		c.check(err)
		actions, err := c.publisher.Proposal(p.ID).Actions(ctx)
		c.check(err)
		var args struct {
			Spec struct{ Data json.RawMessage }
		}
		c.check(actions[0].DecodeArgs(&args))
		if string(compact(args.Spec.Data)) != template {
			t.Errorf("proposed %s, want %s", args.Spec.Data, template)
		}
		c.accept(p, c.both()...)
		spec, err := c.publisher.Contract(k.ID()).DeploymentSpec(ctx)
		c.check(err)
		if string(compact(spec.Data)) != template || len(spec.ProposalIDs) != 0 {
			t.Errorf("accepted %+v, want %s", spec, template)
		}
	}
	spec, err := c.consumer.Contract("unknown").DeploymentSpec(ctx)
	c.check(err)
	if string(spec.Data) != "{}" {
		t.Errorf("spec of an unknown contract: %s", spec.Data)
	}
}

// compact brings JSON into the form in which Go writes it, without escapes.
func compact(raw json.RawMessage) []byte {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return []byte(err.Error())
	}
	return unescaped(v)
}
