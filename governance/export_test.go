package governance

import (
	"context"
	"time"
)

// Hasten takes the pauses between attempts out of a client, for tests that
// look at what is done and not at when.
func Hasten(c *Client) {
	c.wire.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
}

// HastenRoom is Hasten for a room.
func HastenRoom(r *RoomClient) {
	r.wire.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
}
