package pgtest

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// Message is one of a server's, as PostgreSQL's protocol frames them. A string
// is ended by a NUL; the other parts are as they are.
func Message(kind byte, parts ...any) []byte {
	body := []byte{}
	for _, p := range parts {
		switch v := p.(type) {
		case int32:
			body = binary.BigEndian.AppendUint32(body, uint32(v))
		case int16:
			body = binary.BigEndian.AppendUint16(body, uint16(v))
		case byte:
			body = append(body, v)
		case string:
			body = append(append(body, v...), 0)
		case []byte:
			body = append(body, v...)
		}
	}
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}

// Hostile runs a server that shows a certificate, logs everybody in, and then
// lets script talk on each connection until it returns. It gives the document
// that leads to it.
func Hostile(t testing.TB, script func(net.Conn)) *dbsecret.Document {
	t.Helper()
	ca, err := testpki.New("database")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil { // the request for TLS
					return
				}
				_, _ = conn.Write([]byte("S"))
				secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}})
				start := make([]byte, 8) // length and version, or the code to cancel
				if _, err := io.ReadFull(secure, start); err != nil {
					return
				}
				rest := int64(binary.BigEndian.Uint32(start)) - 8
				if _, err := io.CopyN(io.Discard, secure, rest); err != nil || binary.BigEndian.Uint32(start[4:]) == 1234<<16|5678 {
					return
				}
				_, _ = secure.Write(Message('R', int32(0)))
				_, _ = secure.Write(Message('K', int32(1), int32(2)))
				_, _ = secure.Write(Message('Z', byte('I')))
				script(secure)
			})
		}
	})
	return &dbsecret.Document{Endpoint: "localhost", Port: l.Addr().(*net.TCPAddr).Port, Name: "d", User: "u", SSLRootCert: string(ca.RootPEM()), Password: Reference()}
}

// Request reads one message of the client.
func Request(conn net.Conn) (kind byte, body []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(conn, head); err != nil {
		return 0, nil, err
	}
	body = make([]byte, max(binary.BigEndian.Uint32(head[1:]), 4)-4)
	_, err = io.ReadFull(conn, body)
	return head[0], body, err
}
