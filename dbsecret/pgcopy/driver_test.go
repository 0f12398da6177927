package pgcopy_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/dbsecret/pgcopy"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres/pgtest"
)

// TestPGX plugs pgx into a connector, which can still copy.
func TestPGX(t *testing.T) {
	s := pgtest.Start(t)
	opts := &dbsecret.Options{Open: func(ctx context.Context, login dbsecret.Login) (driver.Conn, error) {
		config, err := pgx.ParseConfig("sslmode=disable") // TLS is below
		if err != nil {
			return nil, err
		}
		config.Host, config.Port, config.Database = login.Host, login.Port, login.Database
		config.User, config.Password = login.User, login.Password
		config.DialFunc, config.LookupFunc = login.Dial, login.Lookup
		config.Fallbacks = nil
		return stdlib.GetConnector(*config).Connect(ctx)
	}}
	c := pgtest.Connector(t, s.Document(), s.Unwrapper(), opts)
	db := sql.OpenDB(c)
	defer db.Close()
	result, err := dbsecret.WriteRows(t.Context(), io.Discard, db, `SELECT id, first_name FROM users WHERE gender = $1`, "Female")
	if err != nil || result.Rows != 521 {
		t.Errorf("%+v, %v", result, err)
	}
	var version string
	if err := db.QueryRowContext(t.Context(), `SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()`).Scan(&version); err != nil || version != "TLSv1.3" {
		t.Errorf("TLS %q, %v", version, err)
	}
	if result, err = pgcopy.Write(t.Context(), io.Discard, c, nil, `TABLE users`); err != nil || result.Rows != 1000 {
		t.Errorf("%+v, %v", result, err)
	}
	wrong := sql.OpenDB(pgtest.Connector(t, s.Document(), pgtest.Password("canary"), opts))
	defer wrong.Close()
	if err := wrong.PingContext(t.Context()); err == nil {
		t.Error("a wrong password let in")
	}
}
