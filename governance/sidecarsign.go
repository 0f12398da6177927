package governance

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
)

// EndorsedCertificate implements [Room]. The key is made in this program, and
// the sidecar sees its public half alone. The answer is verified as
// [RoomClient.EndorsedCertificate] describes, so a sidecar that lies is
// noticed.
func (s *SidecarRoom) EndorsedCertificate(ctx context.Context, q CertificateRequest) (_ *EndorsedCertificate, err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.EndorsedCertificate")
	defer end(&err)
	op := "get endorsed certificate of " + s.contractID
	pending, err := q.prepare()
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	answer, err := s.send(ctx, call{
		op: op, method: http.MethodPost, path: "/ca/generateEndorsedCert", body: pending.data, contentType: "application/json",
	})
	if err != nil {
		return nil, err
	}
	return pending.finish(op, answer, time.Now())
}

// Sign implements [Room], as [RoomClient.Sign] describes.
func (s *SidecarRoom) Sign(ctx context.Context, payload []byte) (_ []byte, err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.Sign")
	defer end(&err)
	op := "sign payload for " + s.contractID
	if err := checkPayload(op, payload); err != nil {
		return nil, err
	}
	c, err := call{op: op, method: http.MethodPost, path: "/signing/sign"}.withJSON(struct {
		Payload string `json:"payload"`
	}{base64.StdEncoding.EncodeToString(payload)})
	if err != nil {
		return nil, err
	}
	text, err := s.value(ctx, c)
	if err != nil {
		return nil, err
	}
	return parseSignature(op, text)
}

// SetDelegatePolicy implements [Room], as [RoomClient.SetDelegatePolicy]
// describes. The sidecar answers when the service took the update.
func (s *SidecarRoom) SetDelegatePolicy(ctx context.Context, d Delegate, update PolicyUpdate) (err error) {
	ctx, end := s.wire.tracer.Start(ctx, "Room.SetDelegatePolicy")
	defer end(&err)
	op := fmt.Sprintf("set policy of delegate %s of %s", d, s.contractID)
	below, data, err := d.update(op, update)
	if err != nil {
		return err
	}
	_, err = s.send(ctx, call{op: op, method: http.MethodPost, path: below, body: data, contentType: "application/json"})
	return update.settled(err)
}
