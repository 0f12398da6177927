package dbsecret

import (
	"bytes"
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/internal/trace"
	"github.com/cleanroom-go/sdk/skr"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
)

// SecretGetter reads a secret of the governance service, as the room's client
// of it does.
type SecretGetter interface {
	Secret(ctx context.Context, id string) ([]byte, error)
}

// Dialer opens the network connection below TLS; *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Options are the options of [Resolve] and [NewConnector]. The zero value is
// ready.
type Options struct {
	// AllowTLSWeakerThanVerifyFull permits a document whose sslMode is
	// "verify-ca", "require" or "disable". Without it such a document is
	// refused: whoever controls the network between room and database could
	// then pose as the server, be told the password and read the rows. It
	// weakens nothing by itself.
	AllowTLSWeakerThanVerifyFull bool
	// Dialer replaces the network. Nil means a net.Dialer.
	Dialer Dialer
	// TracingProvider makes a span, dbsecret.Connect, for each connection; the
	// zero value makes none.
	TracingProvider tracing.Provider
	// Open opens a connection with another driver than lib/pq: see [Login]. Nil
	// means lib/pq.
	Open func(ctx context.Context, login Login) (driver.Conn, error)
}

// Connector opens connections to the document's database with lib/pq. It is
// safe for several goroutines, and [database/sql.OpenDB] closes it with the
// DB.
//
// The password is unwrapped at the first connection and kept, redacted, until
// Close. When the server refuses a kept password (SQLSTATE 28P01 or 28000), it
// is unwrapped once more: it may have been rotated.
//
// The connections are lib/pq's behind a guard, so that its functions that take a
// driver.Conn (notices, notifications) do not know them.
type Connector struct {
	doc      Document
	tls      *tls.Config // nil: sslMode "disable"
	dialer   Dialer
	openWith func(context.Context, Login) (driver.Conn, error) // nil: lib/pq
	password *passwordSource
	tracer   trace.Tracer
}

var (
	_ driver.Connector = (*Connector)(nil)
	_ io.Closer        = (*Connector)(nil)
	_ fmt.Formatter    = (*Connector)(nil)
)

// Resolve reads the document stored as the secret id and makes its connector.
// Nothing is released or connected before the first use.
func Resolve(ctx context.Context, secrets SecretGetter, unwrap skr.Unwrapper, id string, opts *Options) (*Connector, error) {
	if secrets == nil || id == "" {
		return nil, errors.New("dbsecret: resolve: the source of secrets and the secret's id are required")
	}
	value, err := secrets.Secret(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("dbsecret: resolve secret %s: %w", id, err)
	}
	doc, err := Parse(value)
	if err != nil {
		return nil, fmt.Errorf("dbsecret: resolve secret %s: %w", id, err)
	}
	c, err := NewConnector(doc, unwrap, opts)
	if err != nil {
		return nil, fmt.Errorf("dbsecret: resolve secret %s: %w", id, err)
	}
	return c, nil
}

// NewConnector makes the connector of a document that is already at hand.
func NewConnector(doc *Document, unwrap skr.Unwrapper, opts *Options) (*Connector, error) {
	if doc == nil || unwrap == nil {
		return nil, errors.New("dbsecret: new connector: a document and an unwrapper are required")
	}
	if opts == nil {
		opts = &Options{}
	}
	d, err := doc.normalized()
	if err != nil {
		return nil, err
	}
	if d.sslMode() != sslVerifyFull && !opts.AllowTLSWeakerThanVerifyFull {
		return nil, fmt.Errorf("dbsecret: new connector: the document for %s asks for sslMode %q, which does not verify the server; have it changed to %q with the server's root in sslRootCert, or permit it with Options.AllowTLSWeakerThanVerifyFull",
			d.Endpoint, d.SSLMode, sslVerifyFull)
	}
	config, err := tlsConfig(&d)
	if err != nil {
		return nil, fmt.Errorf("dbsecret: new connector: %w", err)
	}
	c := &Connector{doc: d, tls: config, dialer: opts.Dialer, openWith: opts.Open, password: newPasswordSource(unwrap, d.Password), tracer: trace.New(opts.TracingProvider, "dbsecret")}
	if c.dialer == nil {
		c.dialer = &net.Dialer{}
	}
	return c, nil
}

// Document returns a copy of the document, normalised.
func (c *Connector) Document() Document { return c.doc }

