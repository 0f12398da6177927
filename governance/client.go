package governance

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
)

// ClientOptions configures a [Client].
type ClientOptions struct {
	// ServiceCertificate is the certificate of the CCF service in PEM, from a
	// channel that the caller trusts. It, or its digest, is required, and it
	// alone decides which server is talked to.
	ServiceCertificate []byte
	// ServiceCertificateDigest can be given in place of the certificate: the
	// SHA-256 of its DER form, which the operator of the service reads off its
	// own copy and hands out where what is short can be compared, for instance
	//
	//	openssl x509 -in service_cert.pem -outform der | sha256sum
	//
	// The first call then asks a node for the certificate, once and without
	// showing who asks, and goes on only if the digest is right. A digest that
	// was read from the service itself proves nothing. Zero means none; if the
	// certificate is given too, they must agree.
	ServiceCertificateDigest [32]byte
	// Nodes are addresses of further nodes of the service, each
	// https://host[:port] with a certificate of that name signed by the service
	// certificate. One that does not answer, or has no primary, is passed over
	// in favour of the next; a call tries each of them before it pauses.
	Nodes []string
	// DialContext opens connections; nil means the network.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Transport wraps the pinned transport, for logs, traces and tests; nil
	// means none. It sees secrets in the bodies.
	Transport func(http.RoundTripper) http.RoundTripper
	// EarlyReturn makes a write return when the service has executed it, not
	// only when its transaction is committed; [Client.WaitCommitted] waits for
	// all of them. Other nodes may not know the write yet, and it can still be
	// dropped.
	EarlyReturn bool
	// PollInterval is the longest pause between two looks at a transaction or
	// a proposal; the first pauses are shorter. Zero means 500 ms.
	PollInterval time.Duration
	// Logger gets one line per request at debug level, without bodies; nil
	// means none.
	Logger *slog.Logger
	// TracingProvider makes a span for each operation, such as
	// governance.Propose, and below it one for each request; the zero value
	// makes none. No body and no text of an error is in a span.
	TracingProvider tracing.Provider
}

// Client acts for one member at one service. It is safe for concurrent use and
// keeps one connection: make one and share it.
type Client struct {
	wire   *wire
	member *Member
	now    func() time.Time // a field so that tests can have it wrong
}

// NewClient makes a client for the service at endpoint, https://host[:port].
// Nothing is sent yet.
func NewClient(endpoint string, member *Member, opts *ClientOptions) (*Client, error) {
	if member == nil {
		return nil, errors.New("governance: a client needs a member")
	}
	w, err := newWire(endpoint, member, opts)
	if err != nil {
		return nil, err
	}
	return &Client{wire: w, member: member, now: time.Now}, nil
}

// WaitCommitted returns once everything that the client wrote so far is
// committed; without [ClientOptions.EarlyReturn] that is so already. The error
// wraps [ErrTransactionLost] if the service dropped some of the writes: read
// back which of them are there, and make the others again.
func (c *Client) WaitCommitted(ctx context.Context) error { return c.wire.waitCommitted(ctx) }

// Close closes idle connections.
func (c *Client) Close() { c.wire.close() }

// Member is whom the client acts for.
func (c *Client) Member() *Member { return c.member }
