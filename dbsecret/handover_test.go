package dbsecret_test

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// TestLogIn speaks the protocol on what is handed over, and cancels with the key
// that came with it.
func TestLogIn(t *testing.T) {
	s := sharedServer(t)
	l, err := connector(t, s.document(), s.unwrapper(), nil).LogIn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.ProcessID == 0 || len(l.SecretKey) != 4 {
		t.Fatalf("process %d, a key of %d bytes", l.ProcessID, len(l.SecretKey))
	}
	if _, err := l.Write(message('Q', "SELECT pg_sleep(600)")); err != nil {
		t.Fatal(err)
	}
	again, err := l.DialAgain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	request := message(0, int32(1234<<16|5678), int32(l.ProcessID), l.SecretKey)[1:]
	if _, err := again.Write(request); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(again); err != nil || len(rest) > 0 {
		t.Errorf("the request to cancel is answered with %q, %v", rest, err)
	}
	var answer bytes.Buffer
	buf := make([]byte, 4096)
	for !bytes.Contains(answer.Bytes(), []byte("57014")) {
		n, err := l.Read(buf)
		if err != nil {
			t.Fatalf("%v; read %q", err, answer.Bytes())
		}
		answer.Write(buf[:n])
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error("closed twice: ", err)
	}
}

// TestLogInFails as Connect does, and also where a server talks unasked.
func TestLogInFails(t *testing.T) {
	s := sharedServer(t)
	if _, err := connector(t, s.document(), &passwords{list: []string{"another"}}, nil).LogIn(t.Context()); err == nil {
		t.Error("a wrong password let in")
	}
	doc := s.document()
	doc.SSLRootCert = hostileServer(t, nil, func(net.Conn) {}).SSLRootCert
	_, err := connector(t, doc, s.unwrapper(), nil).LogIn(t.Context())
	wantError(t, err, "dbsecret: connect to localhost", "sslRootCert")
	login := append(append(message('R', int32(0)), message('Z', byte('I'))...), message('D', int16(0))...)
	_, err = connector(t, hostileServer(t, login, func(net.Conn) {}), s.unwrapper(), nil).LogIn(t.Context())
	wantError(t, err, "unasked")
	var _ net.Conn = (*dbsecret.LoggedIn)(nil)
}
