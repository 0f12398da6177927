package governance

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// encryptedDoc asks for an answer that only the room can read.
type encryptedDoc struct {
	Platform    string       `json:"platform"`
	Attestation evidenceDoc  `json:"attestation"`
	Encrypt     publicKeyDoc `json:"encrypt"`
}

// Secret reads the secret with the id that setting it returned; see
// [SecretID]. The service does not look at the consent to execution.
func (r *RoomClient) Secret(ctx context.Context, id string) ([]byte, error) {
	if err := checkID("secret id", id); err != nil {
		return nil, err
	}
	return r.encrypted(ctx, call{
		op: fmt.Sprintf("read secret %s of %s", id, r.contractID), method: http.MethodPost, path: r.path("/secrets/" + id),
	})
}

// encrypted sends evidence and opens the answer.
func (r *RoomClient) encrypted(ctx context.Context, c call) ([]byte, error) {
	e, err := r.attest(ctx, c.op)
	if err != nil {
		return nil, err
	}
	if c, err = c.withJSON(encryptedDoc{platform, e.doc(), r.publicKey()}); err != nil {
		return nil, err
	}
	return r.opened(ctx, c, e)
}

// opened sends a call that carries the evidence and opens its answer.
func (r *RoomClient) opened(ctx context.Context, c call, e *Evidence) ([]byte, error) {
	var doc struct {
		Value string `json:"value"`
	}
	if err := r.wire.read(ctx, c, &doc); err != nil {
		return nil, r.explain(err, e)
	}
	wrapped, err := base64.StdEncoding.DecodeString(doc.Value)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: the answer is not base64", c.op)
	}
	plain, err := keywrap.UnwrapRSAAES(r.key, keywrap.RSAAES256, wrapped)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: the answer is not encrypted to this room's key: %w", c.op, err)
	}
	return plain, nil
}
