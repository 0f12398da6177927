package governance

import (
	"context"
	"fmt"
	"net/http"
)

// UserDocument reads a document that its approvers accepted for the room's
// contract. Look at who they were: a proposer chooses its approvers.
func (r *RoomClient) UserDocument(ctx context.Context, id string) (_ *UserDocument, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.UserDocument")
	defer end(&err)
	op := fmt.Sprintf("read user document %s of %s", id, r.contractID)
	plain, err := r.acceptedDocument(ctx, op, "userdocuments", id)
	if err != nil {
		return nil, err
	}
	return releasedUserDocument(op, r.contractID, id, plain)
}

func releasedUserDocument(op, contractID, id string, answer []byte) (*UserDocument, error) {
	v, err := parseUserDocument(answer)
	if err == nil {
		err = checkReleased(contractID, id, v.ContractID, v.ID, v.State)
	}
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	return v, nil
}

// UserDocumentConsent asks whether the approvers of a document consent to
// [Execution] or [Telemetry], with evidence.
func (r *RoomClient) UserDocumentConsent(ctx context.Context, id string, o RuntimeOption) (_ *OptionStatus, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.UserDocumentConsent")
	defer end(&err)
	op := fmt.Sprintf("ask for consent to %s of user document %s of %s", o, id, r.contractID)
	if err := checkID("document id", id); err != nil {
		return nil, err
	}
	path, err := userOptionPath(r.contractID, id, o, "status")
	if err != nil {
		return nil, err
	}
	doc, err := r.askConsent(ctx, call{op: op, method: http.MethodPost, path: path})
	if err != nil {
		return nil, err
	}
	return doc.documentStatus(r.contractID, id, o), nil
}
