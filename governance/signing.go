package governance

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
)

// SigningClient acts on the service's signing key, by which rooms have payloads
// signed. It is one key for all contracts: a signature says that some room of
// some contract asked for it.
type SigningClient struct{ c *Client }

// Signing gives the handle.
func (c *Client) Signing() *SigningClient { return &SigningClient{c} }

// EnableSigning lets the service sign payloads of clean rooms. The kid becomes
// part of the key's id; upstream uses 32 hex digits. Later ones change nothing.
func EnableSigning(kid string) Action {
	return Action{"enable_signing", struct {
		KID string `json:"kid"`
	}{kid}}
}

// RotateSigningKey lets the next [SigningClient.GenerateSigningKey] make another
// key, which replaces the old one.
func RotateSigningKey() Action {
	return Action{"signing_enable_rotate_signing_key", struct{}{}}
}

// GenerateSigningKey makes the key (RSA, 2048 bits) inside the service and
// returns its id. Doing it again returns the same.
func (s *SigningClient) GenerateSigningKey(ctx context.Context) (kid string, err error) {
	ctx, end := s.c.wire.tracer.Start(ctx, "Signing.GenerateSigningKey")
	defer end(&err)
	return s.c.wire.generateKey(ctx, "generate the signing key", "/app/signing/generateSigningKey")
}

// SigningInfo is the state of the signing service.
type SigningInfo struct {
	// Enabled says that a proposal of [EnableSigning] was accepted.
	Enabled bool `json:"enabled"`
	// PublicKeyPEM verifies the signatures; it is empty until the key was
	// generated.
	PublicKeyPEM string `json:"publicKeyPem"`
}

// Info reads the state of the signing service.
func (s *SigningClient) Info(ctx context.Context) (_ *SigningInfo, err error) {
	ctx, end := s.c.wire.tracer.Start(ctx, "Signing.Info")
	defer end(&err)
	var v SigningInfo
	if err := s.c.wire.post(ctx, "read signing info", "/app/signing/info", &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// signatureSalt is the length of the salt in bytes, which is fixed.
const signatureSalt = 32

// Verify verifies a signature of [Room].Sign over the payload: RSA-PSS
// with SHA-256 and a salt of 32 bytes (RFC 8017, section 8.1).
func (i *SigningInfo) Verify(payload, signature []byte) error {
	const op = "governance: verify signature"
	block, _ := pem.Decode([]byte(i.PublicKeyPEM))
	if block == nil {
		return errors.New(op + ": there is no public key; a member generates the signing key first")
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s: public key: %w", op, err)
	}
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("%s: the public key is a %T, not one of RSA", op, pub)
	}
	sum := sha256.Sum256(payload)
	if err := rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: signatureSalt}); err != nil {
		return fmt.Errorf("%s: %w; the key may have been rotated, or the payload is another one", op, err)
	}
	return nil
}

// Sign has the service sign a payload for the room; [SigningInfo.Verify]
// describes the signature. The service signs anything, so let the payload say
// what it is.
func (r *RoomClient) Sign(ctx context.Context, payload []byte) (_ []byte, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.Sign")
	defer end(&err)
	op := "sign payload for " + r.contractID
	if err := checkPayload(op, payload); err != nil {
		return nil, err
	}
	e, err := r.attest(ctx, op)
	if err != nil {
		return nil, err
	}
	c, err := call{op: op, method: http.MethodPost, path: r.path("/signing/sign")}.withJSON(struct {
		encryptedDoc
		Payload string `json:"payload"`
	}{encryptedDoc{platform, e.doc(), r.publicKey()}, base64.StdEncoding.EncodeToString(payload)})
	if err != nil {
		return nil, err
	}
	text, err := r.opened(ctx, c, e)
	if err != nil {
		return nil, err
	}
	return parseSignature(op, string(text))
}

func checkPayload(op string, payload []byte) error {
	if len(payload) == 0 {
		return errors.New("governance: " + op + ": the payload is empty")
	}
	return nil
}

func parseSignature(op, text string) ([]byte, error) {
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(signature) == 0 {
		return nil, errors.New("governance: " + op + ": the answer is no signature in base64")
	}
	return signature, nil
}
