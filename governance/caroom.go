package governance

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// EndorsedCertificate gets the room a certificate of its contract's authority
// for a key that is made here, now. Whoever trusts the authority then knows
// that the peer is a room which the contract's policy describes.
//
// The answer is verified: signed by the authority, for this key, with the names
// that were asked for and no others; what is not is a [*DeniedError]. The code
// NoCASigningKey says that no member generated the authority's key yet.
func (r *RoomClient) EndorsedCertificate(ctx context.Context, q CertificateRequest) (_ *EndorsedCertificate, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.EndorsedCertificate")
	defer end(&err)
	op := "get endorsed certificate of " + r.contractID
	pending, err := q.prepare()
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	answer, err := r.signedCall(ctx, call{op: op, method: http.MethodPost, path: r.path("/ca/generateEndorsedCert")}, pending.data)
	if err != nil {
		return nil, err
	}
	return pending.finish(op, answer, time.Now())
}

// signedCall sends data signed by the room's key, and opens the answer.
func (r *RoomClient) signedCall(ctx context.Context, c call, data []byte) ([]byte, error) {
	c, e, err := r.withSigned(ctx, c, data)
	if err != nil {
		return nil, err
	}
	return r.opened(ctx, c, e)
}
