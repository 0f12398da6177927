package cleanroomtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"os"
	"testing"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
)

// TestDatabase: the sample data are there, under TLS with the environment's
// authority, and the server is gone with the environment.
func TestDatabase(t *testing.T) {
	env := start(t)
	d, err := env.StartDatabase(t.Context())
	if errors.Is(err, cleanroomtest.ErrNoPostgreSQL) && os.Getenv("CLEANROOM_REQUIRE_POSTGRES") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := env.StartDatabase(t.Context()); err == nil {
		t.Error("a second database was started")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(d.RootPEM) {
		t.Fatal("no root")
	}
	const name = "cleanroomtest"
	if err := pq.RegisterTLSConfig(name, &tls.Config{RootCAs: roots, ServerName: d.Host}); err != nil {
		t.Fatal(err)
	}
	connector, err := pq.NewConnectorConfig(pq.Config{
		Host: d.Host, Port: uint16(d.Port), Database: d.Name, User: d.User, Password: string(d.Password()), SSLMode: "pqgo-" + name,
	})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	var users, female, plants int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*), count(*) FILTER (WHERE gender = 'Female'), (SELECT count(*) FROM plants) FROM users`).Scan(&users, &female, &plants); err != nil {
		t.Fatal(err)
	}
	if users != 1000 || female != 521 || plants != 50 {
		t.Errorf("%d users, %d female, %d plants", users, female, plants)
	}
	if err := env.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("the database outlives its environment")
	}
}
