package governancetest

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// Host data of rooms that nobody launches.
var (
	firstHostData  = strings.Repeat("1a", 32)
	secondHostData = strings.Repeat("2b", 32)
)

func hostData(kind, value string) governance.PolicyUpdate {
	return governance.PolicyUpdate{Type: kind, Claims: map[string]any{governance.ClaimHostData: value}}
}

// policy has the claims that the evidence of rooms must have.
func (s *suite) policy(ctx context.Context, t *testing.T) {
	id := s.name("policy")
	mine := s.agree(ctx, t, id)
	theirs := s.newcomer.Contract(id)
	update := func(u governance.PolicyUpdate) {
		t.Helper()
		p, err := mine.ProposeCleanRoomPolicy(ctx, u)
		check(t, err)
		accept(ctx, t, p, s.both()...)
	}
	claims := func(want map[string][]any) {
		t.Helper()
		v, err := theirs.CleanRoomPolicy(ctx)
		check(t, err)
		if len(v.Claims) != len(want) || (len(want) > 0 && !reflect.DeepEqual(v.Claims, want)) {
			t.Errorf("policy %v, want %v", v.Claims, want)
		}
	}
	claims(nil)
	p, err := mine.ProposeCleanRoomPolicy(ctx, governance.HostDataPolicy(firstHostData))
	check(t, err)
	v, err := theirs.CleanRoomPolicy(ctx)
	check(t, err)
	if !slices.Equal(v.ProposalIDs, []string{p.ID}) || len(v.Claims) != 0 {
		t.Errorf("policy before the votes: %+v", v)
	}
	r, err := s.newcomer.Proposal(p.ID).Review(ctx, nil)
	check(t, err)
	if !slices.ContainsFunc(r.Warnings, func(w governance.Warning) bool { return w.ID == "policy.launch-measurement" }) {
		t.Errorf("review:\n%s", r)
	}
	accept(ctx, t, p, s.both()...)
	claims(map[string][]any{governance.ClaimDebuggable: {false}, governance.ClaimHostData: {firstHostData}})

	// A second value joins the first, a boolean replaces it.
	update(hostData(governance.PolicyAdd, secondHostData))
	update(governance.PolicyUpdate{Type: governance.PolicyAdd, Claims: map[string]any{governance.ClaimDebuggable: true, governance.ClaimVMPL: 0}})
	claims(map[string][]any{governance.ClaimDebuggable: {true}, governance.ClaimHostData: {firstHostData, secondHostData}, governance.ClaimVMPL: {0.0}})
	update(hostData(governance.PolicyRemove, firstHostData))
	update(governance.PolicyUpdate{Type: governance.PolicyRemove, Claims: map[string]any{governance.ClaimDebuggable: true, governance.ClaimVMPL: 0}})
	claims(map[string][]any{governance.ClaimHostData: {secondHostData}})

	// What is not there cannot be removed.
	p, err = mine.ProposeCleanRoomPolicy(ctx, hostData(governance.PolicyRemove, firstHostData))
	check(t, err)
	_, err = s.newcomer.Proposal(p.ID).Vote(ctx, true)
	check(t, err)
	_, err = s.founder.Proposal(p.ID).Vote(ctx, true)
	s.refuses(t, err, "InternalError")
	withdraw(ctx, t, s.founder, p.ID)
	claims(map[string][]any{governance.ClaimHostData: {secondHostData}})

	_, err = mine.ProposeCleanRoomPolicy(ctx, governance.PolicyUpdate{Type: governance.PolicyAdd, Claims: map[string]any{"no-such-claim": "x"}})
	s.refuses(t, err, "ProposalFailedToValidate")
	_, err = s.founder.Contract(s.name("unknown")).ProposeCleanRoomPolicy(ctx, governance.HostDataPolicy(firstHostData))
	s.refuses(t, err, "ProposalFailedToValidate")
}

// options has the consents of the members.
func (s *suite) options(ctx context.Context, t *testing.T) {
	mine, theirs := s.founder.Contract(s.contract), s.newcomer.Contract(s.contract)
	status := func(k *governance.ContractClient, o governance.RuntimeOption, enabled bool, reason string) *governance.OptionStatus {
		t.Helper()
		v, err := k.Option(ctx, o)
		check(t, err)
		if v.Enabled != enabled || v.ReasonCode != reason {
			t.Errorf("%s: %+v, want %t %s", o, v, enabled, reason)
		}
		if !enabled {
			denies(t, v.Err(), "consent."+string(o))
		}
		return v
	}
	unknown := s.founder.Contract(s.name("unknown"))
	for _, o := range []governance.RuntimeOption{governance.Execution, governance.Logging, governance.Telemetry} {
		status(unknown, o, false, "ContractNotAccepted")
	}
	s.refuses(t, unknown.DisableExecution(ctx), "ContractNotAccepted")
	s.refuses(t, unknown.EnableExecution(ctx), "ContractNotAccepted")
	_, err := mine.Option(ctx, "printing")
	s.refuses(t, err, "InvalidOption")

	// Each member's word is its own.
	status(mine, governance.Execution, true, "")
	check(t, theirs.DisableExecution(ctx))
	v := status(mine, governance.Execution, false, "ContractDisabled")
	if !strings.Contains(v.Reason, s.newcomer.Member().ID()) || strings.Contains(v.Reason, s.founder.Member().ID()) {
		t.Errorf("reason %q", v.Reason)
	}
	check(t, mine.EnableExecution(ctx))
	status(mine, governance.Execution, false, "ContractDisabled")
	check(t, theirs.EnableExecution(ctx))
	status(theirs, governance.Execution, true, "")

	// Telemetry was accepted with the proposals. To take it back needs no vote.
	status(mine, governance.Telemetry, true, "")
	p := propose(ctx, t, s.newcomer, governance.DisableTelemetry(s.contract))
	equal(t, "state of a proposal that takes back", p.State, governance.ProposalAccepted)
	status(mine, governance.Telemetry, false, "")
	status(mine, governance.Logging, false, "")
	p, err = mine.ProposeLogging(ctx)
	check(t, err)
	if v := status(theirs, governance.Logging, false, ""); !slices.Equal(v.ProposalIDs, []string{p.ID}) {
		t.Errorf("open proposals of logging: %q", v.ProposalIDs)
	}
	accept(ctx, t, p, s.both()...)
	if v := status(theirs, governance.Logging, true, ""); len(v.ProposalIDs) != 0 {
		t.Errorf("open proposals of logging: %q", v.ProposalIDs)
	}
}
