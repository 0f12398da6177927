//go:build linux || darwin

package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

func requireServer(t *testing.T) {
	t.Helper()
	_, err := Find()
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CLEANROOM_REQUIRE_POSTGRES") != "1" {
		t.Skip("no PostgreSQL server here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// start runs a cluster for a test.
func start(t *testing.T, opts Options) *Cluster {
	t.Helper()
	requireServer(t)
	c, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// reachable makes a directory that the server's account can reach.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(defaultBase(&account{}), "crt")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left := entries(t, dir); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// login connects as a client does, over TCP.
func (c *Cluster) login(t *testing.T, change func(*pq.Config)) (*sql.DB, error) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, c.RootPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	plain := c.Password().Clone()
	config := pq.Config{Host: c.Host, Port: uint16(c.Port), Database: c.Database, User: c.User, Password: string(plain),
		SSLMode: pq.SSLModeVerifyFull, SSLRootCert: root, SSLSNI: true}
	if change != nil {
		change(&config)
	}
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db, db.PingContext(t.Context())
}

func TestStart(t *testing.T) {
	for _, name := range []string{"PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGOPTIONS", "PGSSLMODE", "PGSERVICE"} {
		t.Setenv(name, "nonsense")
	}
	began := time.Now()
	c := start(t, Options{})
	t.Logf("%s ready on port %d in %v: initdb %v, server %v, data %v", c.Version, c.Port, time.Since(began),
		c.process.took.initialise, c.process.took.serve, c.process.took.load)
	if number, ok := strings.CutPrefix(c.Version, "PostgreSQL "); !ok || len(version(number)) == 0 {
		t.Errorf("version %q", c.Version)
	}
	db, err := c.login(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	var users, female, plants int
	var super bool
	err = db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM users WHERE gender = $1), (SELECT count(*) FROM plants), usesuper FROM pg_user WHERE usename = current_user`, "Female").
		Scan(&users, &female, &plants, &super)
	if err != nil {
		t.Fatal(err)
	}
	if users != Users || female != FemaleUsers || plants != Plants || super {
		t.Errorf("%d users, %d of them female, %d plants; superuser: %t", users, female, plants, super)
	}
	wantSame(t, db)

	admin, err := c.OpenAdmin("")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	var roles, scram int
	if err := admin.QueryRowContext(t.Context(), `SELECT count(*), count(*) FILTER (WHERE rolpassword LIKE 'SCRAM-SHA-256$%') FROM pg_authid WHERE rolcanlogin`).Scan(&roles, &scram); err != nil {
		t.Fatal(err)
	}
	if roles != 2 || scram != 2 {
		t.Errorf("%d roles can log in, %d of them with SCRAM", roles, scram)
	}
	secrets := []string{string(c.password.Clone()), string(c.admin.Clone())}
	if left, err := os.ReadFile(filepath.Join(c.process.dir, "password")); err == nil {
		t.Errorf("the password's file is still there, %d bytes", len(left))
	}
	for _, secret := range secrets {
		if strings.Contains(fmt.Sprintf("%s %v %+v %#v", c.Log(), c, c, c), secret) {
			t.Error("a password is in the log or in the cluster's printed form")
		}
	}
}

// wantSame compares the table with the generator.
func wantSame(t *testing.T, db *sql.DB) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM users ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for _, want := range SampleUsers() {
		var got User
		if !rows.Next() {
			t.Fatalf("no user %d: %v", want.ID, rows.Err())
		}
		if err := rows.Scan(&got.ID, &got.FirstName, &got.LastName, &got.Email, &got.Gender, &got.IPAddress); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	c := start(t, Options{NoSampleData: true})
	for _, tc := range []struct {
		name   string
		change func(*pq.Config)
		want   string
	}{
		{"without TLS", func(p *pq.Config) { p.SSLMode = pq.SSLModeDisable }, "pg_hba.conf"},
		{"TLS 1.2", func(p *pq.Config) { p.SSLMaxProtocolVersion = pq.SSLProtocolVersionTLS12 }, "protocol version"},
		{"superuser by TCP", func(p *pq.Config) { p.User, p.Password = adminName, string(c.admin.Clone()) }, "pg_hba.conf"},
		{"wrong password", func(p *pq.Config) { p.Password = "wrong" }, "password authentication failed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := c.login(t, tc.change)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// shown returns the certificate that the server shows, or an error if it has
// no TLS.
func shown(t *testing.T, c *Cluster) (*x509.Certificate, error) {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer := make([]byte, 1)
	if _, err := conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	if answer[0] != 'S' {
		return nil, fmt.Errorf("the server answers %q", answer)
	}
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the certificate itself is compared
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := client.ConnectionState().Version; v != tls.VersionTLS13 {
		t.Errorf("TLS version %x", v)
	}
	return client.ConnectionState().PeerCertificates[0], nil
}

func TestReconfigure(t *testing.T) {
	ca, err := testpki.New("database")
	if err != nil {
		t.Fatal(err)
	}
	first, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	second, err := ca.Issue("elsewhere.example")
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, Options{ServerCertificate: *first, RootPEM: ca.RootPEM(), NoSampleData: true})
	want := func(cert *tls.Certificate) {
		t.Helper()
		got, err := shown(t, c)
		if err != nil || !got.Equal(cert.Leaf) {
			t.Errorf("the server shows %v, %v; want %v", got.DNSNames, err, cert.Leaf.DNSNames)
		}
	}
	want(first)
	if err := c.SetCertificate(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	want(second)
	if err := c.DisableTLS(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := shown(t, c); err == nil {
		t.Error("the server still has TLS")
	}
	if _, err := c.login(t, func(p *pq.Config) { p.SSLMode = pq.SSLModeDisable }); err != nil {
		t.Errorf("login without TLS: %v", err)
	}
	if err := c.SetCertificate(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	want(first)
	if _, err := c.login(t, nil); err != nil {
		t.Errorf("login: %v", err)
	}
}

func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ports := freePort
	defer func() { freePort = ports }()
	asked := 0
	freePort = func() (int, error) {
		if asked++; asked <= 2 {
			return taken.Addr().(*net.TCPAddr).Port, nil
		}
		return ports()
	}
	c := start(t, Options{NoSampleData: true})
	if asked != 3 {
		t.Errorf("asked for %d ports, want 3", asked)
	}
	if _, err := c.login(t, nil); err != nil {
		t.Error(err)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	dir := reachable(t)
	c := start(t, Options{Dir: dir})
	db, err := c.login(t, nil) // an open connection does not hold the server up
	if err != nil {
		t.Fatal(err)
	}
	if len(entries(t, dir)) != 1 {
		t.Errorf("%v while running", entries(t, dir))
	}
	made := c.process.dir
	for range 2 {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("the server still answers")
	}
	wantNothing(t, dir, made)
	if c.Password().Len() != 0 {
		t.Error("the password is still there")
	}
}

// wantNothing checks that a base has no cluster and a cluster no process.
func wantNothing(t *testing.T, base, dir string) {
	t.Helper()
	if left := entries(t, base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if pids := processesOf(t, dir); len(pids) > 0 {
		t.Errorf("processes left: %v", pids)
	}
}

func TestCancelledStart(t *testing.T) {
	requireServer(t)
	for _, after := range []time.Duration{0, 5, 30, 100, 200, 300, 350, 400, 450} {
		dir := reachable(t)
		ctx, cancel := context.WithTimeout(t.Context(), after*time.Millisecond)
		began := time.Now()
		c, err := Start(ctx, Options{Dir: dir})
		cancel()
		switch {
		case err == nil:
			if err := c.Stop(); err != nil {
				t.Error(err)
			}
		case !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("cancelled after %d ms: %v", after, err)
		}
		t.Logf("cancelled after %d ms: %v after %v", after, err, time.Since(began))
		wantNothing(t, dir, dir)
	}
}

func TestFailedStart(t *testing.T) {
	requireServer(t)
	t.Run("key of another certificate", func(t *testing.T) {
		ca, err := testpki.New("database")
		if err != nil {
			t.Fatal(err)
		}
		a, err := ca.Issue("localhost")
		if err != nil {
			t.Fatal(err)
		}
		b, err := ca.Issue("localhost")
		if err != nil {
			t.Fatal(err)
		}
		a.PrivateKey = b.PrivateKey
		dir := reachable(t)
		_, err = Start(t.Context(), Options{ServerCertificate: *a, Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "private key") {
			t.Errorf("got %v; want what the server reported", err)
		}
		wantNothing(t, dir, dir)
	})
	t.Run("programs that fail", func(t *testing.T) {
		bin := reachableBin(t)
		dir := reachable(t)
		t.Setenv(BinVariable, bin)
		_, err := Start(t.Context(), Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "initdb") || !strings.Contains(err.Error(), "out of order") {
			t.Errorf("got %v", err)
		}
		wantNothing(t, dir, dir)
	})
	t.Run("no such base", func(t *testing.T) {
		if _, err := Start(t.Context(), Options{Dir: "/nonexistent/base"}); err == nil {
			t.Error("started")
		}
	})
}

// reachableBin is a directory of programs that fail.
func reachableBin(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "crtbin")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, program := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\necho out of order >&2\nexit 3\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
