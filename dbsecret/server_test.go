package dbsecret_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres"
	"github.com/cleanroom-go/sdk/internal/testpki"
	"github.com/cleanroom-go/sdk/skr"
)

// shared is one server for the tests that leave it as they find it.
var shared = sync.OnceValues(func() (*server, error) { return newServer(context.Background(), postgres.Options{}) })

var sharedStarted atomic.Bool

func TestMain(m *testing.M) {
	code := m.Run()
	if sharedStarted.Load() {
		if s, err := shared(); err == nil {
			if err := s.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// server is a cluster with the authority that signs its certificates.
type server struct {
	*postgres.Cluster
	ca *testpki.CA
}

func newServer(ctx context.Context, opts postgres.Options) (*server, error) {
	ca, err := testpki.New("database")
	if err != nil {
		return nil, err
	}
	cert, err := ca.Issue("localhost")
	if err != nil {
		return nil, err
	}
	opts.ServerCertificate, opts.RootPEM = *cert, ca.RootPEM()
	cluster, err := postgres.Start(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &server{cluster, ca}, nil
}

// requireServer skips where PostgreSQL is not installed, unless the environment
// says that it must be.
func requireServer(t testing.TB) {
	t.Helper()
	_, err := postgres.Find()
	if errors.Is(err, postgres.ErrNotInstalled) && os.Getenv("CLEANROOM_REQUIRE_POSTGRES") != "1" {
		t.Skip("no PostgreSQL server here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sharedServer returns the server with the sample data.
func sharedServer(t testing.TB) *server {
	t.Helper()
	requireServer(t)
	sharedStarted.Store(true)
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ownServer starts a server whose settings the test changes.
func ownServer(t testing.TB) *server {
	t.Helper()
	requireServer(t)
	s, err := newServer(t.Context(), postgres.Options{NoSampleData: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// document describes the server as its owner would.
func (s *server) document() *dbsecret.Document {
	return &dbsecret.Document{
		Endpoint: s.Host, Port: s.Port, Name: s.Database, User: s.User,
		SSLRootCert: string(s.RootPEM),
		Password:    passwordRef(),
	}
}

func passwordRef() skr.SecretRef {
	return skr.SecretRef{
		ClientID: "11111111-1111-1111-1111-111111111111",
		TenantID: "22222222-2222-2222-2222-222222222222",
		Name:     "db-password",
		VaultURL: "https://publisher.vault.azure.net",
		KEK: skr.KeyRef{
			Name:           "publisher-kek",
			VaultURL:       "https://publisher.vault.azure.net",
			AttestationURL: "https://sharedneu.neu.attest.azure.net",
		},
	}
}

// passwords is an Unwrapper that hands out one password after the other, the
// last one for ever.
type passwords struct {
	mu    sync.Mutex
	list  []string
	calls int
}

func (p *passwords) Unwrap(_ context.Context, ref skr.SecretRef) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ref != passwordRef() {
		return nil, fmt.Errorf("asked for %v", ref)
	}
	p.calls++
	next := p.list[0]
	if len(p.list) > 1 {
		p.list = p.list[1:]
	}
	return []byte(next), nil
}

// unwrapper knows the password of the server's user.
func (s *server) unwrapper() *passwords {
	return &passwords{list: []string{string(s.Cluster.Password().Clone())}}
}

// connector makes a connector for the document.
func connector(t testing.TB, doc *dbsecret.Document, unwrap skr.Unwrapper, opts *dbsecret.Options) *dbsecret.Connector {
	t.Helper()
	c, err := dbsecret.NewConnector(doc, unwrap, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open makes a DB of a document.
func open(t testing.TB, doc *dbsecret.Document, unwrap skr.Unwrapper, opts *dbsecret.Options) *sql.DB {
	t.Helper()
	db := sql.OpenDB(connector(t, doc, unwrap, opts))
	t.Cleanup(func() { db.Close() })
	return db
}

// db opens the server's database in the ordinary way.
func (s *server) db(t testing.TB) *sql.DB {
	t.Helper()
	return open(t, s.document(), s.unwrapper(), nil)
}

// admin opens a database as the superuser.
func (s *server) admin(t testing.TB, database string) *sql.DB {
	t.Helper()
	db, err := s.OpenAdmin(database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// wantError checks that an error says all of the given things.
func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q:\n%v", part, err)
		}
	}
}
