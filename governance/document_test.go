package governance_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

func (c *consortium) draftContract(id string) {
	c.Helper()
	_, err := c.consumer.Contract(id).Create(c.Context(), "terms")
	c.check(err)
}

func (c *consortium) wantDocument(id, version, data string) {
	c.Helper()
	got, err := c.publisher.Document(id).Get(c.Context())
	c.check(err)
	if got.Version != version || got.Data != data || got.State != governance.DocumentDraft {
		c.Errorf("document %+v, want version %s with %q", got, version, data)
	}
}

// acceptedDocument makes a document that both accepted.
func (c *consortium) acceptedDocument(id, contractID, data string) {
	c.Helper()
	ctx := c.Context()
	version, err := c.consumer.Document(id).Create(ctx, contractID, data)
	c.check(err)
	p, err := c.consumer.Document(id).Propose(ctx, version)
	c.check(err)
	for _, m := range c.both() {
		p, err = m.Document(id).Vote(ctx, p.ID, true)
		c.check(err)
	}
	if p.State != governance.ProposalAccepted {
		c.Fatalf("document %s is %s", id, p.State)
	}
}

func TestDocument(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	room := c.agreedRoom(id, nil)
	mine, theirs := c.consumer.Document(id), c.publisher.Document(id)

	_, err := theirs.Get(ctx)
	wantCode(t, err, "DocumentNotFound")
	data := "query: SELECT 1\n# \u00fc <&> \U0001f512\n"
	first, err := mine.Create(ctx, id, "to be replaced")
	c.check(err)
	version, err := mine.Update(ctx, id, data, first)
	c.check(err)
	c.wantDocument(id, version, data)
	_, err = room.Document(ctx, id)
	wantCode(t, err, "DocumentNotFound")

	p, err := mine.Propose(ctx, version)
	c.check(err)
	got, err := theirs.Get(ctx)
	c.check(err)
	if got.State != governance.DocumentProposed || got.ProposalID != p.ID || got.Version != version || got.ContractID != id || got.Data != data {
		t.Errorf("proposed: %+v", got)
	}
	for _, m := range c.both() {
		if p, err = m.Document(id).Vote(ctx, p.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	if p.State != governance.ProposalAccepted {
		t.Errorf("proposal is %s", p.State)
	}
	released, err := room.Document(ctx, id)
	c.check(err)
	shown, err := theirs.Get(ctx)
	c.check(err)
	for _, d := range []*governance.Document{released, shown} {
		if d.State != governance.DocumentAccepted || d.Data != data || d.ContractID != id || d.ProposalID != p.ID || len(d.FinalVotes) != 2 || d.Version == version {
			t.Errorf("accepted: %+v", d)
		}
	}
	ids, err := c.publisher.Documents(ctx)
	c.check(err)
	if !slices.Contains(ids, id) {
		t.Errorf("list %q lacks %s", ids, id)
	}
}

func TestDocumentRefused(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	d := c.consumer.Document(id)
	_, err := d.Create(ctx, id, "data")
	wantCode(t, err, "ContractNotFound")
	c.draftContract(id)
	_, err = d.Create(ctx, id, "")
	wantCode(t, err, "DataMissing")
	first, err := d.Create(ctx, id, "data")
	c.check(err)
	_, err = d.Create(ctx, id, "data")
	wantCode(t, err, "DocumentAlreadyExists")
	second, err := d.Update(ctx, id, "data 2", first)
	c.check(err)
	_, err = d.Update(ctx, id, "data 3", first)
	wantCode(t, err, "PreconditionFailed")
	if !errors.Is(err, governance.ErrDocumentModified) {
		t.Errorf("%v is no ErrDocumentModified", err)
	}
	_, err = d.Propose(ctx, first)
	if !errors.Is(err, governance.ErrDocumentModified) {
		t.Errorf("proposing an old version: %v", err)
	}
	p, err := d.Propose(ctx, second)
	c.check(err)
	_, err = d.Propose(ctx, second)
	wantText(t, wantDenied(t, err, "document.state"), p.ID)
	// The constitution refuses what the program does not keep back.
	_, err = c.publisher.Propose(ctx, governance.SetMemberDocument(id, map[string]string{"contractId": id, "data": "other"}))
	wantDenied(t, err, "proposal.created")
	_, err = d.Vote(ctx, strings.Repeat("ab", 32), false)
	wantDenied(t, err, "document.proposal")
	_, err = d.Vote(ctx, strings.Repeat("ab", 32), true)
	wantCode(t, err, "ProposalNotFound")

	// A no ends it, and the draft is back.
	if p, err = c.publisher.Document(id).Vote(ctx, p.ID, false); err != nil || p.State != governance.ProposalRejected {
		t.Fatalf("%+v, %v", p, err)
	}
	c.wantDocument(id, second, "data 2")

	c.acceptedDocument(id+"-2", id, "data")
	_, err = c.consumer.Document(id+"-2").Update(ctx, id, "other", second)
	wantCode(t, err, "DocumentAlreadyAccepted")
	_, err = c.consumer.Propose(ctx, governance.SetMemberDocument(id+"-2", map[string]string{"contractId": id, "data": "other"}))
	wantDenied(t, err, "proposal.created")

	for _, bad := range []struct{ document, contract, data, says string }{
		{"a/b", id, "data", `document id "a/b"`},
		{"a", "", "data", "contract id is empty"},
		{"a", "%41", "data", `contract id "%41"`},
		{"a", id, "\xff", "not valid UTF-8"},
	} {
		_, err := c.consumer.Document(bad.document).Create(ctx, bad.contract, bad.data)
		wantText(t, err, bad.says)
	}
	_, err = d.Update(ctx, id, "data", "")
	wantText(t, err, "the version is empty")
	_, err = d.Vote(ctx, "x", true)
	wantText(t, err, "64 lower case hex digits")
}

// TestDocumentVoteIsOnWhatIsShown proposes what a voter is not shown.
func TestDocumentVoteIsOnWhatIsShown(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	c.acceptedContract(id, "terms")
	content := map[string]string{"contractId": id, "data": "data"}
	tests := []struct {
		name    string
		actions []governance.Action
		check   string
	}{
		{"with a second action", []governance.Action{governance.SetMemberDocument(id, content), governance.EnableLogging(id)}, "proposal.action"},
		{"two documents", []governance.Action{governance.SetMemberDocument(id, content), governance.SetMemberDocument(id+"-other", content)}, "proposal.action"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := c.publisher.Propose(ctx, test.actions...)
			c.check(err)
			_, err = c.consumer.Document(id).Vote(ctx, p.ID, true)
			wantDenied(t, err, test.check)
			// A no needs no agreement with what is shown.
			v, err := c.consumer.Document(id).Vote(ctx, p.ID, false)
			if err != nil || v.State != governance.ProposalRejected {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
	// The service shows another content than was signed.
	p, err := c.publisher.Propose(ctx, governance.SetMemberDocument(id, content))
	c.check(err)
	for check, shown := range map[string]string{
		"proposal.data":     `{"id":"` + id + `","state":"Proposed","contractId":"` + id + `","data":"shown","proposalId":"` + p.ID + `"}`,
		"proposal.contract": `{"id":"` + id + `","state":"Proposed","contractId":"shown","data":"data","proposalId":"` + p.ID + `"}`,
	} {
		liar := c.client(c.consumer.Member(), func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, "/app/memberdocuments/") {
					return respond(r, http.StatusOK, nil, shown), nil
				}
				return next.RoundTrip(r)
			})
		})
		_, err := liar.Document(id).Vote(ctx, p.ID, true)
		wantDenied(t, err, check)
	}
	_, err = c.publisher.Proposal(p.ID).Withdraw(ctx)
	c.check(err)
}

// TestRoomDocumentRefused gives a room what is not meant for it.
func TestRoomDocumentRefused(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	room := c.agreedRoom(id, nil)
	other := c.launch("other policy")
	c.agree(id+"-other", other.hostData())
	c.acceptedDocument(id+"-theirs", id+"-other", "data")
	c.acceptedDocument(id+"-ours", id, "data")

	_, err := room.Document(ctx, id+"-theirs")
	wantCode(t, err, "ContractIdMismatch")
	_, err = room.Document(ctx, "unknown")
	wantCode(t, err, "DocumentNotFound")
	_, err = room.Document(ctx, "a/b")
	wantText(t, err, `document id "a/b"`)
	_, err = c.room(id, other, nil).Document(ctx, id+"-ours")
	wantDenied(t, err, "policy.match")
}

// TestOtherDocumentIsNotTaken lets the service answer with another document
// than was asked for.
func TestOtherDocumentIsNotTaken(t *testing.T) {
	client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
		return respond(r, http.StatusOK, nil, `{"id":"other","state":"Accepted","contractId":"k","data":"x","version":"2.1"}`), nil
	})
	_, err := client.Document("mine").Get(t.Context())
	wantText(t, err, `governance: read document mine: the service sent the document "other"`)
	for _, body := range []string{`[]`, `{"id":1}`, `{"id":"mine","contractId":5}`, `{`, ``, `<html>`} {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) { return respond(r, http.StatusOK, nil, body), nil })
		if _, err := client.Document("mine").Get(t.Context()); err == nil {
			t.Errorf("%q passed for a document", body)
		}
		if _, err := client.Documents(t.Context()); err == nil && body != "[]" {
			t.Errorf("%q passed for a list", body)
		}
	}
}
