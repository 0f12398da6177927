package dbsecret

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"

	"github.com/cleanroom-go/sdk/skr"
)

// SecretGetter reads a secret of the governance service.
type SecretGetter interface {
	Secret(ctx context.Context, id string) ([]byte, error)
}

// Dialer opens the network connection below TLS; *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Options are the options of Resolve and NewConnector.
type Options struct {
	AllowTLSWeakerThanVerifyFull bool
	Dialer                       Dialer
}

// Connector makes connections.
type Connector struct{}

// Resolve reads the document and makes the connector.
func Resolve(ctx context.Context, secrets SecretGetter, unwrap skr.Unwrapper, id string, opts *Options) (*Connector, error) {
	return nil, errors.ErrUnsupported
}

// NewConnector makes a connector from a document.
func NewConnector(doc *Document, unwrap skr.Unwrapper, opts *Options) (*Connector, error) {
	return nil, errors.ErrUnsupported
}

// Document returns a copy of the document.
func (c *Connector) Document() Document { return Document{} }

// Connect opens a connection.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	return nil, errors.ErrUnsupported
}

// Driver returns the driver.
func (c *Connector) Driver() driver.Driver { return nil }

// Close forgets the password.
func (c *Connector) Close() error { return nil }
