package ccf

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Over a real listener: the node's certificate chains to the service
// certificate alone, and the client certificate names the caller.
func TestTLS(t *testing.T) {
	a, stranger := newParty(t, "a"), newParty(t, "stranger")
	n := newNetwork(t, a)
	cert, err := n.TLSCertificate("ledger.example", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.TLSCertificate(); err == nil {
		t.Error("a certificate without a name")
	}
	server := httptest.NewUnstartedServer(n.Service)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}, ClientAuth: tls.RequestClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that turns away is expected
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(n.ServiceCertificate()) {
		t.Fatal("service certificate is not PEM")
	}
	status := func(p *party, serverName string) (int, error) {
		config := &tls.Config{RootCAs: roots, ServerName: serverName}
		if p != nil {
			config.Certificates = []tls.Certificate{{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key}}
		}
		transport := &http.Transport{TLSClientConfig: config}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get(server.URL + "/app/contracts")
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	for name, tc := range map[string]struct {
		caller     *party
		serverName string
		status     int
	}{
		"member":   {a, "ledger.example", 200},
		"by IP":    {a, "127.0.0.1", 200},
		"stranger": {stranger, "ledger.example", 401},
		"nobody":   {nil, "ledger.example", 401},
	} {
		if got, err := status(tc.caller, tc.serverName); err != nil || got != tc.status {
			t.Errorf("%s: status %d, %v; want %d", name, got, err, tc.status)
		}
	}
	if _, err := status(a, "other.example"); err == nil {
		t.Error("a name that was not asked for verifies")
	}
}
