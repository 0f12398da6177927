package governance_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// model is a second, small governance service: what the specification of the
// protocol says, written down without a look at the emulator. It has no
// signatures, no transport and no evidence but the claims.
type model struct {
	members map[int]modelMember
	// proposals are all that were made; those that the service forgot are
	// hidden.
	proposals []modelProposal
	drafts    map[string]modelDraft
	accepted  map[string]string // contract to text
	policies  map[string]modelPolicy
	options   map[string]bool // "logging k1" and so on
	refusals  map[string]bool // "k1 0": member 0 withdrew its consent to k1
	secrets   map[string]string
	issuer    bool // it has a key and a URL
	writes    int  // counts versions and texts, so that each is new

	// bug is a deliberate mistake; see TestModelNoticesMistakes.
	bug string
}

type modelMember struct{ active, operator bool }

type modelDraft struct {
	text    string
	version int
}

type modelProposal struct {
	proposer int
	actions  []modelAction
	state    string
	ballots  map[int]bool
	hidden   bool
}

type modelAction struct {
	kind     string // the action's name in the constitution
	contract string
	text     string
	version  int
	update   int // index in modelUpdates
	member   int
	operator bool
}

// modelPolicy has the values of a claim as JSON.
type modelPolicy map[string][]string

func newModel(founders int, issuer bool) *model {
	m := &model{
		members: map[int]modelMember{}, drafts: map[string]modelDraft{}, accepted: map[string]string{},
		policies: map[string]modelPolicy{}, options: map[string]bool{}, refusals: map[string]bool{}, secrets: map[string]string{}, issuer: issuer,
	}
	for i := range founders {
		m.members[i] = modelMember{active: true}
	}
	return m
}

func (m *model) clone() *model {
	c := *m
	c.members, c.drafts, c.accepted = maps.Clone(m.members), maps.Clone(m.drafts), maps.Clone(m.accepted)
	c.options, c.refusals, c.secrets = maps.Clone(m.options), maps.Clone(m.refusals), maps.Clone(m.secrets)
	c.policies = map[string]modelPolicy{}
	for k, p := range m.policies {
		c.policies[k] = modelPolicy{}
		for claim, values := range p {
			c.policies[k][claim] = slices.Clone(values)
		}
	}
	c.proposals = slices.Clone(m.proposals)
	for i, p := range c.proposals {
		c.proposals[i].ballots = maps.Clone(p.ballots)
	}
	return &c
}

// State of a proposal that is not open any more, or Open.
const (
	modelOpen     = "Open"
	modelAccepted = "Accepted"
	modelRejected = "Rejected"
	modelGone     = "Withdrawn"
)

// Refusals.
const (
	notAllowed    = "InvalidAuthenticationInfo"
	cannotDo      = "InternalError"
	doesNotFit    = "denied policy.match VerifySnpAttestationFailed"
	hasNoPolicy   = "denied policy.accepted VerifySnpAttestationFailed"
	rejectedFirst = "denied proposal.created"
)

// needsContract are the actions on what hangs below an accepted contract.
func needsContract(kind string) bool {
	return kind == "set_clean_room_policy" || strings.HasPrefix(kind, "set_contract_runtime_options_")
}

// vetoed by a single no.
func canBeVetoed(kind string) bool {
	return kind == "set_contract" || kind == "set_clean_room_policy" || strings.HasPrefix(kind, "set_contract_runtime_options_enable_")
}

// propose is the creation of a proposal.
func (m *model) propose(by int, actions ...modelAction) string {
	if !m.members[by].active {
		return notAllowed
	}
	for _, a := range actions {
		if _, ok := m.accepted[a.contract]; needsContract(a.kind) && !ok {
			return "ProposalFailedToValidate"
		}
	}
	before := m.clone()
	m.proposals = append(m.proposals, modelProposal{proposer: by, actions: actions, state: modelOpen, ballots: map[int]bool{}})
	if problem := m.settle(len(m.proposals) - 1); problem != "" {
		*m = *before
		return problem
	}
	p := m.proposals[len(m.proposals)-1]
	if p.state == modelRejected {
		return rejectedFirst
	}
	return fmt.Sprintf("ok %s %d", p.state, len(p.ballots))
}

// vote is a ballot.
func (m *model) vote(by, proposal int, yes bool) string {
	p := &m.proposals[proposal]
	earlier, voted := p.ballots[by]
	switch {
	case !m.members[by].active:
		return notAllowed
	case p.hidden:
		return "ProposalNotFound"
	case p.state != modelOpen:
		return "ProposalNotOpen"
	case voted && earlier != yes:
		return "VoteAlreadyExists"
	case voted:
		return fmt.Sprintf("ok %s %d", p.state, len(p.ballots))
	}
	before := m.clone()
	p.ballots[by] = yes
	if problem := m.settle(proposal); problem != "" {
		*m = *before
		return problem
	}
	return fmt.Sprintf("ok %s %d", p.state, len(p.ballots))
}

