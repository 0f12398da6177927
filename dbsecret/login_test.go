package dbsecret_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// dialBy makes a driver's dialer of a login's.
type dialBy struct{ login dbsecret.Login }

func (d dialBy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.login.Dial(ctx, network, "192.0.2.1:9") // it goes to the document's server all the same
}
func (d dialBy) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}
func (d dialBy) DialTimeout(network, address string, _ time.Duration) (net.Conn, error) {
	return d.Dial(network, address)
}

// plainPQ is the driver without anything of ours around it.
func plainPQ(ctx context.Context, login dbsecret.Login) (driver.Conn, error) {
	c, err := pq.NewConnectorConfig(pq.Config{Host: login.Host, Port: login.Port, Database: login.Database, User: login.User, Password: login.Password, SSLMode: pq.SSLModeDisable})
	if err != nil {
		return nil, err
	}
	c.Dialer(dialBy{login})
	return c.Connect(ctx)
}

// TestOtherDriver has the document's TLS below another driver, and the rotation
// of the password above it.
func TestOtherDriver(t *testing.T) {
	s := sharedServer(t)
	opts := &dbsecret.Options{Open: plainPQ}
	result, err := dbsecret.WriteRows(t.Context(), io.Discard, open(t, s.document(), s.unwrapper(), opts), `SELECT id FROM users WHERE gender = $1`, "Female")
	if err != nil || result.Rows != 521 {
		t.Fatalf("%+v, %v", result, err)
	}
	c := connector(t, s.document(), &passwords{list: []string{"old", string(s.Password().Clone())}}, opts)
	if _, err := c.Connect(t.Context()); err == nil {
		t.Error("the first password is wrong, and let in")
	}
	conn, err := c.Connect(t.Context()) // a kept password that is refused is unwrapped again
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	_, err = connector(t, s.document(), &passwords{list: []string{"canary"}}, opts).Connect(t.Context())
	wantError(t, err, "dbsecret: connect to localhost", "refused the password")
	doc := s.document()
	doc.SSLRootCert = hostileServer(t, nil, func(net.Conn) {}).SSLRootCert
	_, err = connector(t, doc, s.unwrapper(), opts).Connect(t.Context())
	wantError(t, err, "sslRootCert")
	for want, bad := range map[string]func(context.Context, dbsecret.Login) (driver.Conn, error){
		"no connection": func(context.Context, dbsecret.Login) (driver.Conn, error) { return nil, nil },
		"malformed":     func(context.Context, dbsecret.Login) (driver.Conn, error) { panic("in the driver") },
		"of its own":    func(context.Context, dbsecret.Login) (driver.Conn, error) { return nil, errors.New("of its own") },
	} {
		_, err := connector(t, s.document(), s.unwrapper(), &dbsecret.Options{Open: bad}).Connect(t.Context())
		wantError(t, err, "dbsecret: connect to localhost", want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := connector(t, s.document(), s.unwrapper(), opts).Connect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
