package governance_test

import (
	"context"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
)

var quickCurve = elliptic.P256()

// rawClaims are lists of JSON values; one alone is sent without a list.
func rawClaims(claims map[string][]string) map[string]any {
	m := map[string]any{}
	for claim, values := range claims {
		if m[claim] = json.RawMessage("[" + strings.Join(values, ",") + "]"); len(values) == 1 {
			m[claim] = json.RawMessage(values[0])
		}
	}
	return m
}

// run does the step with the real client. m is the model after the step.
func (n *modelNetwork) run(ctx context.Context, c concrete, m *model) string {
	client := n.clients[c.actor]
	contract := client.Contract(c.contract)
	room := n.rooms[roomName(c.host, c.contract)]
	proposed := func(p *governance.Proposal, err error) string {
		if p == nil {
			return outcome(err, "")
		}
		if len(n.proposals) < len(m.proposals) { // made by this step
			n.proposals = append(n.proposals, p.ID)
		}
		return outcome(err, fmt.Sprintf("ok %s %d", p.State, p.BallotCount))
	}
	written := func(version string, err error) string {
		if err == nil {
			n.versions[m.writes] = version
		}
		return outcome(err, "ok")
	}
	switch c.kind {
	case "create":
		return written(contract.Create(ctx, c.text))
	case "update":
		return written(contract.Update(ctx, c.text, n.version(c.version)))
	case "propose contract":
		return proposed(contract.Propose(ctx, n.version(c.version)))
	case "vote":
		return proposed(client.Proposal(n.proposals[c.proposal]).Vote(ctx, c.yes))
	case "withdraw":
		return proposed(client.Proposal(n.proposals[c.proposal]).Withdraw(ctx))
	case "activate":
		return outcome(client.Activate(ctx), "ok")
	case "consent":
		if c.yes {
			return outcome(contract.EnableExecution(ctx), "ok")
		}
		return outcome(contract.DisableExecution(ctx), "ok")
	case "put secret":
		name := modelSecretID(0, c.more)[2:]
		id, err := contract.PutSecret(ctx, name, fmt.Sprintf("value %d", m.writes))
		return outcome(err, "ok "+n.secretID(id))
	case "read secret":
		value, err := room.Secret(ctx, n.secretID(c.secret))
		return outcome(err, "ok "+string(value))
	case "get token":
		token, err := room.Token(ctx, governance.TokenRequest{TenantID: "tenant"})
		if err == nil && token == "" {
			return "no token"
		}
		return outcome(err, "ok token")
	case "ask consent":
		return optionOutcome(room.Consent(ctx, c.option))
	case "read option":
		return optionOutcome(contract.Option(ctx, c.option))
	case "show":
		p, err := client.Proposal(n.proposals[c.proposal]).Show(ctx)
		if err != nil {
			return outcome(err, "")
		}
		return fmt.Sprintf("ok %s %d", p.State, p.BallotCount)
	}
	return proposed(client.Propose(ctx, n.actions(c.actions)...))
}

func optionOutcome(s *governance.OptionStatus, err error) string {
	if err != nil {
		return outcome(err, "")
	}
	text := map[bool]string{true: "ok enabled", false: "ok disabled"}[s.Enabled]
	switch {
	case s.ReasonCode != "":
		text += " " + s.ReasonCode
	case s.Option != governance.Execution:
		text += fmt.Sprintf(" %d", len(s.ProposalIDs))
	}
	return text
}

// released tells whether an answer gives a room something.
func released(c concrete, got string) bool {
	switch c.kind {
	case "read secret", "get token":
		return strings.HasPrefix(got, "ok")
	case "ask consent":
		return strings.HasPrefix(got, "ok enabled")
	}
	return false
}