// withdraw is by the proposer alone. A proposal that the service forgot is
// looked up in its history.
func (m *model) withdraw(by, proposal int) string {
	p := &m.proposals[proposal]
	switch {
	case !m.members[by].active:
		return notAllowed
	case p.hidden && p.state == modelGone:
		return "ok Withdrawn 0"
	case p.hidden:
		return "denied proposal.state"
	case p.proposer != by:
		return "AuthorizationFailed"
	case p.state == modelOpen:
		p.state = modelGone
		m.forgetOthers(proposal)
	case p.state != modelGone:
		return "ProposalNotOpen"
	}
	return fmt.Sprintf("ok Withdrawn %d", len(p.ballots))
}

// forgetOthers leaves one decided proposal in sight.
func (m *model) forgetOthers(last int) {
	for i := range m.proposals {
		if i != last && m.proposals[i].state != modelOpen {
			m.proposals[i].hidden = true
		}
	}
}

// settle decides an open proposal and carries it out.
func (m *model) settle(i int) string {
	state, problem := m.decide(i)
	if problem != "" || state == modelOpen {
		return problem
	}
	m.proposals[i].state = state
	m.forgetOthers(i)
	if state == modelAccepted {
		for _, a := range m.proposals[i].actions {
			if !m.carryOut(a) {
				return cannotDo
			}
		}
	}
	return ""
}

// decide is the resolve rule.
func (m *model) decide(i int) (state, problem string) {
	p := m.proposals[i]
	alone, veto, contract, harmless := true, false, false, true
	for _, a := range p.actions {
		alone = alone && m.operatorsMay(a)
		veto = veto || canBeVetoed(a.kind)
		contract = contract || a.kind == "set_contract"
		harmless = harmless && strings.Contains(a.kind, "_disable_")
	}
	if alone && m.members[p.proposer].operator {
		return modelAccepted, ""
	}
	for _, yes := range p.ballots {
		if veto && !yes && m.bug != "no veto" {
			return modelRejected, ""
		}
	}
	if contract && !m.contractsCanBeSet(i) {
		return modelRejected, ""
	}
	if harmless {
		return modelAccepted, ""
	}
	needed, yes, pending := 0, 0, false
	for _, member := range m.members {
		switch {
		case member.operator && m.bug != "operators count":
		case member.active:
			needed++
		case m.bug != "newcomers do not hold up contracts":
			pending = true
		}
	}
	for id, vote := range p.ballots {
		member, ok := m.members[id]
		if !ok {
			return "", cannotDo // a ballot of somebody who is not there any more
		}
		// The yes of a member that became inactive since is counted, although
		// the member itself is not.
		if vote && (!member.operator || m.bug == "operators count") {
			yes++
		}
	}
	if yes == needed && !(contract && pending) {
		return modelAccepted, ""
	}
	return modelOpen, ""
}

func (m *model) operatorsMay(a modelAction) bool {
	switch a.kind {
	case "set_member":
		return a.operator
	case "remove_member":
		return m.members[a.member].operator
	}
	return false
}

// contractsCanBeSet: contracts alone, each once, none accepted, none in another
// open proposal.
func (m *model) contractsCanBeSet(i int) bool {
	taken := maps.Clone(m.accepted)
	for j, other := range m.proposals {
		for _, a := range other.actions {
			if j != i && other.state == modelOpen && a.kind == "set_contract" {
				taken[a.contract] = ""
			}
		}
	}
	for _, a := range m.proposals[i].actions {
		if _, ok := taken[a.contract]; ok || a.kind != "set_contract" {
			return false
		}
		taken[a.contract] = ""
	}
	return true
}

// carryOut does what an accepted action says; false if it cannot be done.
func (m *model) carryOut(a modelAction) bool {
	switch a.kind {
	case "set_contract":
		m.accepted[a.contract] = a.text
	case "set_clean_room_policy":
		return m.changePolicy(a.contract, modelUpdates[a.update])
	case "set_member":
		was := m.members[a.member]
		m.members[a.member] = modelMember{operator: a.operator, active: was.active && m.bug == "no demotion"}
	case "set_member_data":
		member, ok := m.members[a.member]
		if !ok {
			return false
		}
		member.operator = a.operator
		m.members[a.member] = member
	case "remove_member":
		delete(m.members, a.member)
	default:
		verb, option, _ := strings.Cut(strings.TrimPrefix(a.kind, "set_contract_runtime_options_"), "_")
		m.options[option+" "+a.contract] = verb == "enable"
	}
	return true
}

func isBoolean(v string) bool { return v == "true" || v == "false" }

func (m *model) changePolicy(contract string, u modelUpdate) bool {
	p := m.policies[contract]
	if p == nil {
		p = modelPolicy{}
		m.policies[contract] = p
	}
	for claim, values := range u.claims {
		old, present := p[claim]
		switch {
		case !u.remove && isBoolean(values[0]), !u.remove && m.bug == "additions replace":
			p[claim] = slices.Clone(values)
		case !u.remove:
			for _, v := range values {
				if !slices.Contains(p[claim], v) {
					p[claim] = append(p[claim], v)
				}
			}
		case !present:
			return false
		case isBoolean(values[0]):
			delete(p, claim)
		default:
			for _, v := range values {
				at := slices.Index(old, v)
				if at < 0 {
					return false
				}
				old = slices.Delete(old, at, at+1)
			}
			if p[claim] = old; len(old) == 0 {
				delete(p, claim)
			}
		}
	}
	return true
}
