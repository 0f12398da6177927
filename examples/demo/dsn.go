package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// target is the database that the publisher shares.
type target struct {
	Host     string
	Port     int
	Name     string
	User     string
	SSLMode  string
	RootPEM  []byte // nil means the system's roots
	Password []byte
	// Label says which database it is, for the last lines of the run.
	Label string
	// StandIn: it only speaks PostgreSQL's protocol.
	StandIn bool
}

// weakModes do not check the server's certificate, or not its name.
var weakModes = []string{"disable", "require", "verify-ca"}

// parseDSN reads a connection URL. It knows the two parameters that matter
// here and refuses the rest rather than guess what they would weaken.
func parseDSN(dsn string, insecure bool, getenv func(string) string) (*target, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, usagef("-dsn: it is not a URL; want postgres://user@host:port/db?sslmode=verify-full&sslrootcert=FILE")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, usagef("-dsn: the scheme is %q; want postgres://user@host:port/db?sslmode=verify-full&sslrootcert=FILE", u.Scheme)
	}
	if _, has := u.User.Password(); has {
		return nil, usagef("-dsn: it contains a password, which other users of this machine could read in the process list; put it into PGPASSWORD or a PGPASSFILE")
	}
	t := &target{Host: u.Hostname(), Port: 5432, Name: strings.TrimPrefix(u.Path, "/"), User: u.User.Username(), SSLMode: "verify-full"}
	if t.Host == "" || t.Name == "" || t.User == "" {
		return nil, usagef("-dsn: user, host and database are all needed; want postgres://user@host:port/db")
	}
	if u.Port() != "" {
		if t.Port, err = strconv.Atoi(u.Port()); err != nil || t.Port < 1 || t.Port > 65535 {
			return nil, usagef("-dsn: port %q is not between 1 and 65535", u.Port())
		}
	}
	if err := t.readQuery(u.Query(), insecure); err != nil {
		return nil, err
	}
	if t.Password, err = findPassword(t, getenv); err != nil {
		return nil, err
	}
	t.Label = fmt.Sprintf("%s on %s", t.Name, net.JoinHostPort(t.Host, strconv.Itoa(t.Port)))
	return t, nil
}

func (t *target) readQuery(q url.Values, insecure bool) error {
	for name := range q {
		if name != "sslmode" && name != "sslrootcert" {
			if name == "password" {
				return usagef("-dsn: it contains a password, which other users of this machine could read in the process list; put it into PGPASSWORD or a PGPASSFILE")
			}
			return usagef("-dsn: parameter %q is not known here; sslmode and sslrootcert are", name)
		}
	}
	if mode := q.Get("sslmode"); mode != "" {
		t.SSLMode = mode
	}
	switch {
	case t.SSLMode == "verify-full":
	case !slices.Contains(weakModes, t.SSLMode):
		return usagef("-dsn: sslmode %q does not exist; use verify-full", t.SSLMode)
	case !insecure:
		return usagef("-dsn: sslmode %s does not prove which server answers; use verify-full, or say -insecure-dsn-tls", t.SSLMode)
	}
	if file := q.Get("sslrootcert"); file != "" && file != "system" {
		var err error
		if t.RootPEM, err = readCertificate(file); err != nil {
			return fmt.Errorf("-dsn: sslrootcert: %w", err)
		}
	}
	return nil
}

// readCertificate reads a regular file of the size of a certificate.
func readCertificate(name string) ([]byte, error) {
	const most = 1 << 20
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s is no certificate in a file of at most %d bytes", name, most)
	}
	return os.ReadFile(name)
}

// findPassword takes PGPASSWORD, else the first line of PGPASSFILE that
// matches. The room's account needs one: it is what gets wrapped.
func findPassword(t *target, getenv func(string) string) ([]byte, error) {
	if p := getenv("PGPASSWORD"); p != "" {
		return []byte(p), nil
	}
	name := getenv("PGPASSFILE")
	if name == "" {
		return nil, errors.New("-dsn: no password: set PGPASSWORD or PGPASSFILE")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("-dsn: PGPASSFILE: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("-dsn: PGPASSFILE: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode()&fs.FileMode(0o077) != 0 {
		return nil, fmt.Errorf("-dsn: PGPASSFILE: others may read %s; run chmod 600 on it", name)
	}
	want := []string{t.Host, strconv.Itoa(t.Port), t.Name, t.User}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := splitPassLine(lines.Text())
		if len(fields) != 5 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		match := true
		for i, w := range want {
			match = match && (fields[i] == w || fields[i] == "*")
		}
		if match {
			return []byte(fields[4]), nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("-dsn: PGPASSFILE: %w", err)
	}
	return nil, fmt.Errorf("-dsn: PGPASSFILE: no line of %s fits %s", name, strings.Join(want, ":"))
}

// splitPassLine splits host:port:database:user:password, where a backslash
// takes the next character as it is (PostgreSQL documentation, section 34.16).
func splitPassLine(line string) []string {
	fields := []string{""}
	escaped := false
	for _, r := range line {
		last := len(fields) - 1
		switch {
		case escaped:
			fields[last] += string(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == ':':
			fields = append(fields, "")
		default:
			fields[last] += string(r)
		}
	}
	return fields
}
