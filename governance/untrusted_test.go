package governance_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// stranger answers every connection with a certificate of its own making, and
// gives the error that a client of pinned gets; nil pins what it presents.
func stranger(t *testing.T, template *x509.Certificate, pinned []byte) error {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.IsCA, template.BasicConstraintsValid = big.NewInt(1), true, true
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if pinned == nil {
		pinned = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).HandshakeContext(t.Context())
			_ = c.Close()
		}
	}()
	defer func() { _ = l.Close(); <-done }()
	client, err := governance.NewClient("https://node.example", newMember(t, "m"), &governance.ClientOptions{
		ServiceCertificate: pinned,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Network(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	return err
}

// TestStrangersWords: a server that nobody vouches for writes no line of the
// error that says so.
func TestStrangersWords(t *testing.T) {
	err := stranger(t, &x509.Certificate{
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"x\x1b[2J\r\n\tremedy trust it"},
	}, newMember(t, "s").CertificatePEM())
	wantText(t, err, "trust it")
	if text := err.Error(); strings.ContainsAny(text, "\x1b\r") || strings.Contains(text, "\n\tremedy trust") {
		t.Errorf("%q", text)
	}
}

// TestExpiredNode: the node is the right one, and the reason is a time.
func TestExpiredNode(t *testing.T) {
	for name, start := range map[string]time.Time{"clock behind": time.Now().Add(time.Hour), "expired": time.Now().Add(-2 * time.Hour)} {
		err := stranger(t, &x509.Certificate{NotBefore: start, NotAfter: start.Add(time.Hour), DNSNames: []string{"node.example"}}, nil)
		wantText(t, err, "expired or is not yet valid", "\n\tremedy compare the clock of this machine")
		if strings.Contains(err.Error(), "not part of the service") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
