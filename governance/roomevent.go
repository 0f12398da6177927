package governance

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// PutEventOptions may be nil.
type PutEventOptions struct {
	// ID is what the event is reported under; empty means the contract's id.
	ID string
	// Scope is empty for none.
	Scope string
}

// signedDoc is data that the room signs with the key of its evidence.
type signedDoc struct {
	Platform    string       `json:"platform"`
	Attestation evidenceDoc  `json:"attestation"`
	Data        string       `json:"data"`
	Timestamp   string       `json:"timestamp"`
	Sign        signDoc      `json:"sign"`
	Encrypt     publicKeyDoc `json:"encrypt"`
}

type signDoc struct {
	Signature string `json:"signature"`
	PublicKey string `json:"publicKey"`
}

// PutEvent reports an event and returns once it is committed. The value must be
// a JSON object. Whoever is a member can read it, of whatever contract, so it
// holds no data of the room. An event whose answer was lost is sent again, and
// the service, which a room cannot read, may then have it twice, with the same
// time; [ContractClient.Events] gives it once.
func (r *RoomClient) PutEvent(ctx context.Context, event any, opts *PutEventOptions) (err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.PutEvent")
	defer end(&err)
	c, err := eventCall(r.contractID, event, opts)
	if err != nil {
		return err
	}
	data := c.body
	c.path, c.body, c.contentType = r.path("/events"), nil, ""
	_, err = r.writeSigned(ctx, c, data)
	return err
}

// eventCall is the call that reports an event, as the sidecar takes it.
func eventCall(contractID string, event any, opts *PutEventOptions) (call, error) {
	op := "put event of " + contractID
	data, err := json.Marshal(event)
	if err != nil {
		return call{}, fmt.Errorf("governance: %s: %w", op, err)
	}
	if !bytes.HasPrefix(data, []byte("{")) {
		return call{}, fmt.Errorf("governance: %s: the event is no JSON object", op)
	}
	var o PutEventOptions
	if opts != nil {
		o = *opts
	}
	query, err := eventQuery(o.ID, o.Scope)
	if err != nil {
		return call{}, err
	}
	return call{op: op, method: http.MethodPut, path: "/events", query: strings.Join(query, "&"), body: data, contentType: "application/json"}, nil
}

// sign uses RSA-PSS with SHA-256 and a salt of 32 bytes over the data itself.
func (r *RoomClient) sign(data []byte, e *Evidence) (*signedDoc, error) {
	sum := sha256.Sum256(data)
	sig, err := rsa.SignPSS(rand.Reader, r.key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return nil, err
	}
	key := r.publicKey()
	return &signedDoc{
		Platform:    platform,
		Attestation: e.doc(),
		Data:        base64.StdEncoding.EncodeToString(data),
		// Milliseconds as text: a number would make the service throw.
		Timestamp: strconv.FormatInt(r.moment(), 10),
		Sign:      signDoc{base64.StdEncoding.EncodeToString(sig), key.PublicKey},
		Encrypt:   key,
	}, nil
}

// moment is the time in milliseconds, and later than any before: what the room
// says twice has two times, and what has one time was said once.
func (r *RoomClient) moment() int64 {
	for {
		last := r.last.Load()
		if t := max(time.Now().UnixMilli(), last+1); r.last.CompareAndSwap(last, t) {
			return t
		}
	}
}
