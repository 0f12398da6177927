package postgres

import (
	"context"
	"crypto/tls"
	"database/sql"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// Options are the options of [Start]. The zero value is ready.
type Options struct {
	// ServerCertificate is what the server shows: the leaf, those above it and
	// the leaf's key. Zero means one for "localhost" and 127.0.0.1 from an
	// authority made for this cluster, whose root RootPEM then is.
	ServerCertificate tls.Certificate
	// RootPEM is the root of ServerCertificate, for [Cluster.RootPEM] alone.
	RootPEM []byte
	// NoSampleData leaves the database empty.
	NoSampleData bool
	// Dir is the directory in which the cluster's own is made. Empty means one
	// in memory if the system has room there, else the temporary directory.
	Dir string
}

// Cluster is a running server.
type Cluster struct {
	Host     string // "localhost"
	Port     int
	Database string // "test_data"
	User     string // "user", who owns the database and is no superuser
	Version  string // such as "PostgreSQL 15.18"
	RootPEM  []byte // the root that clients need, as far as Start knows it

	password *redact.Secret
	admin    *redact.Secret
	process  *process
}

// What a cluster is called.
const (
	databaseName = "test_data"
	userName     = "user"
	adminName    = "admin"
)

// Password is the password of User. It belongs to the cluster, which clears it
// in Stop.
func (c *Cluster) Password() *redact.Secret { return c.password }

// OpenAdmin opens a database as the superuser "admin", through the server's
// private socket: no TLS and no port is involved. Empty means Database.
func (c *Cluster) OpenAdmin(database string) (*sql.DB, error) {
	if database == "" {
		database = c.Database
	}
	return c.open(adminName, c.admin, database)
}

// SetCertificate makes the server show another certificate from the next
// connection on, for instance an expired one.
func (c *Cluster) SetCertificate(ctx context.Context, cert *tls.Certificate) error {
	return c.process.reconfigure(ctx, cert)
}

// DisableTLS makes the server refuse TLS, and accept logins without it, from
// the next connection on. SetCertificate undoes both.
func (c *Cluster) DisableTLS(ctx context.Context) error { return c.process.reconfigure(ctx, nil) }

// Log is the end of what the server reported.
func (c *Cluster) Log() string { return c.process.log.String() }

// Stop ends the server, removes all of it and clears the passwords. Calling it
// again does nothing and returns the same.
func (c *Cluster) Stop() error {
	err := c.process.stop()
	c.password.Close()
	c.admin.Close()
	return err
}

// open connects through the socket. The configuration is a value: lib/pq reads
// the environment only for connection strings.
func (c *Cluster) open(user string, password *redact.Secret, database string) (*sql.DB, error) {
	plain := password.Clone()
	defer redact.Clear(plain)
	connector, err := pq.NewConnectorConfig(pq.Config{
		Host:     c.process.dir,
		Port:     uint16(c.Port),
		User:     user,
		Password: string(plain),
		Database: database,
		SSLMode:  pq.SSLModeDisable,
	})
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}
