package ccf

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/cose"
)

func contractArgs(id string) map[string]any {
	return map[string]any{"contractId": id, "contract": map[string]any{"data": "terms of " + id}}
}

func TestOptions(t *testing.T) {
	p := newParty(t, "a")
	accept := func(_, _, _ []byte) error { return nil }
	for name, o := range map[string]Options{
		"no verifier":    {Genesis: []Member{{CertificatePEM: []byte(p.pem())}}},
		"no member":      {VerifyReport: accept},
		"no certificate": {VerifyReport: accept, Genesis: []Member{{}}},
		"bad data":       {VerifyReport: accept, Genesis: []Member{{CertificatePEM: []byte(p.pem()), Data: map[string]any{"x": func() {}}}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestApplicationClosedUntilOpened(t *testing.T) {
	a := newParty(t, "a")
	n := newClosedNetwork(t, a)
	n.want(n.app(http.MethodGet, "contracts", a, nil), http.StatusNotFound, "FrontendNotOpen")
	n.want(n.do(http.MethodGet, "/node/ready/app", nil, "", nil), http.StatusServiceUnavailable, "")
	n.want(n.do(http.MethodGet, "/node/ready/gov", nil, "", nil), http.StatusNoContent, "")
	n.activate(a)
	other := newParty(t, "other")
	p := n.propose(a, "transition_service_to_open", map[string]any{"next_service_identity": other.pem()})
	n.want(n.vote(a, p.ProposalID, true), http.StatusInternalServerError, "InternalError")
	n.accept([]*party{a}, "transition_service_to_open", map[string]any{"next_service_identity": string(n.ServiceCertificate())})
	n.want(n.app(http.MethodGet, "contracts", a, nil), http.StatusOK, "")
	n.want(n.do(http.MethodGet, "/node/ready/app", nil, "", nil), http.StatusNoContent, "")
}

func TestVetoAndUnanimity(t *testing.T) {
	a, b, c := newParty(t, "a"), newParty(t, "b"), newParty(t, "c")
	n := newNetwork(t, a, b, c)
	p := n.propose(a, "set_contract", contractArgs("x"))
	n.wantState(n.vote(a, p.ProposalID, true), stateOpen)
	n.wantState(n.vote(b, p.ProposalID, true), stateOpen)
	n.wantState(n.vote(c, p.ProposalID, false), stateRejected)
	n.want(n.vote(a, p.ProposalID, true), http.StatusBadRequest, "ProposalNotOpen")

	// A no on an action outside the veto list rejects nothing.
	p = n.propose(a, "set_recovery_threshold", map[string]any{"recovery_threshold": 1})
	for _, m := range []*party{a, b} {
		n.wantState(n.vote(m, p.ProposalID, true), stateOpen)
	}
	n.wantState(n.vote(c, p.ProposalID, false), stateOpen)
	n.wantState(n.withdrawal(a, p.ProposalID), stateWithdrawn)
	n.want(n.vote(a, p.ProposalID, true), http.StatusBadRequest, "ProposalNotOpen")
}

func TestOperatorsDoNotCount(t *testing.T) {
	a, o := newParty(t, "a"), newParty(t, "operator")
	n := newNetwork(t, a)
	n.accept([]*party{a}, "set_member", map[string]any{"cert": o.pem(), "member_data": map[string]any{"isOperator": true}})
	n.activate(o)
	// Alone it opens the service again, and nothing else.
	p := n.propose(o, "transition_service_to_open", map[string]any{"next_service_identity": string(n.ServiceCertificate())})
	n.wantState(p, stateAccepted)
	p = n.propose(o, "set_contract", contractArgs("x"))
	n.wantState(p, stateOpen)
	n.wantState(n.vote(o, p.ProposalID, true), stateOpen)
	n.wantState(n.vote(a, p.ProposalID, true), stateAccepted)
}

func TestPendingMember(t *testing.T) {
	a, b := newParty(t, "a"), newParty(t, "b")
	n := newNetwork(t, a)
	n.accept([]*party{a}, "set_member", map[string]any{"cert": b.pem(), "member_data": map[string]any{"identifier": "b"}})
	p := n.propose(a, "set_contract", contractArgs("x"))
	n.wantState(n.vote(a, p.ProposalID, true), stateOpen)
	inactive := n.vote(b, p.ProposalID, true)
	n.want(inactive, http.StatusUnauthorized, "InvalidAuthenticationInfo")
	if got := inactive.Error.Details[0].Message; got != "Signer is not an ACTIVE member" {
		t.Errorf("reason %q", got)
	}
	n.want(n.propose(b, "set_contract", contractArgs("y")), http.StatusUnauthorized, "InvalidAuthenticationInfo")
	n.activate(b)
	n.wantState(n.vote(b, p.ProposalID, true), stateAccepted)

	// A member that is set again must acknowledge again.
	n.accept([]*party{a, b}, "set_member", map[string]any{"cert": b.pem(), "member_data": map[string]any{}})
	n.want(n.propose(b, "set_contract", contractArgs("y")), http.StatusUnauthorized, "InvalidAuthenticationInfo")
}

func TestReplayWindow(t *testing.T) {
	a := newParty(t, "a")
	n := newNetwork(t, a)
	payload := actionsJSON(t, "set_recovery_threshold", map[string]any{"recovery_threshold": 1})
	m := n.signed(a, cose.Header{Type: cose.TypeProposal}, payload)
	first := n.gov("proposals:create", m)
	n.want(first, http.StatusOK, "")
	again := n.gov("proposals:create", m)
	n.want(again, http.StatusBadRequest, "ProposalReplay")
	if !strings.HasSuffix(again.Error.Message, first.ProposalID) {
		t.Errorf("message %q does not end with the earlier id", again.Error.Message)
	}
	old := n.signed(a, cose.Header{Type: cose.TypeProposal, CreatedAt: 1}, payload)
	n.want(n.gov("proposals:create", old), http.StatusBadRequest, "ProposalCreatedTooLongAgo")
	future := n.signed(a, cose.Header{Type: cose.TypeProposal, CreatedAt: cose.MaxCreatedAt + 1}, payload)
	n.want(n.gov("proposals:create", future), http.StatusBadRequest, "InvalidCreatedAt")
	// The window forgets: after as many proposals the message is merely old.
	for range replayWindow {
		n.want(n.gov("proposals:create", n.signed(a, cose.Header{Type: cose.TypeProposal}, payload)), http.StatusOK, "")
	}
	n.want(n.gov("proposals:create", m), http.StatusBadRequest, "ProposalCreatedTooLongAgo")
}

func TestProposalsRefusedOrSettledAtOnce(t *testing.T) {
	a, b := newParty(t, "a"), newParty(t, "b")
	n := newNetwork(t, a, b)
	n.acceptContract([]*party{a, b}, "c1")
	state := func(want string, nameAndArgs ...any) {
		t.Helper()
		p := n.propose(a, nameAndArgs...)
		n.want(p, http.StatusOK, "")
		n.wantState(p, want)
	}
	state(stateAccepted) // no action at all
	state(stateRejected, "set_contract", contractArgs("c1"))
	state(stateRejected, "set_contract", contractArgs("c2"), "set_contract", contractArgs("c2"))
	state(stateRejected, "set_contract", contractArgs("c2"), "set_recovery_threshold", map[string]any{"recovery_threshold": 1})
	state(stateAccepted, "set_contract_runtime_options_disable_logging", map[string]any{"contractId": "c1"})
	state(stateOpen, "set_contract_runtime_options_enable_logging", map[string]any{"contractId": "c1"})
	n.want(n.propose(a, "no_such_action", nil), http.StatusBadRequest, "ProposalFailedToValidate")
	n.want(n.propose(a, "set_member", nil), http.StatusBadRequest, "ProposalFailedToValidate")
	n.want(n.propose(a, "remove_member", map[string]any{"member_id": b.id()}), http.StatusInternalServerError, "InternalError")
}

func TestApplyFailureLeavesNoTrace(t *testing.T) {
	a := newParty(t, "a")
	n := newNetwork(t, a)
	p := n.propose(a, "set_member_data", map[string]any{"member_id": strings.Repeat("ab", 32), "member_data": map[string]any{}})
	before := n.store.seqno
	n.want(n.vote(a, p.ProposalID, true), http.StatusInternalServerError, "InternalError")
	if got := n.store.seqno; got != before+1 { // the signature over the proposal
		t.Errorf("transaction %d after a failure, want %d", got, before+1)
	}
	path := "/gov/members/proposals/" + p.ProposalID + "/ballots/" + a.id() + "?api-version=2024-07-01"
	n.want(n.do(http.MethodGet, path, nil, "", nil), http.StatusNotFound, "VoteNotFound")
}

func TestConstitutionDropsOthers(t *testing.T) {
	a := newParty(t, "a")
	n := newNetwork(t, a)
	p := n.propose(a, "set_recovery_threshold", map[string]any{"recovery_threshold": 1})
	n.accept([]*party{a}, "set_constitution", map[string]any{"constitution": "// new"})
	n.want(n.vote(a, p.ProposalID, true), http.StatusBadRequest, "ProposalNotOpen")
	got := n.do(http.MethodGet, "/gov/service/constitution?api-version=2024-07-01", nil, "", nil)
	if string(got.raw) != "// new" {
		t.Errorf("constitution %q", got.raw)
	}
}

func TestBallots(t *testing.T) {
	a, b := newParty(t, "a"), newParty(t, "b")
	n := newNetwork(t, a, b)
	p := n.propose(a, "set_contract", contractArgs("x"))
	clever := n.ballot(a, p.ProposalID, "export function vote (p, id) { return p.length > 3 }")
	n.want(clever, http.StatusBadRequest, "InvalidInput")
	if !strings.Contains(clever.Error.Message, "no script engine") {
		t.Errorf("message %q does not say why", clever.Error.Message)
	}
	n.wantState(n.ballot(a, p.ProposalID, "\n"+ballotYes+"\n"), stateOpen)
	n.want(n.ballot(a, p.ProposalID, ballotYes), http.StatusBadRequest, "VoteAlreadyExists")

	// One member cannot vote in the name of another, nor carry a ballot over.
	ballot := `{"ballot":"` + ballotYes + `"}`
	h := cose.Header{Type: cose.TypeBallot, ProposalID: p.ProposalID}
	path := "proposals/" + p.ProposalID + "/ballots/" + b.id() + ":submit"
	n.want(n.gov(path, n.signed(a, h, ballot)), http.StatusBadRequest, "InvalidResourceName")
	h.KeyID = b.id()
	n.want(n.gov(path, n.signed(a, h, ballot)), http.StatusUnauthorized, "InvalidAuthenticationInfo")
	n.want(n.gov(path, n.signed(b, cose.Header{Type: cose.TypeBallot}, ballot)), http.StatusBadRequest, "InvalidResourceName")
	n.want(n.gov(path, n.signed(b, cose.Header{Type: cose.TypeBallot, ProposalID: p.ProposalID}, `{"ballot":1}`)), http.StatusBadRequest, "InvalidInput")
	n.want(n.gov("proposals/xyz/ballots/"+b.id()+":submit", n.signed(b, cose.Header{Type: cose.TypeBallot, ProposalID: "xyz"}, ballot)), http.StatusBadRequest, "InvalidResourceName")
	unknown := strings.Repeat("cd", 32)
	n.want(n.vote(b, unknown, true), http.StatusNotFound, "ProposalNotFound")
}

func TestAcknowledgement(t *testing.T) {
	a, b := newParty(t, "a"), newParty(t, "b")
	n := newClosedNetwork(t, a, b)
	ack := func(p, path *party, payload string) answer {
		return n.gov("state-digests/"+path.id()+":ack", n.signed(p, cose.Header{Type: cose.TypeAck}, payload))
	}
	n.want(ack(a, b, "{}"), http.StatusBadRequest, "InvalidAuthenticationInfo")
	n.want(ack(a, a, "{}"), http.StatusBadRequest, "InvalidInput")
	n.want(ack(a, a, `{"stateDigest":"00"}`), http.StatusBadRequest, "StateDigestMismatch")
	n.activate(a)
	n.activate(a) // again is fine
}
