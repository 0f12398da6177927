package dbsecret

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
)

// A LoggedIn is a network connection to the database on which the login is done
// and the server waits for a query: what [Connector.LogIn] hands over. It is for
// programs that speak the rest of PostgreSQL's protocol themselves, for instance
// to COPY, which the driver does not know. Below it are still the document's TLS
// and the bound on the length of a message.
type LoggedIn struct {
	net.Conn
	// ProcessID and SecretKey are what a request to cancel must hold; both are
	// zero if the server gave none.
	ProcessID uint32
	SecretKey []byte

	session *session
}

// LogIn opens a connection as Connect does without [Options] Open, with the same
// checks and errors, and hands over what is below the driver. Whoever gets it
// closes it.
func (c *Connector) LogIn(ctx context.Context) (_ *LoggedIn, err error) {
	ctx, end := c.tracer.Start(ctx, "Connect")
	defer end(&err)
	conn, err := c.connectWith(ctx, c.open)
	if err != nil {
		return nil, err
	}
	s := conn.(*guardedConn).session
	s.mu.Lock()
	first := s.first
	s.mu.Unlock()
	if !first.frames.ready() {
		_ = first.Close()
		return nil, fmt.Errorf("dbsecret: connect to %s: the server went on behind the login, unasked", c.target())
	}
	// The driver's connection is dropped without a word: it has no goroutine, and
	// to close it would be to say goodbye to the server.
	l := &LoggedIn{Conn: &alone{Conn: first}, session: s}
	if key := first.frames.key; len(key) > 4 {
		l.ProcessID, l.SecretKey = binary.BigEndian.Uint32(key), key[4:]
	}
	return l, nil
}

// DialAgain opens another connection to the same server, with the same TLS, that
// may only carry the request to cancel what the first one does. The server has
// five seconds to answer both.
func (l *LoggedIn) DialAgain(ctx context.Context) (net.Conn, error) {
	remote := l.RemoteAddr()
	if remote == nil {
		return nil, errors.New("dbsecret: cancel: the connection has no address to dial again")
	}
	conn, err := l.session.DialContext(ctx, remote.Network(), remote.String())
	if err != nil {
		return nil, fmt.Errorf("dbsecret: cancel: dial %s again: %w", remote, err)
	}
	return conn, nil
}

// alone makes closing twice harmless.
type alone struct {
	net.Conn
	once sync.Once
	err  error
}

func (a *alone) Close() error {
	a.once.Do(func() { a.err = a.Conn.Close() })
	return a.err
}
