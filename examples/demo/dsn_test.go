package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
)

// foreign is a PostgreSQL that belongs to somebody else, as the demo sees it.
type foreign struct {
	*cleanroomtest.Database
	root string // file with the root certificate
	psql string
}

func startForeign(t *testing.T) *foreign {
	t.Helper()
	env, err := cleanroomtest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	psql, missing := exec.LookPath("psql")
	d, err := env.StartDatabase(t.Context())
	if errors.Is(err, cleanroomtest.ErrNoPostgreSQL) {
		missing = err
	} else if err != nil {
		t.Fatal(err)
	}
	if missing != nil {
		if os.Getenv("CLEANROOM_REQUIRE_POSTGRES") == "" {
			t.Skip(missing)
		}
		t.Fatal(missing)
	}
	f := &foreign{Database: d, psql: psql, root: filepath.Join(t.TempDir(), "root.pem")}
	if err := os.WriteFile(f.root, d.RootPEM, 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

// dsn is the database's address with the changes.
func (f *foreign) dsn(change ...func(*url.URL, url.Values)) string {
	u := &url.URL{Scheme: "postgres", User: url.User(f.User), Host: net.JoinHostPort(f.Host, fmt.Sprint(f.Port)), Path: "/" + f.Name}
	q := url.Values{"sslmode": {"verify-full"}, "sslrootcert": {f.root}}
	for _, c := range change {
		c(u, q)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func (f *foreign) password() []string { return []string{"PGPASSWORD=" + string(f.Password())} }

// ask runs statements with psql, which connects as strictly as the demo.
func (f *foreign) ask(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(f.psql, append([]string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", f.dsn()}, args...)...)
	cmd.Env = append(f.password(), "PATH="+os.Getenv("PATH"), "PGCLIENTENCODING=UTF8")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("psql: %v: %s", err, stderr.Bytes())
	}
	return out
}

// TestForeignDatabase: the output is what psql selects, whatever somebody else
// put into the table.
func TestForeignDatabase(t *testing.T) {
	f := startForeign(t)
	f.ask(t, "-c", `DROP TABLE plants, users`, "-c", `CREATE TABLE users (id integer, first_name text, gender text, notes text)`)
	for _, c := range []struct {
		name, fill string
		rows       int
	}{
		{"no rows", ``, 0},
		{"nobody selected", `INSERT INTO users VALUES (1, 'Bob', 'Male'), (2, 'Eve', 'female'), (3, 'Nemo', NULL)`, 0},
		{"odd names", `INSERT INTO users VALUES
			(5, 'O''Hara', 'Female'), (1, 'Anna, "die Große"', 'Female'), (3, '  two  blanks ', 'Female'), (4, '', 'Female'),
			(2, NULL, 'Female'), (-7, 'Zoë Ñandú 漢字 🌱', 'Female'), (2147483647, 'back\slash %s $1 ; -- {}', 'Female'), (9, E'tab\there', 'Female'), (10, 'Bob', 'Male')`, 8},
		{"a million", `INSERT INTO users SELECT g, 'name ' || g, CASE WHEN g % 1000 = 0 THEN 'Male' ELSE 'Female' END FROM generate_series(1, 1000000) g`, 999000},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.ask(t, "-c", "TRUNCATE users", "-c", c.fill)
			out := t.TempDir()
			cmd := demo(t, f.password(), "-dsn", f.dsn(), "-out", out)
			r := runToEnd(t, cmd)
			r.want(t, 0, fmt.Sprintf("rows        %d,", c.rows), "database    PostgreSQL", f.Name+" on localhost:")
			got, err := os.ReadFile(filepath.Join(out, "output.txt"))
			if err != nil {
				t.Fatal(err)
			}
			want := f.format(t)
			if !bytes.Equal(got, want) {
				t.Errorf("the output differs from what psql selects; it begins with\n%.400s\npsql's with\n%.400s", got, want)
			}
			if strings.Contains(r.stdout+r.stderr, string(f.Password())) {
				t.Error("the password was printed")
			}
		})
	}
}

// format selects with psql and writes the rows in the form of the output.
func (f *foreign) format(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	for line := range bytes.Lines(f.ask(t, "-F", "|", "-c", `SELECT id, first_name FROM users WHERE gender = 'Female' ORDER BY id`)) {
		id, name, ok := bytes.Cut(line, []byte("|"))
		if !ok {
			t.Fatalf("psql: %q", line)
		}
		fmt.Fprintf(&b, "id: %s firstName: %s", id, name)
	}
	return b.Bytes()
}

// TestBadDatabase: one line that says what is wrong, before anything is
// started, and the exit code of a mistake in the flags or of a failure.
func TestBadDatabase(t *testing.T) {
	f := startForeign(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := closed.Addr().(*net.TCPAddr).Port
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	set := func(name, value string) func(*url.URL, url.Values) {
		return func(_ *url.URL, q url.Values) { q.Set(name, value) }
	}
	path := func(p string) func(*url.URL, url.Values) { return func(u *url.URL, _ url.Values) { u.Path = p } }
	host := func(h string) func(*url.URL, url.Values) { return func(u *url.URL, _ url.Values) { u.Host = h } }
	passFile := func(text string, mode os.FileMode) []string {
		name := filepath.Join(t.TempDir(), "pgpass")
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return []string{"PGPASSFILE=" + name}
	}
	const secret = "canary-7c1d"
	for _, c := range []struct {
		name string
		dsn  string
		env  []string
		code int
		say  []string
	}{
		{"no URL", "host=localhost", nil, 2, []string{"-dsn", "postgres://"}},
		{"broken URL", "postgres://u:" + secret + "%zz@h/db", nil, 2, []string{"-dsn", "postgres://"}},
		{"password", f.dsn(func(u *url.URL, _ url.Values) { u.User = url.UserPassword("user", secret) }), nil, 2, []string{"PGPASSWORD"}},
		{"password parameter", f.dsn(set("password", secret)), nil, 2, []string{"PGPASSWORD"}},
		{"no database", f.dsn(path("")), nil, 2, []string{"database"}},
		{"port", f.dsn(host("localhost:0")), nil, 2, []string{"port"}},
		{"parameter", f.dsn(set("options", "x")), nil, 2, []string{`"options"`}},
		{"unknown mode", f.dsn(set("sslmode", "verify_full")), nil, 2, []string{"verify_full", "verify-full"}},
		{"weak mode", f.dsn(set("sslmode", "require")), nil, 2, []string{"require", "-insecure-dsn-tls"}},
		{"no password", f.dsn(), []string{"NOTHING=1"}, 1, []string{"PGPASSWORD", "PGPASSFILE"}},
		{"open password file", f.dsn(), passFile("*:*:*:*:"+secret+"\n", 0o644), 1, []string{"chmod 600"}},
		{"password file without a match", f.dsn(), passFile("elsewhere:*:*:*:"+secret+"\n", 0o600), 1, []string{"no line"}},
		{"wrong password", f.dsn(), []string{"PGPASSWORD=" + secret}, 1, []string{"localhost", "password"}},
		{"nobody there", f.dsn(host(fmt.Sprintf("localhost:%d", port))), nil, 1, []string{"localhost", "refused"}},
		{"another name", f.dsn(host(fmt.Sprintf("127.0.0.2:%d", f.Port))), nil, 1, []string{"127.0.0.2"}},
		{"root file", f.dsn(set("sslrootcert", "/nowhere.pem")), nil, 1, []string{"sslrootcert", "/nowhere.pem"}},
		{"root device", f.dsn(set("sslrootcert", "/dev/zero")), nil, 1, []string{"sslrootcert", "/dev/zero"}},
		{"another root", f.dsn(set("sslrootcert", "system")), nil, 1, []string{"certificate"}},
		{"no such database", f.dsn(path("/nothing")), nil, 1, []string{`"nothing"`}},
		{"no table", f.dsn(path("/template1")), nil, 1, []string{"users(id, first_name, gender)", "template1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := c.env
			if env == nil {
				env = f.password()
			}
			r := runToEnd(t, demo(t, env, "-dsn", c.dsn))
			r.wantLine(t, c.code, c.say...)
			for _, s := range []string{secret, string(f.Password())} {
				if strings.Contains(r.stdout+r.stderr, s) {
					t.Error("a password was printed")
				}
			}
			if r.stdout != "" {
				t.Errorf("it began: %s", r.stdout)
			}
		})
	}
}

// TestWeakTLS goes through with less than verify-full only when asked to twice:
// by the address and by the flag.
func TestWeakTLS(t *testing.T) {
	f := startForeign(t)
	dsn := f.dsn(func(_ *url.URL, q url.Values) {
		q.Set("sslmode", "require")
		q.Del("sslrootcert")
	})
	r := runToEnd(t, demo(t, f.password(), "-dsn", dsn, "-insecure-dsn-tls", "-out", t.TempDir()))
	r.want(t, 0, "TLS require", "521")
}

// TestPassFile takes the password from the file that PostgreSQL's own programs
// read.
func TestPassFile(t *testing.T) {
	f := startForeign(t)
	name := filepath.Join(t.TempDir(), "pgpass")
	text := fmt.Sprintf("# comment\nlocalhost:1:*:*:wrong\nlocalhost:%d:%s:%s:%s\n", f.Port, f.Name, f.User, f.Password())
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := parseDSN(f.dsn(), false, func(v string) string {
		return map[string]string{"PGPASSFILE": name}[v]
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := target.check(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestSplitPassLine(t *testing.T) {
	for line, want := range map[string][]string{
		`h:5432:db:u:p`:     {"h", "5432", "db", "u", "p"},
		`\:\:1:*:a\\b:u:p:`: {"::1", "*", `a\b`, "u", "p", ""},
		``:                  {""},
	} {
		if got := splitPassLine(line); fmt.Sprint(got) != fmt.Sprint(want) || len(got) != len(want) {
			t.Errorf("%s: %q", line, got)
		}
	}
}
