package governance_test

import (
	"context"
	"errors"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// TestContractWait waits for a contract that the other member has yet to accept.
func TestContractWait(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	for _, named := range []bool{true, false} {
		k := c.consumer.Contract(id + map[bool]string{true: "-named", false: ""}[named])
		_, err := k.Wait(ctx, "")
		wantCode(t, err, "ContractNotFound")
		version, err := k.Create(ctx, "data")
		c.check(err)
		_, err = k.Wait(ctx, "")
		wantDenied(t, err, "contract.state")
		p, err := k.Propose(ctx, version)
		c.check(err)
		_, err = k.Vote(ctx, p.ID, true)
		c.check(err)
		short, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := k.Wait(short, p.ID); !errors.Is(err, context.Canceled) {
			t.Errorf("want the end of the context, got %v", err)
		}

		waitFor := ""
		if named {
			waitFor = p.ID
		}
		type result struct {
			contract *governance.Contract
			err      error
		}
		done := make(chan result, 1)
		go func() {
			v, err := k.Wait(ctx, waitFor)
			done <- result{v, err}
		}()
		_, err = c.publisher.Contract(k.ID()).Vote(ctx, p.ID, true)
		c.check(err)
		r := <-done
		c.check(r.err)
		if r.contract.State != governance.ContractAccepted || r.contract.Data != "data" || r.contract.ProposalID != p.ID {
			t.Errorf("contract %+v", r.contract)
		}
		again, err := k.Wait(ctx, "")
		if err != nil || again.Version != r.contract.Version {
			t.Errorf("%+v, %v", again, err)
		}
		// The one that was decided is not that of another contract.
		other := c.publisher.Contract(k.ID() + "-other")
		_, err = other.Create(ctx, "data")
		c.check(err)
		_, err = other.Wait(ctx, p.ID)
		wantDenied(t, err, "contract.state")
		wantDenied(t, err, "contract.proposal")
	}
	_, err := c.consumer.Contract(id).Wait(ctx, "xyz")
	wantText(t, err, "proposal id")
}

// TestContractWaitRejected ends with the vote against it.
func TestContractWaitRejected(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	k := c.consumer.Contract(id)
	version, err := k.Create(ctx, "data")
	c.check(err)
	p, err := k.Propose(ctx, version)
	c.check(err)
	_, err = c.publisher.Contract(id).Vote(ctx, p.ID, false)
	c.check(err)
	_, err = k.Wait(ctx, p.ID)
	wantDenied(t, err, "proposal.vote")
}
