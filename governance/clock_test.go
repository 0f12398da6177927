package governance_test

import (
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// TestWrongClock proposes on a machine whose clock is hours behind those of the
// other members, and years ahead.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	c, k := withContract(t)
	ctx := t.Context()
	if _, err := k.ProposeLogging(ctx); err != nil {
		t.Fatal(err)
	}
	late := c.client(c.publisher.Member(), nil)
	for d, code := range map[time.Duration]string{
		-3 * time.Hour:             "ProposalCreatedTooLongAgo",
		266 * 365 * 24 * time.Hour: "InvalidCreatedAt",
	} {
		governance.SetClock(late, d)
		_, err := late.Propose(ctx, governance.EnableTelemetry(k.ID()))
		wantText(t, wantCode(t, err, code), "clock of this machine")
	}
	governance.SetClock(late, 0)
	if _, err := late.Propose(ctx, governance.EnableTelemetry(k.ID())); err != nil {
		t.Error(err)
	}
}
