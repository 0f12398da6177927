package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cleanroom-go/sdk/internal/cose"
)

// signed makes the call that carries payload as a message signed by the member.
// Attempts of one call send the same bytes, so that the service can tell a
// repetition from a second wish.
func (c *Client) signed(op, path string, h cose.Header, payload any) (call, error) {
	var body []byte
	if payload != nil {
		var err error
		if body, err = json.Marshal(payload); err != nil {
			return call{}, fmt.Errorf("governance: %s: %w", op, err)
		}
	}
	h.KeyID = c.member.id
	h.CreatedAt = c.now().Unix()
	msg, err := cose.Sign(c.member.key, h, body)
	if err != nil {
		return call{}, fmt.Errorf("governance: %s: %w", op, err)
	}
	return call{op: op, method: http.MethodPost, path: path, query: apiQuery, body: msg, contentType: cose.ContentType}, nil
}

// gov reads from the public half of the governance interface.
func (c *Client) gov(ctx context.Context, op, path string, v any) error {
	return c.wire.read(ctx, call{op: op, method: http.MethodGet, path: path, query: apiQuery}, v)
}
