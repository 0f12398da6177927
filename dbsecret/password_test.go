package dbsecret_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/skr"
)

// documentAt describes a server of a test's own at a port.
func documentAt(port int) *dbsecret.Document {
	return &dbsecret.Document{Endpoint: "localhost", Port: port, Name: "test_data", User: "user", Password: passwordRef()}
}

// role makes a login with a password, for one test.
func (s *server) role(t *testing.T, name, password string) {
	t.Helper()
	admin := s.admin(t, "")
	quoted := pq.QuoteIdentifier(name)
	mustExec(t, admin, `CREATE ROLE `+quoted+` LOGIN PASSWORD `+pq.QuoteLiteral(password))
	t.Cleanup(func() { mustExec(t, admin, `DROP ROLE `+quoted) })
}

func TestPasswords(t *testing.T) {
	s := sharedServer(t)
	for name, password := range map[string]string{
		"plain":              "secret",
		"one letter":         "x",
		"blanks":             " two  words and a blank at the end ",
		"single quotes":      `it's 'quoted'`,
		"double quotes":      `say "hello"`,
		"percent":            `100%25 %s %d %`,
		"backslashes":        `a\b\\c\`,
		"URL":                `p@ss:w/ord?x=1&y#z`,
		"connection string":  `x host=elsewhere sslmode=disable`,
		"control characters": "tab\tbell\aline\nreturn\r",
		"unicode":            "пароль-密码-🔑-é",
		"decomposed":         "re\u0301sume\u0301", // SASLprep composes it
		"ligature":           "of\ufb01ce",         // SASLprep spells it out
		"no-break space":     "a\u00a0b",           // SASLprep makes it a blank
		"soft hyphen":        "a\u00adb",           // SASLprep drops it
		"right to left":      "סיסמה",
		"prohibited":         "a\u0378b", // an unassigned code point: SASLprep refuses, PostgreSQL takes the bytes
		"1 KiB":              strings.Repeat("0123456789abcdef", 64),
		"1 KiB of unicode":   strings.Repeat("ü", 512),
	} {
		t.Run(name, func(t *testing.T) {
			s.role(t, "password test", password)
			doc := s.document()
			doc.User = "password test"
			if err := open(t, doc, &passwords{list: []string{password}}, nil).PingContext(t.Context()); err != nil {
				t.Error(err)
			}
			err := open(t, doc, &passwords{list: []string{password + "x"}}, nil).PingContext(t.Context())
			wantError(t, err, "28P01", "password authentication failed", "wrap the current one", "localhost")
		})
	}
}

func TestPasswordsThatCannotBe(t *testing.T) {
	for password, want := range map[string]string{"": "it is empty", "canary\x00": "NUL"} {
		err := open(t, documentAt(1), &passwords{list: []string{password}}, nil).PingContext(t.Context())
		wantError(t, err, "unwrap the password", passwordRef().String(), want)
		if strings.Contains(err.Error(), "canary") {
			t.Error("the error quotes the password")
		}
	}
}

// TestRotation unwraps once for many connections, and again when the server
// refuses what was kept.
func TestRotation(t *testing.T) {
	s := sharedServer(t)
	s.role(t, "rotated", "first")
	doc := s.document()
	doc.User = "rotated"
	unwrap := &passwords{list: []string{"first", "second"}}
	c := connector(t, doc, unwrap, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			conn, err := c.Connect(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		})
	}
	wg.Wait()
	if unwrap.calls != 1 {
		t.Errorf("unwrapped %d times for 8 connections", unwrap.calls)
	}
	mustExec(t, s.admin(t, ""), `ALTER ROLE rotated PASSWORD 'second'`)
	conn, err := c.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if unwrap.calls != 2 {
		t.Errorf("unwrapped %d times after the rotation", unwrap.calls)
	}
	mustExec(t, s.admin(t, ""), `ALTER ROLE rotated PASSWORD 'third'`)
	_, err = c.Connect(t.Context())
	wantError(t, err, "28P01")

	if err := c.Close(); err != nil {
		t.Error(err)
	}
	_, err = c.Connect(t.Context())
	wantError(t, err, "closed")
}

func TestNames(t *testing.T) {
	s := sharedServer(t)
	for _, name := range []string{
		"user", `with "quotes"`, "it's", "blank at the end ", "Größe", "percent %s", `back\slash`, "select", "host=elsewhere", "-c",
		strings.Repeat("x", 63), strings.Repeat("ü", 31),
	} {
		t.Run(name, func(t *testing.T) {
			role := "r" + name
			if len(name) == 63 {
				role = name
			}
			s.role(t, role, "secret")
			admin := s.admin(t, "")
			mustExec(t, admin, `CREATE DATABASE `+pq.QuoteIdentifier(name))
			t.Cleanup(func() { mustExec(t, admin, `DROP DATABASE `+pq.QuoteIdentifier(name)+` WITH (FORCE)`) })
			doc := s.document()
			doc.Name, doc.User = name, role
			var database, user string
			err := open(t, doc, &passwords{list: []string{"secret"}}, nil).QueryRowContext(t.Context(), `SELECT current_database(), current_user`).Scan(&database, &user)
			if err != nil || database != name || user != role {
				t.Errorf("database %q, user %q, %v", database, user, err)
			}
		})
	}
	t.Run("no such database", func(t *testing.T) {
		doc := s.document()
		doc.Name = "nowhere"
		wantError(t, open(t, doc, s.unwrapper(), nil).PingContext(t.Context()), "nowhere", "does not exist", "dbName")
	})
	t.Run("no such user", func(t *testing.T) {
		doc := s.document()
		doc.User = "nobody here"
		wantError(t, open(t, doc, s.unwrapper(), nil).PingContext(t.Context()), "nobody here", "28P01")
	})
	t.Run("user not let in", func(t *testing.T) {
		doc := s.document()
		doc.User = "admin"
		wantError(t, open(t, doc, s.unwrapper(), nil).PingContext(t.Context()), "28000", "pg_hba.conf")
	})
}

