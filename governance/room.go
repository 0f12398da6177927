package governance

import "context"

// Room is what a program in a clean room asks of the governance service.
// [RoomClient] asks the service itself, [SidecarRoom] the platform's sidecar.
type Room interface {
	// Secret reads a secret of the contract.
	Secret(ctx context.Context, id string) ([]byte, error)
	// PutSecret stores a secret for the rooms of the contract.
	PutSecret(ctx context.Context, name, value string) (id string, err error)
	// Token gets a token of the service's issuer.
	Token(ctx context.Context, t TokenRequest) (string, error)
	// Consent asks whether the members consent.
	Consent(ctx context.Context, o RuntimeOption) (*OptionStatus, error)
	// PutEvent reports an event, any value that is a JSON object.
	PutEvent(ctx context.Context, event any, opts *PutEventOptions) error
	// Document reads a document that the members accepted for the contract.
	Document(ctx context.Context, id string) (*Document, error)
	// UserDocument reads a document that its approvers accepted for the
	// contract.
	UserDocument(ctx context.Context, id string) (*UserDocument, error)
	// UserDocumentConsent asks whether a document's approvers consent.
	UserDocumentConsent(ctx context.Context, id string, o RuntimeOption) (*OptionStatus, error)
	// EndorsedCertificate gets a certificate of the contract's authority.
	EndorsedCertificate(ctx context.Context, q CertificateRequest) (*EndorsedCertificate, error)
	// Sign has the service sign a payload.
	Sign(ctx context.Context, payload []byte) ([]byte, error)
	// SetDelegatePolicy lets other workloads in, for one purpose.
	SetDelegatePolicy(ctx context.Context, d Delegate, update PolicyUpdate) error
}

var _ Room = (*RoomClient)(nil)
