package cleanroomtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// TestAddNode asks a second node about the one network, and refuses names that
// can be none.
func TestAddNode(t *testing.T) {
	env := start(t)
	if _, err := env.AddNode("one", nil); err == nil {
		t.Error("a node of no ledger was opened")
	}
	ca, err := testpki.New("member")
	if err != nil {
		t.Fatal(err)
	}
	if err := env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: ca.RootPEM(), Identifier: "member"}); err != nil {
		t.Fatal(err)
	}
	conn, err := env.Connect(cleanroomtest.Consumer, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	url, err := env.AddNode("one", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Node", "one")
			next.ServeHTTP(w, r)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(env.ServiceCertificate())
	client := &http.Client{Transport: &http.Transport{DialContext: conn.DialContext, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(client.CloseIdleConnections)
	for at, want := range map[string]string{url: "one", env.LedgerURL(): ""} {
		resp, err := client.Get(at + "/node/network")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Node"); got != want || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d by node %q", at, resp.StatusCode, got)
		}
	}
	for _, bad := range []string{"", "one", "a.b"} {
		if _, err := env.AddNode(bad, nil); err == nil {
			t.Errorf("a node named %q was opened", bad)
		}
	}
	if _, err := client.Get("https://two." + cleanroomtest.LedgerHost + "/node/network"); err == nil {
		t.Error("a node that was never opened answered")
	}
}
