package pgstandin

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// Version is what the server says it is.
const Version = "0 (stand-in, not PostgreSQL)"

// What the database is called, as a cluster of package postgres is.
const (
	databaseName = "test_data"
	userName     = "user"
)

// handshakeTime bounds the time until a client is logged in.
const handshakeTime = 30 * time.Second

// Server is a running stand-in. It listens on 127.0.0.1.
type Server struct {
	Host     string // "localhost"
	Port     int
	Database string // "test_data"
	User     string // "user"

	password *redact.Secret
	verifier *verifier
	tables   map[string]*table
	tls      *tls.Config
	listener net.Listener
	serving  sync.WaitGroup

	mu      sync.Mutex
	stopped bool
	conns   map[net.Conn]bool
}

// Start starts a server that shows this certificate. It runs until Stop.
func Start(cert *tls.Certificate) (*Server, error) {
	if cert == nil || len(cert.Certificate) == 0 {
		return nil, errors.New("pgstandin: start: a certificate is required")
	}
	random := make([]byte, 24)
	rand.Read(random)
	password := redact.New([]byte(base64.RawURLEncoding.EncodeToString(random)))
	redact.Clear(random)
	v, err := newVerifier(password)
	if err != nil {
		return nil, fmt.Errorf("pgstandin: start: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("pgstandin: start: %w", err)
	}
	s := &Server{
		Host: "localhost", Port: l.Addr().(*net.TCPAddr).Port, Database: databaseName, User: userName,
		password: password, verifier: v, tables: sampleTables(), listener: l, conns: map[net.Conn]bool{},
		tls: &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS13},
	}
	s.serving.Go(s.accept)
	return s, nil
}

// Password is the password of User. It belongs to the server, which clears it
// in Stop.
func (s *Server) Password() *redact.Secret { return s.password }

// Stop ends the server with all its connections and clears the password.
// Calling it again does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	if !first {
		return nil
	}
	err := s.listener.Close()
	s.serving.Wait()
	s.password.Close()
	return err
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.keep(conn) {
			return
		}
		s.serving.Go(func() {
			defer s.forget(conn)
			s.serve(conn)
		})
	}
}

// keep notes a connection, so that Stop can end it.
func (s *Server) keep(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		_ = conn.Close()
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *Server) forget(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// serve speaks with one client. How it ends is the client's to know.
func (s *Server) serve(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(handshakeTime))
	c, err := s.login(conn)
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	_ = c.run()
}
