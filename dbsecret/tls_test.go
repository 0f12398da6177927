package dbsecret_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// serverCertificates are what a server may show, and what the client says to
// all but the first.
func serverCertificates(t *testing.T, ca *testpki.CA) []serverCertificate {
	t.Helper()
	issue := func(ca *testpki.CA, names ...string) *tls.Certificate {
		cert, err := ca.Issue(names...)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	unknown, err := testpki.New("database") // the same name, another key
	if err != nil {
		t.Fatal(err)
	}
	return []serverCertificate{
		{"good", issue(ca, "localhost"), nil},
		{"wrong name", issue(ca, "other.example"), []string{"other.example", "dbEndpoint", "dbIP"}},
		{"address but no name", issue(ca, "127.0.0.1"), []string{"localhost", "dbEndpoint"}},
		{"unknown authority", issue(unknown, "localhost"), []string{"unknown authority", "sslRootCert"}},
		{"expired", expired(t, "localhost"), []string{"expired", "renew", "clocks"}},
	}
}

type serverCertificate struct {
	name string
	cert *tls.Certificate
	want []string // in the error; nil means none
}

// expired is a self-signed certificate of last year, which is its own root.
func expired(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(0, 0, -1),
	}
	leaf, err := testpki.Sign(template, key.Public(), template, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// documentFor trusts what the certificate needs to be refused for one reason.
func documentFor(s *server, c serverCertificate) *dbsecret.Document {
	doc := s.document()
	if c.name == "expired" {
		doc.SSLRootCert = string(testpki.PEM(c.cert.Leaf))
	}
	return doc
}

func TestServerCertificates(t *testing.T) {
	s := ownServer(t)
	for _, c := range serverCertificates(t, s.ca) {
		t.Run(c.name, func(t *testing.T) {
			if err := s.SetCertificate(t.Context(), c.cert); err != nil {
				t.Fatal(err)
			}
			err := open(t, documentFor(s, c), s.unwrapper(), nil).PingContext(t.Context())
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, append(c.want, "dbsecret: connect to", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), s.Database, s.User)...)
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		if err := s.DisableTLS(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := open(t, s.document(), s.unwrapper(), nil).PingContext(t.Context())
		wantError(t, err, "dbsecret: connect to", s.Host, "does not speak TLS", "ssl=on")
	})
}

// TestWeakerModes shows what each mode accepts once it is permitted, and that
// none is without.
func TestWeakerModes(t *testing.T) {
	s := ownServer(t)
	certs := map[string]*tls.Certificate{"no TLS": nil}
	for _, c := range serverCertificates(t, s.ca) {
		certs[c.name] = c.cert
	}
	accepts := map[string][]string{
		"verify-full": {"good"},
		"verify-ca":   {"good", "wrong name"},
		"require":     {"good", "wrong name", "unknown authority", "expired"},
		"disable":     {"no TLS"},
	}
	for _, server := range []string{"good", "wrong name", "unknown authority", "expired", "no TLS"} {
		err := s.DisableTLS(t.Context())
		if certs[server] != nil {
			err = s.SetCertificate(t.Context(), certs[server])
		}
		if err != nil {
			t.Fatal(err)
		}
		for mode, servers := range accepts {
			want := strings.Contains(strings.Join(servers, ","), server)
			doc := s.document()
			doc.SSLMode = mode
			if mode != "verify-full" {
				_, err := dbsecret.NewConnector(doc, s.unwrapper(), nil)
				wantError(t, err, mode, "verify-full", "AllowTLSWeakerThanVerifyFull")
			}
			db := open(t, doc, s.unwrapper(), &dbsecret.Options{AllowTLSWeakerThanVerifyFull: true})
			if err := db.PingContext(t.Context()); (err == nil) != want {
				t.Errorf("%s, server with %s: %v", mode, server, err)
			}
		}
	}
}

// TestOptionAloneWeakensNothing keeps the permission from being the switch.
func TestOptionAloneWeakensNothing(t *testing.T) {
	s := ownServer(t)
	unknown, err := testpki.New("another")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := unknown.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetCertificate(t.Context(), cert); err != nil {
		t.Fatal(err)
	}
	db := open(t, s.document(), s.unwrapper(), &dbsecret.Options{AllowTLSWeakerThanVerifyFull: true})
	wantError(t, db.PingContext(t.Context()), "unknown authority")
}

// TestByAddress connects to dbIP and verifies dbEndpoint.
func TestByAddress(t *testing.T) {
	s := sharedServer(t)
	doc := s.document()
	doc.Endpoint, doc.IP = "db.publisher.example", "127.0.0.1"
	err := open(t, doc, s.unwrapper(), nil).PingContext(t.Context())
	wantError(t, err, "db.publisher.example", "at 127.0.0.1", "dbEndpoint")

	own := ownServer(t)
	cert, err := own.ca.Issue("db.publisher.example", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := own.SetCertificate(t.Context(), cert); err != nil {
		t.Fatal(err)
	}
	doc = own.document()
	doc.Endpoint, doc.IP = "db.publisher.example", "127.0.0.1"
	if err := open(t, doc, own.unwrapper(), nil).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
	doc.Endpoint, doc.IP = "127.0.0.1", "" // a certificate may carry the address itself
	if err := open(t, doc, own.unwrapper(), nil).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNoPasswordBeforeVerification lets an impostor take the connection. It has
// the keys of its own certificate, so it would see whatever is sent once its
// handshake was accepted.
func TestNoPasswordBeforeVerification(t *testing.T) {
	ca, err := testpki.New("database")
	if err != nil {
		t.Fatal(err)
	}
	doc := &dbsecret.Document{Endpoint: "localhost", Name: "test_data", User: "user", SSLRootCert: string(ca.RootPEM()), Password: passwordRef()}
	certs := serverCertificates(t, ca)
	if len(certs) != 5 {
		t.Fatalf("%d certificates", len(certs))
	}
	for _, c := range certs[1:] {
		t.Run(c.name, func(t *testing.T) {
			got := make(chan string, 1)
			port := listen(t, func(conn net.Conn) {
				request := make([]byte, 8)
				if _, err := io.ReadFull(conn, request); err != nil {
					got <- err.Error()
					return
				}
				_, _ = conn.Write([]byte("S"))
				secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*c.cert}})
				sent, err := io.ReadAll(secure)
				if err == nil || len(sent) > 0 {
					got <- "the client went on and sent: " + string(sent)
					return
				}
				got <- ""
			})
			d := *doc
			d.Port = port
			if c.name == "expired" {
				d.SSLRootCert = string(testpki.PEM(c.cert.Leaf))
			}
			wantError(t, open(t, &d, &passwords{list: []string{"canary"}}, nil).PingContext(t.Context()), c.want...)
			if problem := <-got; problem != "" {
				t.Error(problem)
			}
		})
	}
	for answer, want := range map[string]string{
		"N":                                  "does not speak TLS",
		"E":                                  "no PostgreSQL server",
		"HTTP/1.1 400":                       "no PostgreSQL server",
		"":                                   "closed the connection before the login",
		"SR\x00\x00\x00\x08\x00\x00\x00\x03": "tls:", // a request for the password, injected behind the answer
	} {
		t.Run("answer "+strconv.Quote(answer), func(t *testing.T) {
			got := make(chan int, 1)
			port := listen(t, func(conn net.Conn) {
				request := make([]byte, 8)
				_, _ = io.ReadFull(conn, request)
				_, _ = conn.Write([]byte(answer))
				_ = conn.(*net.TCPConn).CloseWrite()
				rest, _ := io.ReadAll(conn)
				if strings.Contains(string(rest), "user") || strings.Contains(string(rest), "canary") {
					t.Errorf("sent %q", rest)
				}
				got <- len(rest)
			})
			d := *doc
			d.Port = port
			wantError(t, open(t, &d, &passwords{list: []string{"canary"}}, nil).PingContext(t.Context()), want, "localhost:"+strconv.Itoa(port))
			if n := <-got; n > 0 && !strings.HasPrefix(answer, "S") {
				t.Errorf("%d bytes more than the request for TLS were sent", n)
			}
		})
	}
}

// listen serves one connection.
func listen(t *testing.T, serve func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// TestUnreachable names the endpoint and says what to check.
func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	doc := &dbsecret.Document{Endpoint: "localhost", Port: port, Name: "d", User: "u", Password: passwordRef()}
	err = open(t, doc, &passwords{list: []string{"p"}}, nil).PingContext(t.Context())
	wantError(t, err, "localhost:"+strconv.Itoa(port), "refused", "network policy")

	doc.Endpoint = "no-such-host.invalid"
	err = open(t, doc, &passwords{list: []string{"p"}}, &dbsecret.Options{Dialer: dialerFunc(func() (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: doc.Endpoint, IsNotFound: true}}
	})}).PingContext(t.Context())
	wantError(t, err, doc.Endpoint, "dbIP", "name resolution")
}

