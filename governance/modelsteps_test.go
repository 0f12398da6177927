package governance_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/governance"
)

// Size of the world of a history.
const (
	modelFounders = 2
	modelMembers  = 4
)

var (
	modelContracts = []string{"k1", "k2"}
	modelOptions   = []governance.RuntimeOption{governance.Execution, governance.Logging, governance.Telemetry}
)

// modelUpdate is a change of a policy, with values in JSON.
type modelUpdate struct {
	remove bool
	claims map[string][]string
}

// Host data of the two container policies, and the evidence of the rooms: two
// that are as the parties want them, and one with the first one's host data
// that can be debugged.
var (
	hostDataA, hostDataB = hostDataOf("a"), hostDataOf("b")
	modelHosts           = []string{"a", "b", "debuggable a"}
)

// claimsOf is the evidence of a host as far as the policies here name it.
func claimsOf(host int) map[string]string {
	return map[string]string{
		governance.ClaimHostData:    []string{`"` + hostDataA + `"`, `"` + hostDataB + `"`, `"` + hostDataA + `"`}[host],
		governance.ClaimDebuggable:  []string{"false", "false", "true"}[host],
		governance.ClaimMeasurement: "never wanted",
	}
}

var modelUpdates = []modelUpdate{
	{false, map[string][]string{governance.ClaimHostData: {`"` + hostDataA + `"`}, governance.ClaimDebuggable: {"false"}}},
	{false, map[string][]string{governance.ClaimHostData: {`"` + hostDataB + `"`}}},
	{false, map[string][]string{governance.ClaimHostData: {`"` + hostDataA + `"`, `"` + hostDataB + `"`}}},
	{false, map[string][]string{governance.ClaimHostData: {`"` + strings.ToUpper(hostDataA) + `"`}}},
	{false, map[string][]string{governance.ClaimDebuggable: {"true"}}},
	{false, map[string][]string{governance.ClaimDebuggable: {"false"}}},
	{false, map[string][]string{governance.ClaimDebuggable: {`"false"`}}},
	{false, map[string][]string{governance.ClaimMeasurement: {`"00"`}}},
	{true, map[string][]string{governance.ClaimHostData: {`"` + hostDataA + `"`}}},
	{true, map[string][]string{governance.ClaimHostData: {`"` + hostDataB + `"`}}},
	{true, map[string][]string{governance.ClaimDebuggable: {"false"}}},
	{true, map[string][]string{governance.ClaimDebuggable: {`"false"`}}},
	{true, map[string][]string{governance.ClaimMeasurement: {`"00"`}}},
}

// step is one call of a history, in numbers alone: what they name depends on
// the state, so that a history without some of its steps is a history as well.
type step struct {
	kind                   string
	actor, n, target, more int
}

// stepKinds has the kinds with their weights.
var stepKinds = []struct {
	kind   string
	weight int
}{
	{"create", 4}, {"update", 3}, {"propose contract", 6}, {"propose text", 1}, {"propose mixture", 1},
	{"propose policy", 7}, {"propose option", 4}, {"set member", 3}, {"member data", 2}, {"remove member", 2}, {"activate", 4},
	{"vote", 38}, {"withdraw", 3}, {"consent", 4}, {"put secret", 4},
	{"read secret", 6}, {"ask consent", 4}, {"get token", 2}, {"read option", 2}, {"show", 2},
}

func randomStep(r *rand.Rand) step {
	total := 0
	for _, k := range stepKinds {
		total += k.weight
	}
	at, kind := r.IntN(total), ""
	for _, k := range stepKinds {
		if kind = k.kind; at < k.weight {
			break
		}
		at -= k.weight
	}
	// Most of the time the founders act, on the newest proposal.
	s := step{kind, r.IntN(modelMembers), r.IntN(64), r.IntN(8), r.IntN(64)}
	if r.IntN(4) > 0 {
		s.actor = r.IntN(modelFounders)
	}
	if r.IntN(2) > 0 {
		s.target = 0
	}
	return s
}

// concrete is a step with the names that it has in a state.
type concrete struct {
	step
	contract string
	proposal int
	actions  []modelAction
	version  int // 0 is none that ever was
	text     string
	yes      bool
	option   governance.RuntimeOption
	host     int
	secret   string // id
	member   int
}

