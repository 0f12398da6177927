package governance

import (
	"context"
	"encoding/base64"
	"encoding/json"
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
func (r *RoomClient) Secret(ctx context.Context, id string) (_ []byte, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.Secret")
	defer end(&err)
	if err := checkID("secret id", id); err != nil {
		return nil, err
	}
	return r.encrypted(ctx, call{
		op: fmt.Sprintf("read secret %s of %s", id, r.contractID), method: http.MethodPost, path: r.path("/secrets/" + id),
	})
}

// PutSecret stores a secret for all rooms of the contract and returns the id
// under which they read it, [SecretID] of [CleanRoomID]. It replaces an earlier
// one of the name, whichever room stored that, and returns once it is committed.
// No member can read it. What [ContractClient.PutSecret] does not send is not
// sent here either; a room that the contract's policy does not describe is
// refused with a [*DeniedError].
//
// Whoever holds a room's evidence and its public key can store secrets under
// these ids: a room that reads one has the word of a room, not of a member.
func (r *RoomClient) PutSecret(ctx context.Context, name, value string) (id string, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.PutSecret")
	defer end(&err)
	op := fmt.Sprintf("put secret %s of %s", name, r.contractID)
	if err := checkSecretPut(op, name, value); err != nil {
		return "", err
	}
	data, err := json.Marshal(valueDoc{value})
	if err != nil {
		return "", fmt.Errorf("governance: %s: %w", op, err)
	}
	a, err := r.writeSigned(ctx, call{op: op, method: http.MethodPut, path: r.path("/secrets/" + name)}, data)
	if err != nil {
		return "", err
	}
	return a.secretID(op, name)
}

// writeSigned writes data signed by the room's key.
func (r *RoomClient) writeSigned(ctx context.Context, c call, data []byte) (*answer, error) {
	c, e, err := r.withSigned(ctx, c, data)
	if err != nil {
		return nil, err
	}
	a, _, err := r.wire.write(ctx, c)
	if err != nil {
		return nil, r.explain(err, e)
	}
	return a, nil
}

// withSigned gives a call the data, signed by the room's key, and the evidence
// that names the key.
func (r *RoomClient) withSigned(ctx context.Context, c call, data []byte) (call, *Evidence, error) {
	e, err := r.attest(ctx, c.op)
	if err != nil {
		return call{}, nil, err
	}
	body, err := r.sign(data, e)
	if err != nil {
		return call{}, nil, fmt.Errorf("governance: %s: %w", c.op, err)
	}
	c, err = c.withJSON(body)
	return c, e, err
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
