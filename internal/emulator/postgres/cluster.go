// Package postgres runs a temporary PostgreSQL cluster.
package postgres

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// Options are the options of Start.
type Options struct {
	ServerCertificate tls.Certificate
	RootPEM           []byte
	NoTLS             bool
}

// Cluster is a running server.
type Cluster struct {
	Host     string
	Port     int
	Database string
	User     string
	Version  string
}

// ErrNotInstalled is reported when no server binaries are found.
var ErrNotInstalled = errors.New("no PostgreSQL server binaries")

// Find returns the directory of initdb and postgres.
func Find() (string, error) { return "", errors.ErrUnsupported }

// InstallHint is one line that says how to install the server.
func InstallHint() string { return "" }

// Start makes and starts a cluster.
func Start(ctx context.Context, opts Options) (*Cluster, error) { return nil, errors.ErrUnsupported }

// Password is the password of User.
func (c *Cluster) Password() *redact.Secret { return nil }

// RootPEM is the certificate that signed the server's.
func (c *Cluster) RootPEM() []byte { return nil }

// Connect opens an administrator's session.
func (c *Cluster) Connect(ctx context.Context) (*sql.DB, error) { return nil, errors.ErrUnsupported }

// Stop ends the server and removes its directory.
func (c *Cluster) Stop() error { return nil }
