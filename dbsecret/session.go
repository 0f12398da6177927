package dbsecret

import (
	"context"
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

	mu      sync.Mutex
	first   *cancellable
	stage   stage  // of connecting, see stage.go
	address string // of the server, as precisely as it is known

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
	if first == nil {
		s.enter(stageDial, address)
	}
	conn, err := s.connector.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if remote := conn.RemoteAddr(); remote != nil {
		address = remote.String()
	}
	secure := conn
	if s.connector.tls != nil {
		if first == nil {
			s.enter(stageTLS, address)
		}
		if secure, err = startTLS(ctx, conn, s.connector.tls); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	if first != nil {
		_ = secure.SetDeadline(time.Now().Add(cancelGrace))
		return secure, nil
	}
	s.enter(stageLogin, address)
	c := &cancellable{Conn: secure, session: s}
	s.mu.Lock()
	s.first = c
	s.mu.Unlock()
	if ctx.Err() != nil {
		s.abort() // the caller's came too early
	}
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
