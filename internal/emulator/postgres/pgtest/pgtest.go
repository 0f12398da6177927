// Package pgtest gives the tests of several modules a PostgreSQL server with the
// document that leads to it, PostgreSQL's own client, and a server that does
// what no PostgreSQL does.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres"
	"github.com/cleanroom-go/sdk/internal/testpki"
	"github.com/cleanroom-go/sdk/skr"
)

// Server is a running cluster with the sample data.
type Server struct{ *postgres.Cluster }

// Start runs a server until the test ends. Where none is installed the test is
// skipped, unless CLEANROOM_REQUIRE_POSTGRES is 1.
func Start(t testing.TB) *Server {
	t.Helper()
	_, err := postgres.Find()
	if errors.Is(err, postgres.ErrNotInstalled) && os.Getenv("CLEANROOM_REQUIRE_POSTGRES") != "1" {
		t.Skip("no PostgreSQL server here: ", err)
	}
	ca, err := testpki.New("database")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := postgres.Start(context.Background(), postgres.Options{ServerCertificate: *cert, RootPEM: ca.RootPEM()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &Server{cluster}
}

// Exec runs a statement as the superuser.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	db, err := s.OpenAdmin("")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

// Document describes the server as its owner would.
func (s *Server) Document() *dbsecret.Document {
	return &dbsecret.Document{
		Endpoint: s.Host, Port: s.Port, Name: s.Database, User: s.User,
		SSLRootCert: string(s.RootPEM), Password: Reference(),
	}
}

// Reference is where the documents say that the password is.
func Reference() skr.SecretRef {
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

// Password is an Unwrapper that knows one password.
type Password string

// Unwrap returns the password.
func (p Password) Unwrap(_ context.Context, ref skr.SecretRef) ([]byte, error) {
	if ref != Reference() {
		return nil, fmt.Errorf("asked for %v", ref)
	}
	return []byte(p), nil
}

// Unwrapper knows the password of the server's user.
func (s *Server) Unwrapper() Password { return Password(s.Password().Clone()) }

// Connector leads to the server, in the ordinary way.
func (s *Server) Connector(t testing.TB) *dbsecret.Connector {
	return Connector(t, s.Document(), s.Unwrapper(), nil)
}

// Connector makes a connector for the time of the test.
func Connector(t testing.TB, doc *dbsecret.Document, unwrap skr.Unwrapper, opts *dbsecret.Options) *dbsecret.Connector {
	t.Helper()
	c, err := dbsecret.NewConnector(doc, unwrap, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// PSQL returns PostgreSQL's own client, ready to run the command with the same
// verification as ours.
func (s *Server) PSQL(t testing.TB, command string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("psql")
	if err != nil {
		binDir, _ := postgres.Find()
		program = filepath.Join(binDir, "psql")
		if _, err := os.Stat(program); err != nil {
			if os.Getenv("CLEANROOM_REQUIRE_POSTGRES") == "1" {
				t.Fatal("no psql: ", err)
			}
			t.Skip("no psql here: ", err)
		}
	}
	dir := t.TempDir()
	root, passfile := filepath.Join(dir, "root.pem"), filepath.Join(dir, "pgpass")
	if err := errors.Join(os.WriteFile(root, s.RootPEM, 0o600), os.WriteFile(passfile, append([]byte("*:*:*:*:"), s.Password().Clone()...), 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), program, "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", command,
		fmt.Sprintf("host=%s port=%d dbname=%s user=%s sslmode=verify-full sslrootcert=%s passfile=%s", s.Host, s.Port, s.Database, s.User, root, passfile))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "PGCLIENTENCODING=UTF8"}
	return cmd
}

// Output runs the command in PostgreSQL's own client.
func (s *Server) Output(t testing.TB, command string) string {
	t.Helper()
	cmd := s.PSQL(t, command)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("psql: %v: %s", err, stderr.Bytes())
	}
	return string(out)
}
