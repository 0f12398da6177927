package pgstandin_test

import (
	"crypto/tls"
	"database/sql"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/internal/emulator/pgstandin"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// TestUnsupported: what only a PostgreSQL knows is refused in the stand-in's own
// name, and the connection goes on.
func TestUnsupported(t *testing.T) {
	db := start(t).open(t)
	db.SetMaxOpenConns(1)
	texts := []string{
		"SELECT upper(first_name) FROM users",
		"SELECT u.id FROM users u",
		"SELECT id FROM users JOIN plants ON true",
		"SELECT gender, count(*) FROM users GROUP BY gender",
		"SELECT DISTINCT gender FROM users",
		"SELECT id FROM users WHERE id = 1 OR id = 2",
		"SELECT id FROM users WHERE id IN (1, 2)",
		"SELECT id FROM users OFFSET 3",
		"SELECT id FROM users; SELECT id FROM plants",
		"SELECT id FROM users -- comment",
		"SELECT E'\\n'",
		"SELECT",
		"INSERT INTO users VALUES (1)",
		"DROP TABLE users",
		"COPY users TO STDOUT",
		"SET search_path = public",
		"SHOW shared_buffers",
		"DECLARE c CURSOR FOR SELECT 1",
		"WITH x AS (SELECT 1) SELECT * FROM x",
		"nonsense",
	}
	for _, text := range texts {
		_, err := selected(db.QueryContext(t.Context(), text))
		if answer := wantCode(t, err, "0A000"); !strings.Contains(answer.Message, "stand-in, not PostgreSQL") {
			t.Errorf("%s: %q does not name the stand-in", text, answer.Message)
		}
	}
	if len(texts) != 20 {
		t.Errorf("%d statements, want 20", len(texts))
	}
	var version string
	if err := db.QueryRowContext(t.Context(), "SHOW server_version").Scan(&version); err != nil || version != pgstandin.Version || !strings.Contains(version, "not PostgreSQL") {
		t.Errorf("the version is %q, %v", version, err)
	}
}

// TestLogins are those that fail, and what the server says.
func TestLogins(t *testing.T) {
	s := start(t)
	wantCode(t, open(t, s.document(), []byte("wrong")).PingContext(t.Context()), "28P01")
	doc := s.document()
	doc.User = "nobody"
	wantCode(t, open(t, doc, s.Password().Clone()).PingContext(t.Context()), "28P01")
	doc = s.document()
	doc.Name = "elsewhere"
	wantCode(t, open(t, doc, s.Password().Clone()).PingContext(t.Context()), "3D000")

	plain, err := pq.NewConnectorConfig(pq.Config{Host: s.Host, Port: uint16(s.Port), User: s.User, Password: string(s.Password().Clone()), Database: s.Database, SSLMode: pq.SSLModeDisable})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(plain)
	defer db.Close()
	wantCode(t, db.PingContext(t.Context()), "28000")

	other, err := testpki.New("another")
	if err != nil {
		t.Fatal(err)
	}
	doc = s.document()
	doc.SSLRootCert = string(other.RootPEM())
	if err := open(t, doc, s.Password().Clone()).PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("under another root: %v", err)
	}
	if _, err := pgstandin.Start(nil); err == nil {
		t.Error("it starts without a certificate")
	}
}

// TestStop: connections end with the server.
func TestStop(t *testing.T) {
	s := start(t)
	db := s.open(t)
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("it answers after Stop")
	}
}

// TestFrames: what no client sends ends the connection, and nothing else.
func TestFrames(t *testing.T) {
	s := start(t)
	request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, 1234<<16|5679)
	long := []byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0}
	for name, first := range map[string][]byte{"short": {0, 0, 0, 4, 0, 3, 0, 0}, "long": long, "cut": {0, 0}} {
		conn := dial(t, s)
		if _, err := conn.Write(first); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err == nil && len(answer) > 0 {
			t.Errorf("%s: it answers %q", name, answer)
		}
	}
	for name, c := range map[string]struct {
		startup []byte
		code    string
	}{
		"version 2":   {[]byte{0, 0, 0, 8, 0, 2, 0, 0}, "0A000"},
		"no user":     {[]byte{0, 0, 0, 9, 0, 3, 0, 0, 0}, "28000"},
		"no password": {append([]byte("\x00\x00\x00\x13\x00\x03\x00\x00user\x00user\x00\x00"), 'Q', 0, 0, 0, 5, 0), "08P01"},
		"no SASL":     {append([]byte("\x00\x00\x00\x13\x00\x03\x00\x00user\x00user\x00\x00"), 'p', 0, 0, 0, 5, 0), "08P01"},
	} {
		conn := dial(t, s)
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the frames count here
		if _, err := secure.Write(c.startup); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(secure)
		if !strings.Contains(string(answer), "FATAL\x00C"+c.code+"\x00") {
			t.Errorf("%s: it answers %q", name, answer)
		}
	}
	if err := s.open(t).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func dial(t *testing.T, s *standIn) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
