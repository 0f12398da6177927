package pgstandin

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// The numbers that a first message begins with.
const (
	protocol3  = 3 << 16
	cancelCode = 1234<<16 | 5678
	tlsCode    = 1234<<16 | 5679
	gssCode    = 1234<<16 | 5680
)

var errEnded = errors.New("the connection has ended")

// settings can be shown; most are told to each client at the beginning.
var settings = []struct {
	name, value string
	told        bool
}{
	{"server_version", Version, true},
	{"server_encoding", "UTF8", true},
	{"client_encoding", "UTF8", true},
	{"DateStyle", "ISO, MDY", true},
	{"TimeZone", "UTC", true},
	{"integer_datetimes", "on", true},
	{"standard_conforming_strings", "on", true},
	{"IntervalStyle", "postgres", true},
	{"ssl", "on", false},
}

// login reads until a client is logged in, over TLS and with its password.
func (s *Server) login(conn net.Conn) (*session, error) {
	code, _, err := readStartup(conn)
	if err == nil && code == gssCode { // a client asks for it first, then for TLS
		if _, err = conn.Write([]byte("N")); err == nil {
			code, _, err = readStartup(conn)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case code == cancelCode: // nothing here takes long enough
		return nil, errEnded
	case code != tlsCode:
		w := &writer{out: bufio.NewWriter(conn)}
		w.fail("FATAL", errorf(codeInvalidAuthorization, "this stand-in of a PostgreSQL accepts connections with TLS only, no encryption was asked for"))
		return nil, errors.Join(errEnded, w.out.Flush())
	}
	if _, err := conn.Write([]byte("S")); err != nil {
		return nil, err
	}
	secure := tls.Server(conn, s.tls)
	if err := secure.Handshake(); err != nil {
		return nil, err
	}
	code, body, err := readStartup(secure)
	if err != nil || code == cancelCode {
		return nil, errors.Join(errEnded, err)
	}
	c := &session{server: s, in: bufio.NewReader(secure), writer: writer{out: bufio.NewWriterSize(secure, 32<<10)}, statements: map[string]*prepared{}, portals: map[string]*portal{}}
	if err := c.authenticate(code, body); err != nil {
		var refused *sqlError
		if errors.As(err, &refused) {
			c.fail("FATAL", err)
			err = errors.Join(err, c.out.Flush())
		}
		return nil, err
	}
	return c, c.welcome()
}

func (c *session) authenticate(code uint32, body []byte) error {
	if code != protocol3 {
		return unsupported("version %d.%d of the protocol, only 3.0", code>>16, code&0xffff)
	}
	given := map[string]string{}
	for r := (&reader{rest: body}); len(r.rest) > 1; {
		name := r.string()
		given[name] = r.string()
		if r.bad {
			return errorf(codeProtocolViolation, "invalid startup packet layout: expected terminator as last byte")
		}
	}
	user, database := given["user"], given["database"]
	if user == "" {
		return errorf(codeInvalidAuthorization, "no PostgreSQL user name specified in startup packet")
	}
	if database == "" {
		database = user
	}
	if encoding := given["client_encoding"]; encoding != "" && encoding != "UTF8" && encoding != "utf8" && encoding != "UTF-8" {
		return unsupported("the encoding %q", encoding)
	}
	if given["options"] != "" {
		return unsupported("options of the command line")
	}
	c.send('R', int32(10), mechanism, byte(0))
	x := &exchange{verifier: c.server.verifier}
	message, err := c.password()
	if err != nil {
		return err
	}
	text, err := saslInitial(message)
	if err != nil {
		return err
	}
	if text, err = x.first(text); err != nil {
		return err
	}
	c.send('R', int32(11), []byte(text))
	if message, err = c.password(); err != nil {
		return err
	}
	if text, err = x.final(string(message), user, user == c.server.User); err != nil {
		return err
	}
	c.send('R', int32(12), []byte(text))
	if database != c.server.Database {
		return errorf(codeInvalidCatalogName, "database %q does not exist", database)
	}
	return nil
}

// password reads the client's answer to a request for authentication.
func (c *session) password() ([]byte, error) {
	if err := c.out.Flush(); err != nil {
		return nil, err
	}
	kind, body, err := readMessage(io.LimitReader(c.in, maxStartup))
	if err == nil && kind != 'p' {
		err = errorf(codeProtocolViolation, "expected SASL response, got message type %d", kind)
	}
	return body, err
}

func (c *session) welcome() error {
	c.send('R', int32(0))
	for _, s := range settings {
		if s.told {
			c.send('S', s.name, s.value)
		}
	}
	c.send('S', "session_authorization", c.server.User)
	c.send('S', "is_superuser", "off")
	key := make([]byte, 8)
	rand.Read(key)
	c.send('K', int32(binary.BigEndian.Uint32(key)>>1), key[4:])
	c.ready()
	return c.out.Flush()
}
