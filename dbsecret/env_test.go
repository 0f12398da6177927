package dbsecret_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// hostile is an environment in which every variable that PostgreSQL clients
// read leads elsewhere or weakens something.
func hostile(t *testing.T, elsewhere string) map[string]string {
	t.Helper()
	home := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	host, port, err := net.SplitHostPort(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	passfile := write(".pgpass", "*:*:*:*:from-the-password-file\n")
	service := write("service.conf", "[other]\nhost="+host+"\nport="+port+"\nsslmode=disable\npassword=from-the-service\n")
	write(".pg_service.conf", "[other]\nhost="+host+"\nport="+port+"\nsslmode=disable\n")
	write(".postgresql/root.crt", "no certificate")
	write(".postgresql/postgresql.crt", "no certificate")
	write(".postgresql/postgresql.key", "no key")
	return map[string]string{
		"HOME": home, "APPDATA": home,
		"PGHOST": host, "PGHOSTADDR": "192.0.2.1", "PGPORT": port,
		"PGDATABASE": "elsewhere", "PGUSER": "somebody", "PGPASSWORD": "from-the-environment", "PGPASSFILE": passfile,
		"PGSERVICE": "other", "PGSERVICEFILE": service, "PGSYSCONFDIR": home,
		"PGSSLMODE": "disable", "PGSSLNEGOTIATION": "direct", "PGREQUIRESSL": "0", "PGSSLROOTCERT": passfile, "PGSSLCERT": passfile, "PGSSLKEY": passfile,
		"PGSSLCRL": passfile, "PGSSLSNI": "0", "PGSSLCERTMODE": "require", "SSLPGMINPROTOCOLVERSION": "TLSv1", "SSLPGMAXPROTOCOLVERSION": "TLSv1.1",
		"PGSSLMINPROTOCOLVERSION": "TLSv1", "PGSSLMAXPROTOCOLVERSION": "TLSv1.1",
		"PGOPTIONS": "-c search_path=nowhere -c statement_timeout=1 -c default_transaction_read_only=on", "PGAPPNAME": "somebody",
		"PGCLIENTENCODING": "LATIN1", "PGDATESTYLE": "German", "PGTZ": "Asia/Kathmandu", "PGGEQO": "off",
		"PGCONNECT_TIMEOUT": "1", "PGTARGETSESSIONATTRS": "standby", "PGLOADBALANCEHOSTS": "random",
		"PGMINPROTOCOLVERSION": "3.2", "PGMAXPROTOCOLVERSION": "3.2", "PGKRBSRVNAME": "other", "PGREQUIREAUTH": "none", "PGCHANNELBINDING": "disable",
		"PGGSSENCMODE": "require", "PGGSSLIB": "gssapi", "PGGSSDELEGATION": "1", "PGREALM": "ELSEWHERE", "PGREQUIREPEER": "somebody",
		"PGSSLCOMPRESSION": "1", "PGSSLCRLDIR": home, "PGKRBSPN": "other", "PGLOCALEDIR": home, "PGSSLPASSWORD": "from-the-environment",
		"PQGO_DEBUG_OTHER": "1", "PQSSLCERTTEST_PATH": home,
	}
}

// session is what the server knows of a connection that a query may depend on.
const session = `SELECT current_database(), current_user, current_setting('application_name'), current_setting('client_encoding'),
	current_setting('DateStyle'), current_setting('TimeZone'), current_setting('search_path'), current_setting('statement_timeout'),
	current_setting('default_transaction_read_only'), current_setting('geqo'), ssl::text, version
	FROM pg_stat_ssl WHERE pid = pg_backend_pid()`

func describeSession(ctx context.Context, t *testing.T, s *server) (string, error) {
	t.Helper()
	var v [12]string
	var dest []any
	for i := range v {
		dest = append(dest, &v[i])
	}
	err := s.db(t).QueryRowContext(ctx, session).Scan(dest...)
	return strings.Join(v[:], " | "), err
}

func TestEnvironmentChangesNothing(t *testing.T) {
	s := sharedServer(t)
	before, err := describeSession(t.Context(), t, s)
	if err != nil {
		t.Fatal(err)
	}
	if want := s.Database + " | " + s.User + " | cleanroom | UTF8 | ISO, MDY | "; !strings.HasPrefix(before, want) || !strings.HasSuffix(before, "true | TLSv1.3") {
		t.Errorf("the session is %q", before)
	}
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lured := make(chan struct{})
	go func() {
		if conn, err := trap.Accept(); err == nil {
			conn.Close()
			close(lured)
		}
	}()
	variables := hostile(t, trap.Addr().String())
	for name, value := range variables {
		t.Setenv(name, value)
	}
	after, err := describeSession(t.Context(), t, s)
	if err != nil {
		t.Errorf("with %d variables set: %v", len(variables), err)
	}
	if after != before {
		t.Errorf("with %d variables set the session is\n%s, before it was\n%s", len(variables), after, before)
	}
	// An empty password must not fetch one from a file.
	err = open(t, s.document(), &passwords{list: []string{""}}, nil).PingContext(t.Context())
	wantError(t, err, "empty")
	trap.Close()
	select {
	case <-lured:
		t.Error("the environment led the connection elsewhere")
	default:
	}
}

// helperVariable makes TestDebugHelper connect, in a process of its own.
const helperVariable = "CLEANROOM_DBSECRET_HELPER"

// TestDebugVariable checks that the driver's debugging, which prints passwords,
// makes connecting fail: also when the program unset it, for the driver has
// looked at it before main.
func TestDebugVariable(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	port := listen(t, func(conn net.Conn) { t.Error("connected") })
	for _, mode := range []string{"set", "unset by the program", "set by the program"} {
		cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestDebugHelper$", "-test.v")
		cmd.Env = append(os.Environ(), helperVariable+"="+mode, "CLEANROOM_DBSECRET_PORT="+strconv.Itoa(port), "PQGO_DEBUG=1")
		if mode == "set by the program" {
			cmd.Env[len(cmd.Env)-1] = "PQGO_DEBUG="
		}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "unset it") {
			t.Errorf("%s: %v\n%s", mode, err, out)
		}
		if strings.Contains(string(out), "canary") {
			t.Errorf("%s: the password was printed", mode)
		}
	}
}

func TestDebugHelper(t *testing.T) {
	switch os.Getenv(helperVariable) {
	case "":
		return // an ordinary run
	case "unset by the program":
		os.Unsetenv("PQGO_DEBUG")
	case "set by the program":
		t.Setenv("PQGO_DEBUG", "1")
	}
	port, err := strconv.Atoi(os.Getenv("CLEANROOM_DBSECRET_PORT"))
	if err != nil {
		t.Fatal(err)
	}
	ref := passwordRef()
	doc := documentAt(port)
	doc.Password = ref
	_, err = connector(t, doc, &passwords{list: []string{"canary"}}, nil).Connect(t.Context())
	fmt.Println("connect:", err)
}

// TestEnvironmentIsWhole: the environment above has every variable that the
// driver's source names.
func TestEnvironmentIsWhole(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/lib/pq").Output()
	if err != nil {
		t.Fatal(err)
	}
	set := hostile(t, "127.0.0.1:1")
	name := regexp.MustCompile(`"(PG[A-Z][A-Z_]*)"`)
	seen := map[string]bool{}
	err = filepath.WalkDir(strings.TrimSpace(string(out)), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range name.FindAllSubmatch(source, -1) {
			seen[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) < 30 {
		t.Errorf("the driver's source names %d variables", len(seen))
	}
	for name := range seen {
		if set[name] == "" {
			t.Errorf("%s is not set", name)
		}
	}
}
