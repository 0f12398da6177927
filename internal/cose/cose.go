// Package cose signs and verifies the COSE_Sign1 messages (RFC 9052) of CCF's
// governance interface, api-version 2024-07-01. The algorithm always follows
// the curve of the key: a message that names another one is refused.
package cose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	gocose "github.com/veraison/go-cose"
)

// ContentType is the media type that CCF insists on, to the letter.
const ContentType = "application/cose"

// Labels of the protected header beside alg (1) and kid (4).
const (
	labelType       = "ccf.gov.msg.type"
	labelCreatedAt  = "ccf.gov.msg.created_at"
	labelProposalID = "ccf.gov.msg.proposal_id"
)

// Types of governance messages.
const (
	TypeProposal    = "proposal"
	TypeBallot      = "ballot"
	TypeWithdrawal  = "withdrawal"
	TypeStateDigest = "state_digest"
	TypeAck         = "ack"
)

// MaxCreatedAt is the largest created_at that CCF accepts, in Unix seconds.
const MaxCreatedAt = 9999999999

// Header is the protected header of a governance message.
type Header struct {
	// KeyID is the member id: 64 lower case hex digits of the SHA-256 of the
	// member's certificate in DER.
	KeyID string
	// Type is one of the Type constants.
	Type string
	// CreatedAt is in Unix seconds.
	CreatedAt int64
	// ProposalID is set for ballots and withdrawals only.
	ProposalID string
}

// algorithm derives the only algorithm that fits the key.
func algorithm(pub crypto.PublicKey) (gocose.Algorithm, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return 0, fmt.Errorf("cose: governance messages need an EC key, not %T", pub)
	}
	switch key.Curve {
	case elliptic.P256():
		return gocose.AlgorithmES256, nil
	case elliptic.P384():
		return gocose.AlgorithmES384, nil
	case elliptic.P521():
		return gocose.AlgorithmES512, nil
	}
	return 0, fmt.Errorf("cose: curve %s has no COSE algorithm here; use P-256, P-384 or P-521", key.Curve.Params().Name)
}

// Sign returns a tagged COSE_Sign1 message with the payload embedded. A nil
// payload is sent as the empty byte string.
func Sign(key crypto.Signer, h Header, payload []byte) ([]byte, error) {
	alg, err := algorithm(key.Public())
	if err != nil {
		return nil, err
	}
	signer, err := gocose.NewSigner(alg, key)
	if err != nil {
		return nil, fmt.Errorf("cose: %w", err)
	}
	if h.CreatedAt == 0 {
		h.CreatedAt = time.Now().Unix()
	}
	protected := gocose.ProtectedHeader{
		gocose.HeaderLabelAlgorithm: alg,
		gocose.HeaderLabelKeyID:     []byte(h.KeyID),
		labelType:                   h.Type,
		labelCreatedAt:              h.CreatedAt,
	}
	if h.ProposalID != "" {
		protected[labelProposalID] = h.ProposalID
	}
	if payload == nil {
		payload = []byte{}
	}
	msg, err := gocose.Sign1(rand.Reader, signer, gocose.Headers{Protected: protected}, payload, nil)
	if err != nil {
		return nil, fmt.Errorf("cose: sign: %w", err)
	}
	return msg, nil
}

// Message is a parsed governance message whose signature is not yet verified.
type Message struct {
	Header
	Payload []byte
	// Signature is the raw r || s.
	Signature []byte

	msg *gocose.Sign1Message
}

// Parse reads a tagged COSE_Sign1 message and its required protected headers.
func Parse(b []byte) (*Message, error) {
	msg := gocose.NewSign1Message()
	if err := msg.UnmarshalCBOR(b); err != nil {
		return nil, fmt.Errorf("cose: %w", err)
	}
	if msg.Payload == nil {
		return nil, errors.New("cose: detached payload")
	}
	p := msg.Headers.Protected
	kid, ok := p[gocose.HeaderLabelKeyID].([]byte)
	if !ok {
		return nil, errors.New("cose: no key id in the protected header")
	}
	m := &Message{Payload: msg.Payload, Signature: msg.Signature, msg: msg}
	m.KeyID = string(kid)
	if m.Type, ok = p[labelType].(string); !ok {
		return nil, errors.New("cose: no " + labelType + " in the protected header")
	}
	if m.CreatedAt, ok = p[labelCreatedAt].(int64); !ok || m.CreatedAt < 0 {
		return nil, errors.New("cose: no usable " + labelCreatedAt + " in the protected header")
	}
	if id, present := p[labelProposalID]; present {
		if m.ProposalID, ok = id.(string); !ok {
			return nil, errors.New("cose: " + labelProposalID + " is not text")
		}
	}
	return m, nil
}

// Verify checks the signature with the signer's public key, which the caller
// looked up by KeyID, never took from the message.
func (m *Message) Verify(pub crypto.PublicKey) error {
	alg, err := algorithm(pub)
	if err != nil {
		return err
	}
	v, err := gocose.NewVerifier(alg, pub)
	if err != nil {
		return fmt.Errorf("cose: %w", err)
	}
	if err := m.msg.Verify(nil, v); err != nil {
		return fmt.Errorf("cose: %w", err)
	}
	return nil
}
