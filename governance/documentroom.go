package governance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Document reads a document that the members accepted for the room's contract.
// One that is not accepted does not exist for a room: DocumentNotFound. One of
// another contract is refused with ContractIdMismatch.
func (r *RoomClient) Document(ctx context.Context, id string) (_ *Document, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.Document")
	defer end(&err)
	op := fmt.Sprintf("read document %s of %s", id, r.contractID)
	plain, err := r.acceptedDocument(ctx, op, "memberdocuments", id)
	if err != nil {
		return nil, err
	}
	return releasedDocument(op, r.contractID, id, plain)
}

// releasedDocument takes an answer that is the document with the id, accepted
// for the contract.
func releasedDocument(op, contractID, id string, answer []byte) (*Document, error) {
	v, err := parseDocument(answer)
	if err == nil {
		err = checkReleased(contractID, id, v.ContractID, v.ID, v.State)
	}
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	return v, nil
}

func (r *RoomClient) acceptedDocument(ctx context.Context, op, collection, id string) ([]byte, error) {
	if err := checkID("document id", id); err != nil {
		return nil, err
	}
	return r.encrypted(ctx, call{op: op, method: http.MethodPost, path: r.path("/" + collection + "/accepted/" + id)})
}

// checkReleased wants what a room may act on, and nothing else.
func checkReleased(wantContract, wantID, contractID, id, state string) error {
	switch {
	case id != wantID:
		return fmt.Errorf("the service sent the document %q", cut(id, 80))
	case contractID != wantContract:
		return fmt.Errorf("the document belongs to the contract %q", cut(contractID, 80))
	case state != DocumentAccepted:
		return errors.New("the document is not accepted")
	}
	return nil
}
