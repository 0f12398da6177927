package governance

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
)

// RoomClientOptions configures a [RoomClient]; the fields are those of
// [ClientOptions].
type RoomClientOptions struct {
	// ServiceCertificate or ServiceCertificateDigest is required.
	ServiceCertificate       []byte
	ServiceCertificateDigest [32]byte
	Nodes                    []string
	DialContext              func(ctx context.Context, network, addr string) (net.Conn, error)
	Transport                func(http.RoundTripper) http.RoundTripper
	EarlyReturn              bool
	PollInterval             time.Duration
	Logger                   *slog.Logger
	TracingProvider          tracing.Provider
}

// member copies the options by name: a field that only one of the two has must
// not tie the other.
func (o *RoomClientOptions) member() *ClientOptions {
	if o == nil {
		return nil
	}
	return &ClientOptions{
		ServiceCertificate: o.ServiceCertificate, ServiceCertificateDigest: o.ServiceCertificateDigest, Nodes: o.Nodes, DialContext: o.DialContext, Transport: o.Transport,
		EarlyReturn: o.EarlyReturn, PollInterval: o.PollInterval, Logger: o.Logger, TracingProvider: o.TracingProvider,
	}
}

// RoomClient acts for a clean room of one contract. The service knows the room
// by its evidence alone, and encrypts what it answers to the key that the
// evidence names. It is safe for concurrent use.
type RoomClient struct {
	wire       *wire
	contractID string
	attester   Attester

	key *rsa.PrivateKey
	// publicPEM is hashed into the report and sent, the same bytes both times:
	// PEM with line feeds and without a final one.
	publicPEM []byte

	// attesting holds one token while evidence is made: a channel, so that a
	// caller can stop waiting for another's.
	attesting chan struct{}
	evidence  atomic.Pointer[Evidence]

	// last is the time of the last signed message, in milliseconds.
	last atomic.Int64
}

// roomKeyBits is what upstream's unwrapping insists on.
const roomKeyBits = 2048

// NewRoomClient makes a key for the room. Nothing is sent and no evidence is
// made before the first call that needs it; evidence is then made once and used
// for every call. Treat it as a secret: whoever has it and the public key can
// report events in the room's name.
func NewRoomClient(endpoint, contractID string, attester Attester, opts *RoomClientOptions) (*RoomClient, error) {
	if attester == nil {
		return nil, errors.New("governance: a room client needs an attester")
	}
	if err := checkID("contract id", contractID); err != nil {
		return nil, err
	}
	w, err := newWire(endpoint, nil, opts.member())
	if err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, roomKeyBits)
	if err != nil {
		return nil, fmt.Errorf("governance: room key: %w", err)
	}
	public, err := publicPEM(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("governance: room key: %w", err)
	}
	return &RoomClient{wire: w, contractID: contractID, attester: attester, key: key, publicPEM: public, attesting: make(chan struct{}, 1)}, nil
}

func publicPEM(pub *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return []byte(strings.TrimSuffix(string(text), "\n")), nil
}

// WaitCommitted is that of [Client.WaitCommitted].
func (r *RoomClient) WaitCommitted(ctx context.Context) error { return r.wire.waitCommitted(ctx) }

// Close closes idle connections.
func (r *RoomClient) Close() { r.wire.close() }

// ContractID is the contract that the room is one of.
func (r *RoomClient) ContractID() string { return r.contractID }

// HostData is the host data of the room's own evidence in lower case hex, the
// SHA-256 of its security policy. It is empty until evidence was made, which the
// first call that needs it does; parties that agree on a policy beforehand have
// the text of the security policy and hash that.
func (r *RoomClient) HostData() string {
	if e := r.evidence.Load(); e != nil {
		return e.hostData()
	}
	return ""
}

// String names the room and nothing of its key and evidence.
func (r *RoomClient) String() string { return "clean room of contract " + r.contractID }

// GoString is String.
func (r *RoomClient) GoString() string { return r.String() }

// attest makes the evidence, or gives the one that was made. Calls that come
// meanwhile wait: the device is slow and has a rate.
func (r *RoomClient) attest(ctx context.Context, op string) (*Evidence, error) {
	if e := r.evidence.Load(); e != nil {
		return e, nil
	}
	select {
	case r.attesting <- struct{}{}:
		defer func() { <-r.attesting }()
	case <-ctx.Done():
		return nil, fmt.Errorf("governance: %s: make evidence: %w", op, ctx.Err())
	}
	if e := r.evidence.Load(); e != nil {
		return e, nil
	}
	e, err := r.attester.Evidence(ctx, r.publicPEM)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: make evidence: %w", op, err)
	}
	if err := checkEvidence(op, e, r.publicPEM); err != nil {
		return nil, err
	}
	r.evidence.Store(e)
	return e, nil
}

// publicKeyDoc is the key on the wire: base64 of the PEM text.
type publicKeyDoc struct {
	PublicKey string `json:"publicKey"`
}

func (r *RoomClient) publicKey() publicKeyDoc {
	return publicKeyDoc{base64.StdEncoding.EncodeToString(r.publicPEM)}
}

// path is that of a resource of the contract.
func (r *RoomClient) path(below string) string { return "/app/contracts/" + r.contractID + below }

// DeploymentSpec reads the template that the members accepted; anybody can.
func (r *RoomClient) DeploymentSpec(ctx context.Context) (_ *DeploymentSpec, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.DeploymentSpec")
	defer end(&err)
	var v DeploymentSpec
	if err := r.wire.post(ctx, "read deployment spec of "+r.contractID, r.path("/deploymentspec"), &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// Consent asks whether the members consent, with evidence: a room that the
// contract's policy does not describe is refused with a [*DeniedError].
func (r *RoomClient) Consent(ctx context.Context, o RuntimeOption) (_ *OptionStatus, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.Consent")
	defer end(&err)
	op := fmt.Sprintf("ask for consent to %s of %s", o, r.contractID)
	path, err := optionPath(r.contractID, o, "status")
	if err != nil {
		return nil, err
	}
	doc, err := r.askConsent(ctx, call{op: op, method: http.MethodPost, path: path})
	if err != nil {
		return nil, err
	}
	return doc.status(r.contractID, o), nil
}

// askConsent sends evidence alone: the answer is for anybody.
func (r *RoomClient) askConsent(ctx context.Context, c call) (*optionDoc, error) {
	e, err := r.attest(ctx, c.op)
	if err != nil {
		return nil, err
	}
	c, err = c.withJSON(struct {
		Platform    string      `json:"platform"`
		Attestation evidenceDoc `json:"attestation"`
	}{platform, e.doc()})
	if err != nil {
		return nil, err
	}
	var doc optionDoc
	if err := r.wire.read(ctx, c, &doc); err != nil {
		return nil, r.explain(err, e)
	}
	return &doc, nil
}
