package governance

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cleanroom-go/sdk/internal/cose"
)

// Hasten takes the pauses between attempts out of a client, for tests that
// look at what is done and not at when.
func Hasten(c *Client) {
	c.wire.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
}

// SetMaxConnect changes how long a node may take to let a caller in. No test
// with more nodes may run meanwhile.
func SetMaxConnect(t interface{ Cleanup(func()) }, d time.Duration) {
	before := maxConnect
	maxConnect = d
	t.Cleanup(func() { maxConnect = before })
}

// SetClock puts the clock of a client wrong by d.
func SetClock(c *Client, d time.Duration) {
	c.now = func() time.Time { return time.Now().Add(d) }
}

// HastenRoom is Hasten for a room.
func HastenRoom(r *RoomClient) {
	r.wire.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
}

// HastenSidecar is Hasten for a room's sidecar.
func HastenSidecar(s *SidecarRoom) {
	s.wire.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
}

// SignProposal makes the message of a proposal and does not send it.
func SignProposal(c *Client, actions []Action) error {
	_, err := c.signed("propose", "/gov/members/proposals:create", cose.Header{Type: cose.TypeProposal}, map[string][]Action{"actions": actions})
	return err
}

// WarningIDs are the kinds of warnings that a review can give.
func WarningIDs() []string { return slices.Sorted(maps.Keys(warningRemedies)) }

// Unified is the diff of a review.
var Unified = unified
