package governance_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// TestTwoFounders opens a network with two members of the first hour: both
// have to vote from then on.
func TestTwoFounders(t *testing.T) {
	t.Parallel()
	l, c := startLedger(t, "consumer", "publisher")
	consumer, publisher := c[0], c[1]
	ctx := t.Context()

	info, err := consumer.ServiceInfo(ctx)
	l.check(err)
	if info.Status != "Opening" || string(info.CertificatePEM) != string(l.env.ServiceCertificate()) || info.CreationTransactionID == "" {
		t.Errorf("service info of a new network: %+v", info)
	}
	_, err = contractIDs(consumer.Contracts(ctx, nil))
	wantCode(t, err, "FrontendNotOpen")
	_, err = consumer.Propose(ctx, governance.OpenService(l.env.ServiceCertificate()))
	wantCode(t, err, "InvalidAuthenticationInfo") // nobody is active
	ending, cancel := context.WithCancel(ctx)
	watcher := l.client(consumer.Member(), beforeCall("/node/ready/app", 3, cancel))
	if err := watcher.WaitReady(ending); !errors.Is(err, context.Canceled) {
		t.Errorf("want the end of the context, got %v", err)
	}

	l.check(consumer.Activate(ctx))
	l.check(publisher.Activate(ctx))
	l.check(publisher.Activate(ctx)) // again does no harm
	p := l.propose(consumer, governance.OpenService(l.env.ServiceCertificate()))
	if p, err = consumer.Proposal(p.ID).Vote(ctx, true); err != nil || p.State != governance.ProposalOpen || p.BallotCount != 1 {
		t.Fatalf("after one of two votes: %+v, %v", p, err)
	}
	ready := make(chan error, 1)
	go func() { ready <- publisher.WaitReady(ctx) }()
	l.accept(p, publisher)
	l.check(<-ready)

	if info, err = publisher.ServiceInfo(ctx); err != nil || info.Status != "Open" {
		t.Errorf("service info: %+v, %v", info, err)
	}
	network, err := publisher.Network(ctx)
	l.check(err)
	if network.Status != "Open" || string(network.CertificatePEM) != string(l.env.ServiceCertificate()) || network.CurrentView != 2 || network.PrimaryID == "" {
		t.Errorf("network: %+v", network)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	ctx := t.Context()
	guestMember := newMember(t, "auditor")
	data := governance.MemberData{
		Identifier: "auditor", ContractOperator: true,
		Extra: map[string]json.RawMessage{"room": json.RawMessage(`"B 12"`), "cgsRoles": json.RawMessage(`{"later":"true"}`)},
	}
	c.accept(c.propose(c.consumer, governance.SetMember(guestMember.CertificatePEM(), data)), c.both()...)

	members, err := c.publisher.Members(ctx)
	c.check(err)
	byName := map[string]governance.MemberInfo{}
	for _, m := range members {
		byName[m.Name()] = m
	}
	if len(byName) != 3 {
		t.Fatalf("members: %+v", members)
	}
	publisher, auditor := byName["publisher"], byName["auditor"]
	if publisher.ID != c.publisher.Member().ID() || publisher.Status != governance.MemberActive || !publisher.Data.Votes() ||
		publisher.Data.TenantID != c.memberData("publisher").TenantID || string(publisher.CertificatePEM) != string(c.publisher.Member().CertificatePEM()) {
		t.Errorf("publisher: %+v", publisher)
	}
	if auditor.Status != governance.MemberAccepted || auditor.Data.Votes() || string(auditor.Data.Extra["room"]) != `"B 12"` || string(auditor.Data.Extra["cgsRoles"]) != `{"later":"true"}` {
		t.Errorf("auditor: %+v", auditor)
	}

	// Not active: reads, but cannot vote.
	a := c.client(guestMember, nil)
	_, err = contractIDs(a.Contracts(ctx, nil))
	c.check(err)
	_, err = a.Propose(ctx, governance.SetRecoveryThreshold(1))
	wantCode(t, err, "InvalidAuthenticationInfo")

	// Changed data: nothing is lost on the way there and back.
	auditor.Data.ContractOperator = false
	auditor.Data.CGSOperator = true
	c.accept(c.propose(c.consumer, governance.SetMemberData(auditor.ID, auditor.Data)), c.both()...)
	members, err = c.publisher.Members(ctx)
	c.check(err)
	for _, m := range members {
		if m.ID == auditor.ID && (!m.Data.CGSOperator || m.Data.ContractOperator || len(m.Data.Extra) != 2) {
			t.Errorf("changed data: %+v", m.Data)
		}
	}

	// Removed: the ledger does not know the certificate any more.
	c.accept(c.propose(c.consumer, governance.RemoveMember(auditor.ID, auditor.CertificatePEM)), c.both()...)
	_, err = contractIDs(a.Contracts(ctx, nil))
	se := wantCode(t, err, "InvalidAuthenticationInfo")
	if len(se.Details) == 0 {
		t.Error("the error does not say what was tried")
	}
}

// TestUnknownMember wants a clear answer on every surface, which each
// authenticate in their own way.
func TestUnknownMember(t *testing.T) {
	c, id := commonConsortium(t)
	c.acceptedContract(id, "data")
	stranger := c.client(newMember(t, "stranger"), nil)
	ctx := t.Context()
	k := stranger.Contract(id)

	_, err := k.Get(ctx)
	wantCode(t, err, "InvalidAuthenticationInfo")
	_, err = k.Create(ctx, "data")
	wantCode(t, err, "InvalidAuthenticationInfo")
	wantCode(t, stranger.Activate(ctx), "InvalidAuthenticationInfo")
	_, err = stranger.Propose(ctx, governance.EnableLogging(id))
	wantCode(t, err, "InvalidAuthenticationInfo")
	wantCode(t, k.DisableExecution(ctx), "InvalidAuthenticationInfo")
	// These two are also open to clean rooms.
	_, err = k.PutSecret(ctx, "name", "value")
	wantCode(t, err, "AttestationMissing")
	_, err = k.Option(ctx, governance.Execution)
	wantText(t, err, "did not recognise the caller's certificate")
}

func TestMemberData(t *testing.T) {
	tests := []struct {
		json     string
		want     governance.MemberData
		votes    bool
		restored string // empty: the same as json
	}{
		{`{"identifier":"a","tenantId":"t"}`, governance.MemberData{Identifier: "a", TenantID: "t"}, true, ""},
		{`{"isOperator":true}`, governance.MemberData{IsOperator: true}, false, ""},
		{`{"isOperator":"no"}`, governance.MemberData{IsOperator: true}, false, `{"isOperator":true}`},
		{`{"isOperator":0.0}`, governance.MemberData{}, true, `{}`},
		{`{"isOperator":1e999}`, governance.MemberData{IsOperator: true}, false, `{"isOperator":true}`},
		{`{"isOperator":[]}`, governance.MemberData{IsOperator: true}, false, `{"isOperator":true}`},
		{`{"isRecoveryOperator":1}`, governance.MemberData{IsRecoveryOperator: true}, false, `{"isRecoveryOperator":true}`},
		{`{"cgsRoles":{"cgsOperator":"true"}}`, governance.MemberData{CGSOperator: true}, false, ""},
		{`{"cgsRoles":{"contractOperator":"true"}}`, governance.MemberData{ContractOperator: true}, false, ""},
		// The constitution compares with the text, and names have one case.
		{`{"cgsRoles":{"cgsOperator":true,"CGSOPERATOR":"true"}}`, governance.MemberData{Extra: map[string]json.RawMessage{"cgsRoles": json.RawMessage(`{"CGSOPERATOR":"true"}`)}}, true, `{"cgsRoles":{"CGSOPERATOR":"true"}}`},
		{`{"ISOPERATOR":true}`, governance.MemberData{Extra: map[string]json.RawMessage{"ISOPERATOR": json.RawMessage("true")}}, true, ""},
		{`"text"`, governance.MemberData{}, true, `{}`},
		{`null`, governance.MemberData{}, true, `{}`},
	}
	for _, test := range tests {
		var got governance.MemberData
		if err := json.Unmarshal([]byte(test.json), &got); err != nil {
			t.Errorf("%s: %v", test.json, err)
			continue
		}
		gotText, _ := json.Marshal(got)
		wantText, _ := json.Marshal(test.want)
		if string(gotText) != string(wantText) || got.Votes() != test.votes {
			t.Errorf("%s: %+v, votes %t", test.json, got, got.Votes())
		}
		if test.restored == "" {
			test.restored = test.json
		}
		if string(gotText) != test.restored {
			t.Errorf("%s is written as %s", test.json, gotText)
		}
	}
}

// TestMembersAreChecked believes no list in which a certificate stands under
// another member's id.
func TestMembersAreChecked(t *testing.T) {
	good, other := newMember(t, "good"), newMember(t, "other")
	list := func(id, cert string) string {
		b, err := json.Marshal(map[string]any{"value": []any{map[string]any{"memberId": id, "status": "Active", "memberData": nil, "certificate": cert}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, test := range []struct{ body, says string }{
		{list(good.ID(), string(good.CertificatePEM())), ""},
		{list(other.ID(), string(good.CertificatePEM())), "has the id " + good.ID()[:12]},
		{list(good.ID(), "x"), "certificate of member " + good.ID()[:12]},
	} {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) { return respond(r, 200, nil, test.body), nil })
		members, err := client.Members(t.Context())
		if test.says != "" {
			wantText(t, err, "governance: list members: ", test.says)
		} else if err != nil || len(members) != 1 || members[0].Name() != good.ID()[:12]+"..." {
			t.Errorf("%+v, %v", members, err)
		}
	}
}

// TestBallotTexts tells the two usual ballots from a member's own script.
func TestBallotTexts(t *testing.T) {
	m := newMember(t, "voter")
	for script, want := range map[string]governance.Vote{
		"export function vote (proposal, proposerId) { return true }":     governance.VoteAccept,
		"export function vote (proposal, proposerId) { return false }\n":  governance.VoteReject,
		"export function vote (proposal, proposerId) { return 1 === 1 }":  governance.VoteScript,
		"export function vote(proposal, proposerId) { return true }":      governance.VoteScript,
		"export function vote (proposal, proposerId) { return true } // ": governance.VoteScript,
	} {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/actions"):
				return respond(r, 200, nil, `{"actions":[{"name":"x","args":null}]}`), nil
			case strings.HasSuffix(r.URL.Path, "/members"):
				b, err := json.Marshal(map[string]any{"value": []any{map[string]any{"memberId": m.ID(), "status": "Active", "certificate": string(m.CertificatePEM())}}})
				return respond(r, 200, nil, string(b)), err
			}
			return respond(r, 200, nil, script), nil
		})
		ballots, err := client.Proposal(strings.Repeat("ab", 32)).Ballots(t.Context())
		if err != nil || len(ballots) != 1 || ballots[0].Vote != want {
			t.Errorf("%q: %+v, %v", script, ballots, err)
		}
	}
}