func (c concrete) String() string {
	s := fmt.Sprintf("member %d: %s", c.actor, c.kind)
	switch c.kind {
	case "vote":
		s += fmt.Sprintf(" on proposal %d: %t", c.proposal, c.yes)
	case "withdraw", "show":
		s += fmt.Sprintf(" proposal %d", c.proposal)
	case "create", "update":
		s += fmt.Sprintf(" %s, version %d", c.contract, c.version)
	case "consent":
		s += fmt.Sprintf(" to %s: %t", c.contract, c.yes)
	case "activate":
	case "put secret", "read option":
		s += " of " + c.contract + " " + string(c.option)
	case "read secret", "ask consent", "get token":
		s = fmt.Sprintf("room on %s: %s of %s %s%s", modelHosts[c.host], c.kind, c.contract, c.secret, c.option)
	default:
		for _, a := range c.actions {
			s += fmt.Sprintf(" %+v", a)
		}
	}
	return s
}

// plan gives the step its names. False means that the specification does not
// say what would happen, or that there is nothing to act on.
func (m *model) plan(s step) (concrete, bool) {
	c := concrete{step: s, contract: modelContracts[s.n%2], host: s.n / 2 % 3, option: "", member: s.more % modelMembers, yes: s.more%8 > 0}
	action := func(kind string, a modelAction) {
		a.kind = kind
		c.actions = append(c.actions, a)
	}
	draft, drafted := m.drafts[c.contract]
	switch s.kind {
	case "create":
		c.text = fmt.Sprintf("text %d", m.writes+1)
	case "update":
		c.text = fmt.Sprintf("text %d", m.writes+1)
		if c.version = draft.version; s.more%3 == 0 || !drafted {
			c.version = 0
		}
	case "propose contract":
		if c.version = draft.version; s.more%5 == 0 {
			c.version = 0
		}
	case "propose text":
		action("set_contract", modelAction{contract: c.contract, text: "text of nobody"})
	case "propose mixture":
		action("set_contract", modelAction{contract: c.contract, text: "text of nobody"})
		if s.more%2 == 0 {
			action("set_contract_runtime_options_enable_logging", modelAction{contract: modelContracts[s.more/2%2]})
		} else {
			action("set_contract", modelAction{contract: c.contract, text: "text of nobody"})
		}
	case "propose policy":
		u := s.more % len(modelUpdates)
		if s.target == 0 {
			u = 0
		}
		action("set_clean_room_policy", modelAction{contract: c.contract, update: u})
	case "propose option":
		kind := []string{"enable_logging", "disable_logging", "enable_telemetry", "disable_telemetry"}[s.more%4]
		action("set_contract_runtime_options_"+kind, modelAction{contract: c.contract})
	case "set member":
		action("set_member", modelAction{member: c.member, operator: s.n%4 == 0})
	case "member data":
		action("set_member_data", modelAction{member: c.member, operator: s.n%2 == 0})
	case "remove member":
		action("remove_member", modelAction{member: c.member})
	case "vote", "withdraw", "show":
		if len(m.proposals) == 0 {
			return c, false
		}
		c.proposal = max(len(m.proposals)-1-s.target, 0)
		if s.target == 0 && s.kind == "vote" {
			m.towardsDecision(&c)
		}
		// What the constitution does with a proposal whose proposer was removed
		// is not specified.
		_, known := m.members[m.proposals[c.proposal].proposer]
		if s.kind == "vote" && !known && m.proposals[c.proposal].state == modelOpen {
			return c, false
		}
	case "consent":
		c.yes = s.more%2 == 0
	case "ask consent", "read option":
		c.option = modelOptions[s.more%3]
	case "read secret":
		if ids := slices.Sorted(maps.Keys(m.secrets)); len(ids) > 0 && s.more%4 > 0 {
			_, c.secret, _ = strings.Cut(ids[s.more%len(ids)], " ")
		} else {
			c.secret = "unknown"
		}
	}
	return c, true
}

// towardsDecision turns half of the votes into ones that are missing: by chance
// alone, most histories would decide little.
func (m *model) towardsDecision(c *concrete) {
	for i, p := range m.proposals {
		if p.state != modelOpen {
			continue
		}
		c.proposal = i
		for id := range modelMembers {
			if _, voted := p.ballots[id]; !voted && m.members[id].active && c.more%4 > 0 {
				c.actor = id
			}
		}
	}
}

