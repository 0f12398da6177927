package dbsecret

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A session dials for one connection of the driver and speaks TLS below it, so
// that the driver itself is told "disable". That is how a root belongs to one
// connector: lib/pq takes a root from a file, from a registry shared by the
// process, or inline together with a client certificate that we have not got;
// and it would look into the home directory for all three.
//
// The driver keeps the session and dials a second time only to send a
// cancellation.
type session struct {
	connector *Connector

	mu    sync.Mutex
	first *cancellable

	broken atomic.Bool // the server broke the protocol
}

// Dial and DialTimeout belong to the driver's interface; it prefers
// DialContext.
func (s *session) Dial(network, address string) (net.Conn, error) {
	return s.DialContext(context.Background(), network, address)
}

func (s *session) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.DialContext(ctx, network, address)
}

func (s *session) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	first := s.first
	s.mu.Unlock()
	if first != nil {
		first.cancelled()
	}
	conn, err := s.connector.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secure := conn
	if s.connector.tls != nil {
		if secure, err = startTLS(ctx, conn, s.connector.tls); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	if first != nil {
		_ = secure.SetDeadline(time.Now().Add(cancelGrace))
		return secure, nil
	}
	c := &cancellable{Conn: secure, session: s}
	s.mu.Lock()
	s.first = c
	s.mu.Unlock()
	return c, nil
}

// abort makes all reading and writing of the session fail.
func (s *session) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first != nil {
		_ = s.first.SetDeadline(time.Unix(1, 0))
	}
}

// drop ends a connection whose server broke the protocol.
func (s *session) drop() {
	s.broken.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first != nil {
		_ = s.first.Close()
	}
}

// cancelGrace is how long a server may take to answer a cancellation, what was
// under way included, before the connection counts as dead. The driver would
// wait for ever.
const cancelGrace = 5 * time.Second

// cancellable is a connection whose server must answer once a cancellation is
// under way. That lasts until the client has read something and writes again:
// then it got its answer and goes on with something else. What is read must
// have the protocol's frames.
type cancellable struct {
	net.Conn
	session *session
	frames  frames
	state   atomic.Int32 // one of the three below
}

const (
	stateNormal int32 = iota
	stateCancelled
	stateAnswering
)

func (c *cancellable) cancelled() {
	c.state.Store(stateCancelled)
	_ = c.SetReadDeadline(time.Now().Add(cancelGrace))
}

func (c *cancellable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.state.Load() == stateCancelled {
		c.state.CompareAndSwap(stateCancelled, stateAnswering)
	}
	if malformed := c.frames.check(p[:n]); malformed != nil {
		c.session.drop()
		return 0, malformed
	}
	return n, err
}

func (c *cancellable) Write(p []byte) (int, error) {
	if c.state.CompareAndSwap(stateAnswering, stateNormal) {
		_ = c.SetReadDeadline(time.Time{})
	}
	return c.Conn.Write(p)
}

// errNoTLS is the server's "N" to our request for TLS.
var errNoTLS = errors.New("the server does not speak TLS; switch it on there (ssl=on)")

// startTLS asks for TLS and verifies the server. Exactly one byte is read in
// plain: whatever an attacker injects behind it ends up in the handshake and
// breaks it.
func startTLS(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	// SSLRequest: the length of the message, and 1234 and 5679 where a start-up
	// has the protocol's version.
	request := binary.BigEndian.AppendUint32(nil, 8)
	request = binary.BigEndian.AppendUint32(request, 1234<<16|5679)
	if _, err := conn.Write(request); err != nil {
		return nil, contextFirst(ctx, fmt.Errorf("request TLS: %w", err))
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, contextFirst(ctx, fmt.Errorf("request TLS: no answer: %w", err))
	}
	switch answer[0] {
	case 'S':
	case 'N':
		return nil, errNoTLS
	default:
		return nil, fmt.Errorf("request TLS: the answer is %q; this is no PostgreSQL server", answer[0])
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, contextFirst(ctx, err)
	}
	return secure, nil
}

// tlsConfig is nil for a connection without TLS.
func tlsConfig(d *Document) (*tls.Config, error) {
	if d.sslMode() == sslDisable {
		return nil, nil
	}
	config := &tls.Config{ServerName: d.Endpoint, MinVersion: tls.VersionTLS12}
	if d.SSLRootCert != "" {
		roots, err := rootPool(d.SSLRootCert)
		if err != nil {
			return nil, fmt.Errorf("sslRootCert %w", err)
		}
		config.RootCAs = roots
	}
	switch d.sslMode() {
	case sslVerifyFull:
	case sslVerifyCA:
		config.InsecureSkipVerify = true
		config.VerifyConnection = chainOnly(config.RootCAs)
	default: // require
		config.InsecureSkipVerify = true
	}
	return config, nil
}

// chainOnly verifies as verify-full does, but for the name.
func chainOnly(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, cert := range state.PeerCertificates[1:] {
			opts.Intermediates.AddCert(cert)
		}
		_, err := state.PeerCertificates[0].Verify(opts)
		return err
	}
}

// contextFirst prefers the context's error: the network's own is then only the
// deadline that we set.
func contextFirst(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
