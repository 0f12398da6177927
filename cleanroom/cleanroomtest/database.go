package cleanroomtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/cleanroom-go/sdk/internal/emulator/pgstandin"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres"
	"github.com/cleanroom-go/sdk/internal/redact"
)

// Database is a PostgreSQL on loopback that speaks TLS 1.3 and SCRAM-SHA-256
// only. It holds sample data that belong to nobody: 1,000 users, of whom 521
// have the gender Female, and 50 plants.
type Database struct {
	// Host and Port lead to it; the certificate is for Host.
	Host string
	Port int
	// Name is the database, User its owner, who is no superuser.
	Name, User string
	// RootPEM is the certificate authority of the server's certificate.
	RootPEM []byte
	// Version is what the server says it is, for instance "PostgreSQL 15.18", or
	// "a stand-in, not PostgreSQL".
	Version string
	// StandIn reports that it comes from [Env.StartStandIn].
	StandIn bool

	password *redact.Secret
}

// Password returns a copy of the password; clear it after use.
func (d *Database) Password() []byte { return d.password.Clone() }

// ErrNoPostgreSQL is wrapped by the error of [Env.StartDatabase] when the
// server programs of PostgreSQL are not installed. The error says how to
// install them on this system.
var ErrNoPostgreSQL = errors.New("the server programs of PostgreSQL are not installed")

// StartDatabase starts a temporary PostgreSQL with sample data from the
// server programs of this machine, which takes about half a second. It ends
// with the environment. It can be called once. The variable CLEANROOM_PG_BIN
// names the directory of the programs where they are not found by themselves;
// if it is "none", none are found.
func (e *Env) StartDatabase(ctx context.Context) (*Database, error) {
	if _, err := postgres.Find(); err != nil {
		return nil, notFound(err)
	}
	return e.startOnce(func() (*Database, error) { return e.startDatabase(ctx) })
}

// StartStandIn starts, in place of StartDatabase where PostgreSQL is missing, a
// server of this module that speaks its protocol over the same sample data, with
// TLS and SCRAM. It is not PostgreSQL: it only reads, and knows a SELECT of one
// table's columns with conditions, ORDER BY and LIMIT, SHOW, and transactions;
// anything else is refused with SQLSTATE 0A000. Do not test with it what only a
// PostgreSQL can answer. It ends with the environment.
func (e *Env) StartStandIn() (*Database, error) { return e.startOnce(e.startStandIn) }

func (e *Env) startOnce(start func() (*Database, error)) (*Database, error) {
	if err := e.claimDatabase(); err != nil {
		return nil, err
	}
	d, err := start()
	if err != nil {
		e.mu.Lock()
		e.claimed = false // another try may do better
		e.mu.Unlock()
	}
	return d, err
}

// notFound tells a machine without PostgreSQL from one where it was looked for
// in the wrong place.
func notFound(err error) error {
	if errors.Is(err, postgres.ErrNotInstalled) {
		return fmt.Errorf("cleanroomtest: database: %w: %s", ErrNoPostgreSQL, postgres.InstallHint())
	}
	return fmt.Errorf("cleanroomtest: database: %w", err)
}

func (e *Env) startDatabase(ctx context.Context) (*Database, error) {
	cert, err := e.ca.Issue("localhost", "127.0.0.1")
	if err != nil {
		return nil, fmt.Errorf("cleanroomtest: database: %w", err)
	}
	cluster, err := postgres.Start(ctx, postgres.Options{ServerCertificate: *cert, RootPEM: e.ca.RootPEM()})
	if err != nil {
		return nil, fmt.Errorf("cleanroomtest: database: %w", err)
	}
	if err := e.keepDatabase(cluster); err != nil {
		return nil, errors.Join(err, cluster.Stop())
	}
	return &Database{
		Host: cluster.Host, Port: cluster.Port, Name: cluster.Database, User: cluster.User,
		RootPEM: cluster.RootPEM, Version: cluster.Version, password: cluster.Password(),
	}, nil
}

func (e *Env) startStandIn() (*Database, error) {
	cert, err := e.ca.Issue("localhost", "127.0.0.1")
	if err != nil {
		return nil, fmt.Errorf("cleanroomtest: database: %w", err)
	}
	server, err := pgstandin.Start(cert)
	if err != nil {
		return nil, fmt.Errorf("cleanroomtest: database: %w", err)
	}
	if err := e.keepDatabase(server); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return &Database{
		Host: server.Host, Port: server.Port, Name: server.Database, User: server.User,
		RootPEM: e.ca.RootPEM(), Version: "a stand-in, not PostgreSQL", StandIn: true, password: server.Password(),
	}, nil
}

// stopper is a database that runs.
type stopper interface{ Stop() error }

var errClosed = errors.New("cleanroomtest: database: the environment is closed")

// claimDatabase and keepDatabase hold the lock for a moment only: while the
// server starts, the services answer.
func (e *Env) claimDatabase() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errClosed
	}
	if e.claimed {
		return errors.New("cleanroomtest: database: it was started before")
	}
	e.claimed = true
	return nil
}

func (e *Env) keepDatabase(c stopper) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errClosed
	}
	e.database = c
	return nil
}
