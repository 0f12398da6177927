// Package wiretest puts emulators behind one TLS listener on loopback under
// their genuine host names, for the tests of the emulators themselves.
package wiretest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// Network is a set of hosts that only its own client reaches.
type Network struct {
	// CA issued the certificate of every host.
	CA *testpki.CA
	// Client dials the listener whatever the host, trusts CA alone and, as the
	// clients of this module, follows no redirect.
	Client *http.Client

	mu       sync.RWMutex
	handlers map[string]http.Handler
	names    []string
}

// New starts a network whose hosts are the given names; a name may start with
// "*." It stops with the test.
func New(t testing.TB, names ...string) *Network {
	t.Helper()
	ca, err := testpki.New("network of a test")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(names...)
	if err != nil {
		t.Fatal(err)
	}
	n := &Network{CA: ca, handlers: map[string]http.Handler{}, names: names}
	srv := httptest.NewUnstartedServer(n)
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	address := srv.Listener.Addr().String()
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, host string) (net.Conn, error) {
			if !n.has(host) {
				return nil, fmt.Errorf("wiretest: %s is not part of this network", host)
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	n.Client = wire.NoRedirect(&http.Client{Transport: transport})
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		srv.Close()
	})
	return n
}

// Handle sets who answers for one of the network's names.
func (n *Network) Handle(name string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handlers[name] = h
}

// ServeHTTP routes by host.
func (n *Network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := wire.Host(r)
	n.mu.RLock()
	h := n.handlers[host]
	if h == nil {
		_, domain, _ := strings.Cut(host, ".")
		h = n.handlers["*."+domain]
	}
	n.mu.RUnlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

func (n *Network) has(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	_, domain, _ := strings.Cut(host, ".")
	for _, name := range n.names {
		if name == host || name == "*."+domain {
			return true
		}
	}
	return false
}