// secretGetter is the governance client of a test.
type secretGetter map[string]string

func (s secretGetter) Secret(_ context.Context, id string) ([]byte, error) {
	if value, ok := s[id]; ok {
		return []byte(value), nil
	}
	return nil, errors.New("governance: no such secret")
}

func TestResolve(t *testing.T) {
	s := sharedServer(t)
	value, err := s.document().Encode()
	if err != nil {
		t.Fatal(err)
	}
	secrets := secretGetter{"m_db-config": value, "m_other": "not a document", "m_weak": `{"dbEndpoint":"h","dbName":"d","dbUser":"u","sslMode":"disable","dbPassword":` + passwordJSON + `}`}
	c, err := dbsecret.Resolve(t.Context(), secrets, s.unwrapper(), "m_db-config", nil)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
	for id, want := range map[string]string{"": "required", "m_missing": "no such secret", "m_other": "neither a JSON object nor base64", "m_weak": "AllowTLSWeakerThanVerifyFull"} {
		_, err := dbsecret.Resolve(t.Context(), secrets, s.unwrapper(), id, nil)
		wantError(t, err, "dbsecret: resolve", id, want)
	}
}

// failing is an Unwrapper that is refused.
type failing struct{ err error }

func (f failing) Unwrap(context.Context, skr.SecretRef) ([]byte, error) { return nil, f.err }

func TestUnwrapError(t *testing.T) {
	denied := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to the vault")}
	err := open(t, documentAt(1), failing{denied}, nil).PingContext(t.Context())
	if !errors.Is(err, denied) {
		t.Errorf("got %v", err)
	}
	wantError(t, err, "dbsecret: connect to localhost:1", "unwrap the password", passwordRef().String())
	if strings.Contains(err.Error(), "dbEndpoint") {
		t.Errorf("the advice is for another connection: %v", err)
	}
}

// waiting is an Unwrapper that takes as long as its context.
type waiting struct{ called chan struct{} }

func (w waiting) Unwrap(ctx context.Context, _ skr.SecretRef) ([]byte, error) {
	close(w.called)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestUnwrapWaits makes sure that who waits for another's unwrapping need not
// wait for longer than the own context allows.
func TestUnwrapWaits(t *testing.T) {
	w := waiting{make(chan struct{})}
	c := connector(t, documentAt(1), w, nil)
	slow, endSlow := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := c.Connect(slow)
		done <- err
	}()
	<-w.called
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Connect(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	endSlow()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestCanary looks for the password in everything that is printed.
func TestCanary(t *testing.T) {
	s := sharedServer(t)
	const canary = "canary-7f3a-passw0rd"
	s.role(t, "canary", canary)
	doc := s.document()
	doc.User = "canary"
	var out strings.Builder
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	see := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(&out, "%v %+v %#v %s %q %d %x\n", v, v, v, v, v, v, v)
			log.Debug("seen", "value", v)
		}
	}
	c := connector(t, doc, &passwords{list: []string{canary}}, nil)
	see(c, *doc, c.Document(), c.Driver())
	db := sql.OpenDB(c)
	defer db.Close()
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	see(c, db.Stats())
	for _, query := range []string{`SELECT * FROM nowhere`, `SELECT 1/0`, `syntax error`} {
		_, err := dbsecret.WriteRows(t.Context(), &out, db, query)
		see(err)
	}
	// Now the server refuses it.
	mustExec(t, s.admin(t, ""), `ALTER ROLE canary PASSWORD 'other'`)
	_, err := c.Connect(t.Context())
	see(err)
	wrong := connector(t, doc, &passwords{list: []string{canary + "x"}}, nil)
	_, err = wrong.Connect(t.Context())
	see(err, wrong)
	var pe *pq.Error
	if !errors.As(err, &pe) {
		t.Errorf("the driver's error is not to be had from %v", err)
	} else {
		see(pe, *pe, pe.ErrorWithDetail())
	}
	// And nothing listens.
	doc.Port = 1
	_, err = connector(t, doc, &passwords{list: []string{canary}}, nil).Connect(t.Context())
	see(err)
	if text := out.String(); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
		t.Error("the password is in what was printed")
	}
	if strings.Contains(s.Log(), canary) {
		t.Error("the password is in the server's log")
	}
}