// mayRelease is the invariant, asked of the service itself and not of the
// model: the contract is accepted, a policy is, and the room's evidence has
// every claim of it. For the consent to execution also no member is against it.
func (n *modelNetwork) mayRelease(ctx context.Context, c concrete, m *model) error {
	for i := range m.members {
		contract := n.clients[i].Contract(c.contract)
		v, err := contract.Get(ctx)
		if err != nil {
			return err
		}
		policy, err := contract.CleanRoomPolicy(ctx)
		if err != nil {
			return err
		}
		if v.State != governance.ContractAccepted || len(policy.Claims) == 0 {
			return fmt.Errorf("released for a contract that is %s with %d claims", v.State, len(policy.Claims))
		}
		evidence := claimsOf(c.host)
		for claim, values := range policy.Claims {
			if !slices.ContainsFunc(values, func(v any) bool { return jsonOf(v) == evidence[claim] }) {
				return fmt.Errorf("released against claim %s", claim)
			}
		}
		for i := range modelMembers {
			if c.kind == "ask consent" && c.option == governance.Execution && m.refusals[fmt.Sprintf("%s %d", c.contract, i)] {
				return fmt.Errorf("consent given against member %d", i)
			}
		}
		return nil
	}
	return nil // nobody is left who could read
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// compare looks at all that the service shows, at the end of a history.
func (n *modelNetwork) compare(ctx context.Context, m *model) error {
	var problems []string
	same := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			problems = append(problems, fmt.Sprintf("%s: %v, the model has %v", what, got, want))
		}
	}
	if err := n.compareGovernance(ctx, m, same); err != nil {
		return err
	}
	for i := range m.members {
		if err := n.compareContracts(ctx, n.clients[i], m, same); err != nil {
			return err
		}
		break
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s", strings.Join(problems, "\n"))
	}
	return nil
}

func (n *modelNetwork) compareGovernance(ctx context.Context, m *model, same func(string, any, any)) error {
	members, err := n.clients[0].Members(ctx)
	if err != nil {
		return err
	}
	got := map[int]modelMember{}
	for _, info := range members {
		i := slices.IndexFunc(n.members, func(m *governance.Member) bool { return m.ID() == info.ID })
		got[i] = modelMember{active: info.Status == governance.MemberActive, operator: info.Data.IsOperator}
	}
	same("members", got, m.members)
	proposals, err := n.clients[0].Proposals(ctx)
	if err != nil {
		return err
	}
	states, want := map[string]string{}, map[string]string{}
	for _, p := range proposals {
		states[p.ID] = fmt.Sprintf("%s %d", p.State, p.BallotCount)
	}
	for i, p := range m.proposals {
		if !p.hidden {
			want[n.proposals[i]] = fmt.Sprintf("%s %d", p.state, len(p.ballots))
		}
	}
	// The one that set the network up stays until another one is decided.
	if len(states) == len(want)+1 {
		for id, state := range states {
			if _, known := want[id]; !known && state == fmt.Sprintf("%s %d", governance.ProposalAccepted, modelFounders) {
				want[id] = state
			}
		}
	}
	same("proposals", states, want)
	return nil
}

func (n *modelNetwork) compareContracts(ctx context.Context, client *governance.Client, m *model, same func(string, any, any)) error {
	for _, id := range modelContracts {
		contract := client.Contract(id)
		state, text, proposal, _ := m.contractState(id)
		v, err := contract.Get(ctx)
		switch {
		case state == "":
			same(id, outcome(err, "is there"), "ContractNotFound")
		case err != nil:
			return err
		default:
			same(id, v.State+" "+v.Data, state+" "+text)
			if state == governance.ContractProposed {
				same("proposal of "+id, v.ProposalID, n.proposals[proposal])
			}
		}
		policy, err := contract.CleanRoomPolicy(ctx)
		if err != nil {
			return err
		}
		claims, want := map[string][]string{}, map[string][]string{}
		for claim, values := range policy.Claims {
			for _, v := range values {
				claims[claim] = append(claims[claim], jsonOf(v))
			}
		}
		maps.Copy(want, m.policies[id])
		same("policy of "+id, claims, want)
		for _, o := range modelOptions {
			same(string(o)+" of "+id, optionOutcome(contract.Option(ctx, o)), "ok "+m.status(id, o, true))
		}
		ids, err := contract.Secrets(ctx)
		if err != nil {
			return err
		}
		var secrets, wantSecrets []string
		for _, s := range ids {
			secrets = append(secrets, n.secretID(s))
		}
		for key := range m.secrets {
			if s, ok := strings.CutPrefix(key, id+" "); ok {
				wantSecrets = append(wantSecrets, s)
			}
		}
		slices.Sort(secrets)
		slices.Sort(wantSecrets)
		same("secrets of "+id, secrets, wantSecrets)
	}
	return nil
}
