package governance_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// userDraft makes a draft for a contract of the same id, by whom it is told.
func (c *consortium) userDraft(by *governance.Client, id string) (version string) {
	c.Helper()
	c.draftContract(id)
	version, err := by.UserDocument(id).Create(c.Context(), governance.UserDocumentDraft{ContractID: id, Data: "data <&>"})
	c.check(err)
	return version
}

// wantUserProposal looks at a proposal, and that it is the document's unless
// the document is empty.
func (c *consortium) wantUserProposal(documentID, proposalID, state string, ballots int) {
	c.Helper()
	got, err := c.publisher.UserProposal(proposalID).Show(c.Context())
	c.check(err)
	if got.State != state || len(got.Ballots) != ballots || got.ProposerID != c.consumer.Member().ID() {
		c.Errorf("user proposal %+v, want %s with %d ballots", got, state, ballots)
	}
	if documentID == "" {
		return
	}
	d, err := c.publisher.UserDocument(documentID).Get(c.Context())
	c.check(err)
	if d.ProposalID != proposalID {
		c.Errorf("the document's proposal is %s, not %s", d.ProposalID, proposalID)
	}
}

func approver(m *governance.Client) governance.Approver {
	return governance.Approver{ID: m.Member().ID(), Kind: governance.ApproverMember}
}

func TestUserDocument(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	room := c.agreedRoom(id, nil)
	mine, theirs := c.consumer.UserDocument(id), c.publisher.UserDocument(id)
	_, err := theirs.Get(ctx)
	wantCode(t, err, "UserDocumentNotFound")
	draft := governance.UserDocumentDraft{
		ContractID: id, Data: "query\n# \u00fc <&>", Labels: map[string]string{"test": id, "kind": "query"}, Approvers: []governance.Approver{approver(c.publisher)},
	}
	first, err := mine.Create(ctx, draft)
	c.check(err)
	draft.Approvers = []governance.Approver{approver(c.consumer), approver(c.publisher)}
	version, err := mine.Update(ctx, draft, first)
	c.check(err)
	got, err := theirs.Get(ctx)
	c.check(err)
	if got.State != governance.DocumentDraft || got.Version != version || got.Data != draft.Data || got.ProposalID != "" || got.ProposerID != "" ||
		!reflect.DeepEqual(got.Labels, draft.Labels) || !reflect.DeepEqual(got.Approvers, draft.Approvers) {
		t.Errorf("draft: %+v", got)
	}

	p, err := mine.Propose(ctx, version)
	c.check(err)
	c.wantUserProposal(id, p.ID, governance.ProposalOpen, 0)
	if p, err = theirs.Vote(ctx, p.ID, true); err != nil || p.State != governance.ProposalOpen {
		t.Fatalf("%+v, %v", p, err)
	}
	_, err = room.UserDocument(ctx, id)
	wantCode(t, err, "UserDocumentNotFound")
	status, err := room.UserDocumentConsent(ctx, id, governance.Execution)
	c.check(err)
	wantText(t, wantDenied(t, status.Err(), "consent.execution"), "of user document "+id, "its approvers must accept")
	if p, err = mine.Vote(ctx, p.ID, true); err != nil || p.State != governance.ProposalAccepted {
		t.Fatalf("%+v, %v", p, err)
	}

	released, err := room.UserDocument(ctx, id)
	c.check(err)
	shown, err := theirs.Get(ctx)
	c.check(err)
	votes := map[string]bool{c.consumer.Member().ID(): true, c.publisher.Member().ID(): true}
	for _, d := range []*governance.UserDocument{released, shown} {
		if d.State != governance.DocumentAccepted || d.Data != draft.Data || d.ContractID != id || d.ProposalID != p.ID ||
			d.ProposerID != c.consumer.Member().ID() || !reflect.DeepEqual(d.FinalVotes, votes) || len(d.Approvers) != 2 {
			t.Errorf("accepted: %+v", d)
		}
	}
	for _, labels := range []map[string]string{{"test": id}, {"test": id, "kind": "query"}} {
		list, err := c.publisher.UserDocuments(ctx, labels)
		c.check(err)
		if len(list) != 1 || list[0].ID != id || !reflect.DeepEqual(list[0].Labels, draft.Labels) {
			t.Errorf("list of %v: %+v", labels, list)
		}
	}
	if list, err := c.publisher.UserDocuments(ctx, map[string]string{"test": id, "kind": "other"}); err != nil || len(list) != 0 {
		t.Errorf("list %+v, %v", list, err)
	}
	if list, err := c.publisher.UserDocuments(ctx, nil); err != nil || len(list) == 0 {
		t.Errorf("list %+v, %v", list, err)
	}
}

