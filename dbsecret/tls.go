package dbsecret

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// errNoTLS is the server's "N" to our request for TLS.
var errNoTLS = errors.New("the server does not speak TLS; switch it on there (ssl=on)")

// startTLS asks for TLS and verifies the server. Exactly one byte is read in
// plain: whatever an attacker injects behind it ends up in the handshake and
// breaks it.
func startTLS(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	// SSLRequest: the length of the message, and 1234 and 5679 where a start-up
	// has the protocol's version.
	request := binary.BigEndian.AppendUint32(nil, 8)
	request = binary.BigEndian.AppendUint32(request, 1234<<16|5679)
	if _, err := conn.Write(request); err != nil {
		return nil, contextFirst(ctx, fmt.Errorf("request TLS: %w", err))
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, contextFirst(ctx, fmt.Errorf("request TLS: no answer: %w", err))
	}
	switch answer[0] {
	case 'S':
	case 'N':
		return nil, errNoTLS
	default:
		return nil, fmt.Errorf("request TLS: the answer is %q; this is no PostgreSQL server", answer[0])
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, contextFirst(ctx, err)
	}
	return secure, nil
}

// tlsConfig is nil for a connection without TLS.
func tlsConfig(d *Document) (*tls.Config, error) {
	if d.sslMode() == sslDisable {
		return nil, nil
	}
	config := &tls.Config{ServerName: d.Endpoint, MinVersion: tls.VersionTLS12}
	if d.SSLRootCert != "" {
		roots, err := rootPool(d.SSLRootCert)
		if err != nil {
			return nil, fmt.Errorf("sslRootCert %w", err)
		}
		config.RootCAs = roots
	}
	switch d.sslMode() {
	case sslVerifyFull:
	case sslVerifyCA:
		config.InsecureSkipVerify = true
		config.VerifyConnection = chainOnly(config.RootCAs)
	default: // require
		config.InsecureSkipVerify = true
	}
	return config, nil
}

// chainOnly verifies as verify-full does, but for the name.
func chainOnly(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, cert := range state.PeerCertificates[1:] {
			opts.Intermediates.AddCert(cert)
		}
		_, err := state.PeerCertificates[0].Verify(opts)
		return err
	}
}

// contextFirst prefers the context's error: the network's own is then only the
// deadline that we set.
func contextFirst(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
