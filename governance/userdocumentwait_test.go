package governance_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// proposedDocument is a user document that both members are to approve.
func (c *consortium) proposedDocument(contractID, name string) (proposalID string) {
	c.Helper()
	d := c.consumer.UserDocument(contractID + "." + name)
	version, err := d.Create(c.Context(), governance.UserDocumentDraft{ContractID: contractID, Data: "query"})
	c.check(err)
	p, err := d.Propose(c.Context(), version, approver(c.consumer), approver(c.publisher))
	c.check(err)
	return p.ID
}

// TestUserProposalWait waits for what approvers decide, and for what they do not.
func TestUserProposalWait(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	_, err := c.consumer.Contract(id).Create(ctx, "data")
	c.check(err)
	type result struct {
		p   *governance.UserProposal
		err error
	}
	wait := func(id string) chan result {
		done := make(chan result, 1)
		go func() {
			p, err := c.consumer.UserProposal(id).Wait(ctx)
			done <- result{p, err}
		}()
		return done
	}
	vote := func(by *governance.Client, proposalID string, accept bool) {
		t.Helper()
		_, err := by.UserProposal(proposalID).Vote(ctx, accept)
		c.check(err)
	}

	accepted := c.proposedDocument(id, "accepted")
	done := wait(accepted)
	vote(c.publisher, accepted, true)
	vote(c.consumer, accepted, true)
	if r := <-done; r.err != nil || r.p.State != governance.ProposalAccepted || len(r.p.Ballots) != 2 {
		t.Errorf("accepted: %+v, %v", r.p, r.err)
	}

	rejected := c.proposedDocument(id, "rejected")
	done = wait(rejected)
	vote(c.publisher, rejected, false)
	r := <-done
	if r.p == nil || r.p.State != governance.ProposalRejected {
		t.Errorf("rejected: %+v", r.p)
	}
	wantText(t, wantDenied(t, r.err, "proposal.vote"), "reject by "+c.publisher.Member().ID()[:12])

	withdrawn := c.proposedDocument(id, "withdrawn")
	_, err = c.consumer.UserProposal(withdrawn).Withdraw(ctx)
	c.check(err)
	_, err = c.publisher.UserProposal(withdrawn).Wait(ctx)
	wantDenied(t, err, "proposal.state")

	// The end of the context names those who did not vote, and nobody else.
	open := c.proposedDocument(id, "open")
	vote(c.consumer, open, true)
	ending, cancel := context.WithCancel(ctx)
	watcher := c.client(c.consumer.Member(), beforeCall("/proposals/"+open+"/status", 2, cancel))
	p, err := watcher.UserProposal(open).Wait(ending)
	if p == nil || p.State != governance.ProposalOpen || !errors.Is(err, context.Canceled) {
		t.Errorf("open: %+v, %v", p, err)
	}
	wantText(t, wantDenied(t, err, "proposal.vote"), "none by "+c.publisher.Member().ID()[:12], "ask member "+c.publisher.Member().ID()[:12]+"... to vote")
	if strings.Contains(err.Error(), "none by "+c.consumer.Member().ID()[:12]) {
		t.Errorf("who voted is said to be missing: %v", err)
	}

	_, err = c.consumer.UserProposal("unknown").Wait(ctx)
	wantCode(t, err, "ProposalNotFound")
	_, err = c.consumer.UserProposal("a/b").Wait(ctx)
	wantText(t, err, "governance: user proposal id", "character")
}

// TestUserProposalWaitPolls counts the looks, on a clock of its own.
func TestUserProposalWaitPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, looks, contents := time.Now(), 0, 0
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/status") {
				contents++
				return respond(r, 500, nil, `{"error":{"code":"InternalError","message":"x"}}`), nil
			}
			looks++
			if time.Since(start) < 3*time.Second {
				return respond(r, 200, nil, `{"proposerId":"m","state":"Open","ballots":[]}`), nil
			}
			return respond(r, 200, nil, `{"proposerId":"m","state":"Accepted","ballots":[]}`), nil
		})
		p, err := client.UserProposal("p").Wait(t.Context())
		if err != nil || p.State != governance.ProposalAccepted || looks != 14 || contents != 1 || time.Since(start) > 3500*time.Millisecond {
			t.Errorf("after %s, %d looks and %d readings of the content: %+v, %v", time.Since(start), looks, contents, p, err)
		}
	})
}