func TestUserDocumentRefused(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	d := c.consumer.UserDocument(id)
	draft := governance.UserDocumentDraft{ContractID: id, Data: "data"}
	_, err := d.Create(ctx, draft)
	wantCode(t, err, "ContractNotFound")
	first := c.userDraft(c.consumer, id)
	_, err = d.Create(ctx, draft)
	wantCode(t, err, "UserDocumentAlreadyExists")
	second, err := d.Update(ctx, draft, first)
	c.check(err)
	_, err = d.Update(ctx, draft, first)
	wantCode(t, err, "PreconditionFailed")
	_, err = d.Update(ctx, governance.UserDocumentDraft{ContractID: id}, second)
	wantCode(t, err, "DataMissing")
	_, err = d.Propose(ctx, first)
	if !errors.Is(err, governance.ErrDocumentModified) {
		t.Errorf("proposing an old version: %v", err)
	}

	// Those who decide are chosen by the proposer: here it is one alone.
	p, err := d.Propose(ctx, second, approver(c.publisher))
	c.check(err)
	_, err = d.Propose(ctx, second)
	wantText(t, wantDenied(t, err, "document.state"), p.ID)
	_, err = c.consumer.UserProposal(p.ID).Vote(ctx, true)
	wantCode(t, err, "NotProposalApprover")
	_, err = c.publisher.UserProposal(p.ID).Withdraw(ctx)
	wantCode(t, err, "NotProposalOwner")
	_, err = c.publisher.UserDocument(id).Vote(ctx, "unknown", false)
	wantDenied(t, err, "document.proposal")
	for range 2 { // doing it again does no harm
		if p, err = c.consumer.UserProposal(p.ID).Withdraw(ctx); err != nil || p.State != governance.ProposalWithdrawn {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	_, err = c.publisher.UserProposal(p.ID).Vote(ctx, true)
	wantCode(t, err, "ProposalNotOpen")

	// A draft without approvers goes to the members who count.
	p, err = d.Propose(ctx, second)
	c.check(err)
	content, err := c.publisher.UserProposal(p.ID).Content(ctx)
	c.check(err)
	if content.Name != "set_user_document" || len(content.Approvers) != 2 {
		t.Errorf("content %+v", content)
	}
	if p, err = c.publisher.UserDocument(id).Vote(ctx, p.ID, true); err != nil || p.State != governance.ProposalOpen {
		t.Fatalf("%+v, %v", p, err)
	}
	_, err = c.publisher.UserProposal(p.ID).Vote(ctx, true)
	wantCode(t, err, "BallotAlreadySubmitted")
	if p, err = d.Vote(ctx, p.ID, false); err != nil || p.State != governance.ProposalRejected {
		t.Fatalf("%+v, %v", p, err)
	}
	_, err = c.consumer.UserProposal(p.ID).Withdraw(ctx)
	wantCode(t, err, "ProposalNotOpen")
	_, err = c.consumer.UserProposal("unknown").Show(ctx)
	wantCode(t, err, "ProposalNotFound")
	_, err = c.consumer.UserProposal("unknown").Content(ctx)
	wantCode(t, err, "ProposalNotFound")

	// Accepted by one alone, it stays as it is.
	p, err = d.Propose(ctx, second, approver(c.consumer))
	c.check(err)
	if p, err = d.Vote(ctx, p.ID, true); err != nil || p.State != governance.ProposalAccepted {
		t.Fatalf("%+v, %v", p, err)
	}
	_, err = d.Update(ctx, draft, second)
	wantCode(t, err, "UserDocumentAlreadyAccepted")
}

func TestUserDocumentInput(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	good := func() governance.UserDocumentDraft {
		return governance.UserDocumentDraft{ContractID: id, Data: "data"}
	}
	tests := []struct {
		change func(*governance.UserDocumentDraft)
		says   string
	}{
		{func(d *governance.UserDocumentDraft) { d.ContractID = "" }, "governance: contract id is empty"},
		{func(d *governance.UserDocumentDraft) { d.Data = "\xff" }, "governance: document: the data is not valid UTF-8"},
		{func(d *governance.UserDocumentDraft) { d.Labels = map[string]string{"a:b": "c"} }, `governance: label "a:b"`},
		{func(d *governance.UserDocumentDraft) { d.Labels = map[string]string{"a": "b,c"} }, `governance: label "a": "b,c"`},
		{func(d *governance.UserDocumentDraft) { d.Labels = map[string]string{"a": ""} }, `governance: label "a": ""`},
		{func(d *governance.UserDocumentDraft) { d.Approvers = []governance.Approver{{ID: "x"}} }, `the kind "" is not member or user`},
		{func(d *governance.UserDocumentDraft) {
			d.Approvers = []governance.Approver{{ID: "a b", Kind: governance.ApproverUser}}
		}, `governance: approver id "a b"`},
		{func(d *governance.UserDocumentDraft) {
			d.Approvers = []governance.Approver{{ID: "x", Kind: governance.ApproverUser}, {ID: "x", Kind: governance.ApproverMember}}
		}, "governance: approver x is named twice"},
	}
	for _, test := range tests {
		draft := good()
		test.change(&draft)
		_, err := c.consumer.UserDocument(id).Create(ctx, draft)
		wantText(t, err, test.says)
		if strings.Count(err.Error(), "governance: ") != 1 {
			t.Errorf("%v", err)
		}
	}
	d := c.consumer.UserDocument("a/b")
	for _, err := range []error{
		func() error { _, err := d.Get(ctx); return err }(),
		func() error { _, err := d.Create(ctx, good()); return err }(),
		func() error { _, err := d.Option(ctx, id, governance.Execution); return err }(),
		d.DisableOption(ctx, id, governance.Execution),
	} {
		wantText(t, err, `document id "a/b"`)
	}
	_, err := c.consumer.UserProposal("a/b").Vote(ctx, true)
	wantText(t, err, `user proposal id "a/b"`)
	_, err = c.consumer.UserDocument(id).Option(ctx, "a/b", governance.Execution)
	wantText(t, err, `contract id "a/b"`)
	_, err = c.consumer.UserDocument(id).Option(ctx, id, "a/b")
	wantText(t, err, `runtime option "a/b"`)
	_, err = c.consumer.UserDocuments(ctx, map[string]string{"": "x"})
	wantText(t, err, "governance: label")
	_, err = c.consumer.UserDocument(id).Update(ctx, good(), "")
	wantText(t, err, "the version is empty")
	if len(tests) != 8 {
		t.Errorf("%d cases", len(tests))
	}
}

func TestUserDocumentOptions(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	room := c.agreedRoom(id, nil)
	mine, theirs := c.consumer.UserDocument(id), c.publisher.UserDocument(id)
	wantCode(t, mine.DisableOption(ctx, id, governance.Execution), "UserDocumentNotAccepted")
	version, err := mine.Create(ctx, governance.UserDocumentDraft{ContractID: id, Data: "data"})
	c.check(err)
	p, err := mine.Propose(ctx, version, approver(c.consumer))
	c.check(err)
	_, err = mine.Vote(ctx, p.ID, true)
	c.check(err)

	want := func(o governance.RuntimeOption, enabled bool) {
		t.Helper()
		asked, err := theirs.Option(ctx, id, o)
		c.check(err)
		attested, err := room.UserDocumentConsent(ctx, id, o)
		c.check(err)
		for _, s := range []*governance.OptionStatus{asked, attested} {
			if s.Enabled != enabled || s.DocumentID != id || (s.Err() == nil) != enabled {
				t.Errorf("%s: %+v", o, s)
			}
			if !enabled {
				wantText(t, wantDenied(t, s.Err(), "consent."+string(o)), c.consumer.Member().ID(), "each approver that disabled it", "its approvers")
			}
		}
	}
	want(governance.Execution, true)
	want(governance.Telemetry, true)
	c.check(mine.DisableOption(ctx, id, governance.Execution))
	want(governance.Execution, false)
	want(governance.Telemetry, true)
	c.check(mine.EnableOption(ctx, id, governance.Execution))
	want(governance.Execution, true)

	wantCode(t, theirs.DisableOption(ctx, id, governance.Execution), "NotUserDocumentApprover")
	wantCode(t, mine.DisableOption(ctx, id, governance.Logging), "InvalidUserDocumentRuntimeOption")
	_, err = mine.Option(ctx, id, governance.Logging)
	wantCode(t, err, "InvalidUserDocumentRuntimeOption")
	_, err = mine.Option(ctx, "other", governance.Execution)
	wantCode(t, err, "ContractIdMismatch")
	status, err := mine.Option(ctx, id, governance.Execution)
	c.check(err)
	c.check(status.Err())
	other := c.launch("other policy of " + id)
	_, err = c.room(id, other, nil).UserDocumentConsent(ctx, id, governance.Execution)
	wantDenied(t, err, "policy.match")
	_, err = room.UserDocumentConsent(ctx, "a/b", governance.Execution)
	wantText(t, err, `document id "a/b"`)
}

// TestUserDocumentVoteIsOnWhatIsShown lets the service show a proposal that
// does not hold what it shows of the document.
func TestUserDocumentVoteIsOnWhatIsShown(t *testing.T) {
	const document = `{"id":"d","contractId":"k","state":"Proposed","data":"x","approvers":[{"approverId":"m","approverIdType":"user"}],"proposalId":"p","proposerId":"q"}`
	tests := []struct{ check, content string }{
		{"proposal.action", `{"name":"set_user_document","approvers":[{"approverId":"m","approverIdType":"user"}],"args":{"documentId":"e","document":{"contractId":"k","data":"x"}}}`},
		{"proposal.action", `{"name":"other","approvers":[{"approverId":"m","approverIdType":"user"}],"args":{"documentId":"d","document":{"contractId":"k","data":"x"}}}`},
		{"proposal.approvers", `{"name":"set_user_document","approvers":[],"args":{"documentId":"d","document":{"contractId":"k","data":"x"}}}`},
		{"proposal.contract", `{"name":"set_user_document","approvers":[{"approverId":"m","approverIdType":"user"}],"args":{"documentId":"d","document":{"contractId":"l","data":"x"}}}`},
		{"proposal.data", `{"name":"set_user_document","approvers":[{"approverId":"m","approverIdType":"user"}],"args":{"documentId":"d","document":{"contractId":"k","data":"y"}}}`},
		{"proposal.names", `{"name":"set_user_document","approvers":[],"args":{"documentId":"d","document":{"contractId":"k","data":"x","Data":"y"}}}`},
	}
	for _, test := range tests {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
			switch r.URL.Path {
			case "/app/userdocuments/d":
				return respond(r, http.StatusOK, nil, document), nil
			case "/app/users/proposals/p":
				return respond(r, http.StatusOK, nil, test.content), nil
			}
			t.Errorf("%s was called", r.URL.Path)
			return respond(r, http.StatusNotFound, nil, ""), nil
		})
		_, err := client.UserDocument("d").Vote(t.Context(), "p", true)
		wantDenied(t, err, test.check)
	}
	if len(tests) != 6 {
		t.Errorf("%d cases", len(tests))
	}
}
