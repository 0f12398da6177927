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
}

var _ Room = (*RoomClient)(nil)
