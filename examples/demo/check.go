package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/skr"
)

// checkTimeout bounds the look at a database that does not answer.
const checkTimeout = 15 * time.Second

// check connects as the room will, so that a database that cannot be used is
// known before anything else is started.
func (t *target) check(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	connector, err := dbsecret.NewConnector(t.document(), known(t.Password), &dbsecret.Options{AllowTLSWeakerThanVerifyFull: t.SSLMode != "verify-full"})
	if err != nil {
		return fmt.Errorf("-dsn: %w", err)
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	var version string
	if err := db.QueryRowContext(ctx, "SHOW server_version").Scan(&version); err != nil {
		return fmt.Errorf("-dsn: %w", err)
	}
	rows, err := db.QueryContext(ctx, "SELECT id, first_name FROM users WHERE gender = $1 LIMIT 0", "Female")
	if err == nil {
		err = errors.Join(rows.Err(), rows.Close())
	}
	var answer *pq.Error
	switch {
	case errors.As(err, &answer):
		return fmt.Errorf("-dsn: database %s has no table users(id, first_name, gender) that user %s can ask for the gender Female: %s", t.Name, t.User, answer.Message)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("-dsn: %s does not answer within %s: %w", t.Host, checkTimeout, err)
	case err != nil:
		return fmt.Errorf("-dsn: %w", err)
	}
	t.Label = fmt.Sprintf("PostgreSQL %s, %s", version, t.Label)
	return nil
}

// document is what the publisher will tell the room, but that the password is
// not wrapped yet; the reference to it is a placeholder.
func (t *target) document() *dbsecret.Document {
	const id, vault = "00000000-0000-0000-0000-000000000000", "https://placeholder.vault.azure.net"
	return &dbsecret.Document{
		Endpoint: t.Host, Port: t.Port, Name: t.Name, User: t.User, SSLMode: t.SSLMode, SSLRootCert: string(t.RootPEM),
		Password: skr.SecretRef{
			Name: "placeholder", ClientID: id, TenantID: id, VaultURL: vault,
			KEK: skr.KeyRef{Name: "placeholder", VaultURL: vault, AttestationURL: "https://" + cleanroomtest.AttestationHost},
		},
	}
}

// known is an unwrapper of a password that is at hand.
type known []byte

func (k known) Unwrap(context.Context, skr.SecretRef) ([]byte, error) { return bytes.Clone(k), nil }
