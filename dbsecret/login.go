package dbsecret

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"strconv"
)

// Login is what a driver needs to open one connection, for [Options] Open: any
// driver that takes a function to dial and can be told not to speak TLS itself.
//
//	opts := &dbsecret.Options{Open: func(ctx context.Context, login dbsecret.Login) (driver.Conn, error) {
//		config, err := pgx.ParseConfig("sslmode=disable") // TLS is below
//		if err != nil {
//			return nil, err
//		}
//		config.Host, config.Port, config.Database = login.Host, login.Port, login.Database
//		config.User, config.Password = login.User, login.Password
//		config.DialFunc, config.LookupFunc = login.Dial, login.Lookup
//		config.Fallbacks = nil
//		return stdlib.GetConnector(*config).Connect(ctx)
//	}}
//
// Below the driver are the document's TLS and the bound on the length of a
// message, and above it the unwrapping of the password and its rotation, for
// which the driver's errors must have a method SQLState, as those of lib/pq and
// pgx do. What the driver makes of the environment, and of malformed values, is
// its own: the guard against panics is lib/pq's.
type Login struct {
	Host           string
	Port           uint16
	Database, User string
	// Password is text, for that is what drivers take; do not keep it.
	Password string
	// Dial opens the network connection to the document's server, whatever the
	// address that it is called with, and speaks TLS on it as the document and
	// [Options] want it. What is dialled once a connection is there may only
	// cancel what that one does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup gives the host back, for drivers that look names up before they
	// dial.
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// openOther runs the caller's driver for one attempt.
func (c *Connector) openOther(ctx context.Context, password string) (conn driver.Conn, err error) {
	s := &session{connector: c}
	defer func() {
		if r := recover(); r != nil {
			s.drop()
			conn, err = nil, panicError(r)
		}
	}()
	stop := context.AfterFunc(ctx, s.abort)
	defer stop()
	host := c.doc.Endpoint
	if c.doc.IP != "" {
		host = c.doc.IP
	}
	address := net.JoinHostPort(host, strconv.Itoa(int(c.doc.port())))
	conn, err = c.openWith(ctx, Login{
		Host: c.doc.Endpoint, Port: c.doc.port(), Database: c.doc.Name, User: c.doc.User, Password: password,
		Dial:   func(ctx context.Context, _, _ string) (net.Conn, error) { return s.DialContext(ctx, "tcp", address) },
		Lookup: func(_ context.Context, host string) ([]string, error) { return []string{host}, nil },
	})
	if err == nil && conn == nil {
		err = errors.New("the driver returned no connection")
	}
	if !stop() && err == nil {
		_ = conn.Close()
		conn, err = nil, context.Cause(ctx)
	}
	if err != nil {
		s.drop()
		return nil, s.ended(ctx, err)
	}
	return conn, nil
}

// sqlState is the server's code in an error of any driver, or empty.
func sqlState(err error) string {
	var refused interface{ SQLState() string }
	if errors.As(err, &refused) {
		return refused.SQLState()
	}
	return ""
}