// Driver returns lib/pq's driver. Its Open reads connection strings and the
// environment, which this connector never does.
func (c *Connector) Driver() driver.Driver { return &pq.Driver{} }

// Close forgets the password; connections that are open stay open. The copies
// that the driver holds for these cannot be cleared.
func (c *Connector) Close() error {
	c.password.close()
	return nil
}

// Format prints where the connector leads.
func (c *Connector) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "dbsecret.Connector(%s)", c.target())
}

func (c *Connector) target() string {
	host := net.JoinHostPort(c.doc.Endpoint, strconv.Itoa(int(c.doc.port())))
	if c.doc.IP != "" {
		host += " at " + c.doc.IP
	}
	return fmt.Sprintf("%s, database %s, user %s", host, c.doc.Name, c.doc.User)
}

// driverDebugs is what the driver made of the environment when the program
// started; it does not look again.
var driverDebugs = os.Getenv("PQGO_DEBUG") == "1"

// Connect opens a connection. The context ends every part of it: unwrapping,
// dialling, TLS and the login.
func (c *Connector) Connect(ctx context.Context) (_ driver.Conn, err error) {
	ctx, end := c.tracer.Start(ctx, "Connect")
	defer end(&err)
	open := c.open
	if c.openWith != nil {
		open = c.openOther
	}
	return c.connectWith(ctx, open)
}

// opener makes one attempt with one password.
type opener func(ctx context.Context, password string) (driver.Conn, error)

func (c *Connector) connectWith(ctx context.Context, open opener) (driver.Conn, error) {
	conn, err := c.connect(ctx, open)
	if err != nil {
		return nil, fmt.Errorf("dbsecret: connect to %s: %w", c.target(), err)
	}
	return conn, nil
}

func (c *Connector) connect(ctx context.Context, open opener) (driver.Conn, error) {
	if driverDebugs || os.Getenv("PQGO_DEBUG") == "1" {
		return nil, errors.New("the environment variable PQGO_DEBUG makes the driver print passwords; unset it")
	}
	p, err := c.password.newer(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer clear(p.plain)
	conn, err := c.login(ctx, open, p.plain)
	if !refusesPassword(err) || !p.kept {
		return conn, err
	}
	fresh, err2 := c.password.newer(ctx, p.serial)
	if err2 != nil {
		return nil, fmt.Errorf("%w; unwrapping the password again: %w", err, err2)
	}
	defer clear(fresh.plain)
	if bytes.Equal(fresh.plain, p.plain) {
		return nil, err
	}
	return c.login(ctx, open, fresh.plain)
}

// login tries the spellings of one password.
func (c *Connector) login(ctx context.Context, open opener, plain []byte) (driver.Conn, error) {
	var conn driver.Conn
	var err error
	for _, spelling := range spellings(string(plain)) {
		conn, err = open(ctx, spelling)
		if !refusesPassword(err) {
			break
		}
	}
	if err != nil {
		return nil, explainConnect(err)
	}
	return conn, nil
}

// open runs the driver for one attempt. The configuration is a value, so no
// environment variable, service file or password file is read: lib/pq reads
// these only while it parses a connection string, and the password file only
// for an empty password, which [passwordSource] refuses.
func (c *Connector) open(ctx context.Context, password string) (conn driver.Conn, err error) {
	s := &session{connector: c}
	connector, err := pq.NewConnectorConfig(c.config(password))
	if err != nil {
		return nil, err
	}
	connector.Dialer(s)
	defer func() { // see guard.go
		if r := recover(); r != nil {
			s.drop()
			conn, err = nil, panicError(r)
		}
	}()
	stop := context.AfterFunc(ctx, s.abort)
	defer stop()
	conn, err = connector.Connect(ctx)
	if !stop() && err == nil {
		_ = conn.Close()
		conn, err = nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, s.ended(ctx, err)
	}
	return &guardedConn{pqConn: conn.(pqConn), session: s}, nil
}

func (c *Connector) config(password string) pq.Config {
	config := pq.Config{
		Host:            c.doc.Endpoint,
		Port:            c.doc.port(),
		Database:        c.doc.Name,
		User:            c.doc.User,
		Password:        password,
		ApplicationName: "cleanroom",
		SSLMode:         pq.SSLModeDisable, // the session speaks TLS below the driver
		ClientEncoding:  "UTF8",
		Datestyle:       "ISO, MDY",
	}
	if c.doc.IP != "" {
		config.Hostaddr = netip.MustParseAddr(c.doc.IP)
	}
	return config
}