type dialerFunc func() (net.Conn, error)

func (f dialerFunc) DialContext(context.Context, string, string) (net.Conn, error) { return f() }

type dialerTo func(ctx context.Context, address string) (net.Conn, error)

func (f dialerTo) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	return f(ctx, address)
}

// TestConnectEndsWithContext covers a server that accepts and says nothing, at
// each step of the login: the error says where, and at whose address.
func TestConnectEndsWithContext(t *testing.T) {
	ca, err := testpki.New("database")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	for step, says := range map[string][]string{
		"in the dialling":   {"dialling", "firewall"},
		"before the answer": {"agreeing on TLS", "not a proxy"},
		"in the handshake":  {"agreeing on TLS", "not a proxy"},
		"in the login":      {"logging in", "log"},
	} {
		for cause, says := range map[error][]string{
			errors.New("the room is closing"): {"given up while " + says[0]},
			context.DeadlineExceeded:          append([]string{"did not answer within the time given"}, says...),
		} {
			t.Run(step+", "+cause.Error(), func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				port := listen(t, func(conn net.Conn) {
					request := make([]byte, 8)
					_, _ = io.ReadFull(conn, request)
					switch step {
					case "before the answer":
					case "in the handshake":
						_, _ = conn.Write([]byte("S"))
						_, _ = io.ReadFull(conn, request) // the client's hello
					default:
						_, _ = conn.Write([]byte("S"))
						secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}})
						_, _ = io.ReadFull(secure, request) // the start-up message
					}
					cancel(cause)
					_, _ = io.Copy(io.Discard, conn)
				})
				opts := &dbsecret.Options{}
				address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
				if step == "in the dialling" {
					address = net.JoinHostPort("localhost", strconv.Itoa(port))
					opts.Dialer = dialerTo(func(ctx context.Context, _ string) (net.Conn, error) {
						cancel(cause)
						<-ctx.Done()
						return nil, ctx.Err()
					})
				} else {
					opts.Dialer = dialerTo(func(ctx context.Context, _ string) (net.Conn, error) {
						return new(net.Dialer).DialContext(ctx, "tcp", address)
					})
				}
				doc := &dbsecret.Document{Endpoint: "localhost", Port: port, Name: "d", User: "u", SSLRootCert: string(ca.RootPEM()), Password: passwordRef()}
				_, err := connector(t, doc, &passwords{list: []string{"canary"}}, opts).Connect(ctx)
				if !errors.Is(err, cause) {
					t.Errorf("got %v, want the context's cause", err)
				}
				wantError(t, err, append(says, "dbsecret: connect to localhost", " at "+address)...)
			})
		}
	}
}