// expect does the step in the model and says what should come of it.
func (m *model) expect(c concrete) string {
	member, present := m.members[c.actor]
	_, accepted := m.accepted[c.contract]
	switch c.kind {
	case "create", "update":
		return m.write(c, present, accepted)
	case "propose contract":
		return m.proposeDraft(c, present, accepted)
	case "vote":
		return m.vote(c.actor, c.proposal, c.yes)
	case "withdraw":
		return m.withdraw(c.actor, c.proposal)
	case "activate":
		if !present {
			return notAllowed
		}
		member.active = true
		m.members[c.actor] = member
		return "ok"
	case "consent":
		switch {
		case !present:
			return notAllowed
		case !accepted:
			return "ContractNotAccepted"
		}
		if c.yes && m.bug == "consent of one for another" {
			clear(m.refusals)
		}
		m.refusals[fmt.Sprintf("%s %d", c.contract, c.actor)] = !c.yes
		return "ok"
	case "put secret":
		if !present {
			return "AttestationMissing"
		}
		m.writes++
		id := modelSecretID(c.actor, c.more)
		m.secrets[c.contract+" "+id] = fmt.Sprintf("value %d", m.writes)
		return "ok " + id
	case "read secret":
		value, known := m.secrets[c.contract+" "+c.secret]
		return m.roomAnswer(c, func() string {
			switch {
			case m.bug == "secrets need consent" && m.status(c.contract, governance.Execution, false) != "enabled":
				return "ContractDisabled"
			case !known:
				return "SecretNotFound"
			}
			return "ok " + value
		})
	case "ask consent":
		return m.roomAnswer(c, func() string { return "ok " + m.status(c.contract, c.option, true) })
	case "get token":
		return m.roomAnswer(c, func() string {
			if !m.issuer {
				return "SigningKeyNotAvailable"
			}
			return "ok token"
		})
	case "read option":
		if !present {
			return cannotDo // a stranger counts as a room, whose body is read
		}
		return "ok " + m.status(c.contract, c.option, true)
	case "show":
		p := m.proposals[c.proposal]
		if p.hidden {
			return "ProposalNotFound"
		}
		return fmt.Sprintf("ok %s %d", p.state, len(p.ballots))
	}
	return m.propose(c.actor, c.actions...)
}

func modelSecretID(member, name int) string {
	return fmt.Sprintf("%d_s%d", member, name%2)
}

// write is the creation or the change of a draft.
func (m *model) write(c concrete, present, accepted bool) string {
	draft, drafted := m.drafts[c.contract]
	switch {
	case !present:
		return notAllowed
	case accepted:
		return "ContractAlreadyAccepted"
	case drafted && c.kind == "create":
		return "ContractAlreadyExists"
	case drafted && draft.version != c.version:
		return "modified PreconditionFailed"
	}
	m.writes++
	m.drafts[c.contract] = modelDraft{c.text, m.writes}
	return "ok"
}

// contractState is where the service looks first: accepted, proposed, draft.
func (m *model) contractState(contract string) (state, text string, proposal, version int) {
	if text, ok := m.accepted[contract]; ok {
		return governance.ContractAccepted, text, 0, 0
	}
	for i, p := range m.proposals {
		for _, a := range p.actions {
			if p.state == modelOpen && a.kind == "set_contract" && a.contract == contract {
				return governance.ContractProposed, a.text, i, a.version
			}
		}
	}
	if d, ok := m.drafts[contract]; ok {
		return governance.ContractDraft, d.text, 0, d.version
	}
	return "", "", 0, 0
}

// proposeDraft compares state and version before it proposes.
func (m *model) proposeDraft(c concrete, present, accepted bool) string {
	state, text, _, version := m.contractState(c.contract)
	switch {
	case !present:
		return notAllowed
	case state == "":
		return "ContractNotFound"
	case state != governance.ContractDraft:
		return "denied contract.state"
	case version != c.version:
		return "modified"
	}
	return m.propose(c.actor, modelAction{kind: "set_contract", contract: c.contract, text: text, version: version})
}

// status of an option, with the reason or the number of open proposals.
func (m *model) status(contract string, o governance.RuntimeOption, details bool) string {
	if _, ok := m.accepted[contract]; !ok {
		return "disabled ContractNotAccepted"
	}
	if o == governance.Execution {
		for i := range modelMembers {
			if m.refusals[fmt.Sprintf("%s %d", contract, i)] {
				return "disabled ContractDisabled"
			}
		}
		return "enabled"
	}
	s := map[bool]string{true: "enabled", false: "disabled"}[m.options[string(o)+" "+contract]]
	open := 0
	for _, p := range m.proposals {
		if p.state == modelOpen && slices.ContainsFunc(p.actions, func(a modelAction) bool {
			return a.contract == contract && a.kind == "set_contract_runtime_options_enable_"+string(o)
		}) {
			open++
		}
	}
	if details {
		s += fmt.Sprintf(" %d", open)
	}
	return s
}

// roomAnswer lets in the rooms that the accepted policy describes.
func (m *model) roomAnswer(c concrete, answer func() string) string {
	policy := m.policies[c.contract]
	if len(policy) == 0 {
		return hasNoPolicy
	}
	evidence := claimsOf(c.host)
	for claim, values := range policy {
		if !slices.Contains(values, evidence[claim]) {
			return doesNotFit
		}
	}
	return answer()
}
