package governance

import (
	"context"
	"fmt"
	"net/http"
)

// Document implements [Room], as [RoomClient.Document] describes.
func (s *SidecarRoom) Document(ctx context.Context, id string) (_ *Document, err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.Document")
	defer end(&err)
	op := fmt.Sprintf("read document %s of %s", id, s.contractID)
	answer, err := s.acceptedDocument(ctx, op, "memberdocuments", id)
	if err != nil {
		return nil, err
	}
	return releasedDocument(op, s.contractID, id, answer)
}

// UserDocument implements [Room], as [RoomClient.UserDocument] describes.
func (s *SidecarRoom) UserDocument(ctx context.Context, id string) (_ *UserDocument, err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.UserDocument")
	defer end(&err)
	op := fmt.Sprintf("read user document %s of %s", id, s.contractID)
	answer, err := s.acceptedDocument(ctx, op, "userdocuments", id)
	if err != nil {
		return nil, err
	}
	return releasedUserDocument(op, s.contractID, id, answer)
}

func (s *SidecarRoom) acceptedDocument(ctx context.Context, op, collection, id string) ([]byte, error) {
	if err := checkID("document id", id); err != nil {
		return nil, err
	}
	return s.send(ctx, call{op: op, method: http.MethodPost, path: "/" + collection + "/" + id})
}

// send gives an answer as it came.
func (s *SidecarRoom) send(ctx context.Context, c call) ([]byte, error) {
	a, err := s.wire.do(ctx, c)
	if err != nil {
		return nil, s.explain(err)
	}
	return a.body, nil
}

// UserDocumentConsent implements [Room]. The options are [Execution] and
// [Telemetry].
func (s *SidecarRoom) UserDocumentConsent(ctx context.Context, id string, o RuntimeOption) (_ *OptionStatus, err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.UserDocumentConsent")
	defer end(&err)
	if err := checkID("document id", id); err != nil {
		return nil, err
	}
	if err := checkID("runtime option", string(o)); err != nil {
		return nil, err
	}
	doc, err := s.askConsent(ctx, call{
		op:     fmt.Sprintf("ask for consent to %s of user document %s of %s", o, id, s.contractID),
		method: http.MethodPost, path: "/userdocuments/" + id + "/consentcheck/" + string(o),
	})
	if err != nil {
		return nil, err
	}
	return doc.documentStatus(s.contractID, id, o), nil
}