// A query that never got a connection says so, and not only that its time is
// over.
func TestWriteRowsWithoutServer(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	db := open(t, documentAt(5433), &passwords{list: []string{"canary"}}, &dbsecret.Options{Dialer: dialerTo(func(ctx context.Context, _ string) (net.Conn, error) {
		cancel(context.DeadlineExceeded)
		<-ctx.Done()
		return nil, ctx.Err()
	})})
	_, err := dbsecret.WriteRows(ctx, io.Discard, db, "SELECT 1")
	wantError(t, err, "dbsecret: write rows", "localhost:5433", "did not answer within the time given, while dialling")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestServerTexts makes sure that a server cannot write lines of its own into
// an error, nor what a terminal obeys.
func TestServerTexts(t *testing.T) {
	const forged = "no\n\tcheck  ok\x1b[2J\u202e"
	failure := message('E', "SERROR", "C28000", "M"+forged, byte(0))
	check := func(err error, parts ...string) {
		t.Helper()
		wantError(t, err, append(parts, `no\n`)...)
		var pe *pq.Error
		if !errors.As(err, &pe) || pe.Message != forged {
			t.Errorf("the server's error is %+v", pe)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b\u202e") {
			t.Errorf("%q", err)
		}
	}
	doc := hostileServer(t, failure, func(conn net.Conn) { conn.Close() })
	_, err := connector(t, doc, &passwords{list: []string{"canary"}}, nil).Connect(t.Context())
	check(err, "dbsecret: connect to", "pg_hba.conf")
	doc = hostileServer(t, nil, answering(append(failure, message('Z', byte('I'))...)))
	_, err = dbsecret.WriteRows(t.Context(), io.Discard, open(t, doc, &passwords{list: []string{"canary"}}, nil), "SELECT 1")
	check(err, "dbsecret: write rows")
}
