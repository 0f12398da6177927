package governance_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// digestOf is the digest of a certificate in PEM.
func digestOf(t testing.TB, certificate []byte) [32]byte {
	t.Helper()
	block, _ := pem.Decode(certificate)
	if block == nil {
		t.Fatal("no certificate")
	}
	return sha256.Sum256(block.Bytes)
}

// TestDigest lets clients know no more of the service than a digest. Beside the
// one connection of each there is one for the certificate.
func TestDigest(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	g := c.launch("policy")
	c.agree(id, g.hostData())
	digest := digestOf(t, c.env.ServiceCertificate())
	dialer := c.conn(cleanroomtest.Publisher).DialContext

	var dials atomic.Int64
	member, err := governance.NewClient(c.env.LedgerURL(), c.publisher.Member(), &governance.ClientOptions{
		ServiceCertificateDigest: digest, DialContext: counted(&dials, dialer),
	})
	c.check(err)
	defer member.Close()
	if dials.Load() != 0 {
		t.Error("a client that was only made connected")
	}
	secretID, err := member.Contract(id).PutSecret(ctx, "name", "value")
	c.check(err)
	network, err := member.Network(ctx)
	c.check(err)
	if digestOf(t, network.CertificatePEM) != digest {
		t.Error("the network has another certificate")
	}
	contract, err := member.Contract(id).Get(ctx)
	c.check(err)
	_, err = member.Receipt(ctx, contract.Version)
	c.check(err)
	if n := dials.Load(); n != 2 {
		t.Errorf("the member's client opened %d connections", n)
	}

	dials.Store(0)
	room, err := governance.NewRoomClient(c.env.LedgerURL(), id, g, &governance.RoomClientOptions{
		ServiceCertificateDigest: digest, DialContext: counted(&dials, dialer),
	})
	c.check(err)
	defer room.Close()
	for range 2 {
		got, err := room.Secret(ctx, secretID)
		c.check(err)
		if string(got) != "value" {
			t.Errorf("secret %q", got)
		}
	}
	if n := dials.Load(); n != 2 {
		t.Errorf("the room's client opened %d connections", n)
	}
}

// TestDigestOptions wants certificate and digest to agree.
func TestDigestOptions(t *testing.T) {
	t.Parallel()
	member, other := newMember(t, "m"), newMember(t, "o")
	cert, digest := member.CertificatePEM(), digestOf(t, member.CertificatePEM())
	for _, o := range []governance.ClientOptions{
		{ServiceCertificateDigest: digest},
		{ServiceCertificate: cert, ServiceCertificateDigest: digest},
		{ServiceCertificate: cert},
	} {
		if _, err := governance.NewClient("https://host", member, &o); err != nil {
			t.Error(err)
		}
	}
	for text, o := range map[string]governance.ClientOptions{
		"do not agree: the certificate has the SHA-256": {ServiceCertificate: other.CertificatePEM(), ServiceCertificateDigest: digest},
		"do not agree: 2 certificates":                  {ServiceCertificate: append(cert, other.CertificatePEM()...), ServiceCertificateDigest: digest},
		"no PEM block":                                  {ServiceCertificate: []byte("x"), ServiceCertificateDigest: digest},
		"its digest can be given":                       {},
	} {
		_, err := governance.NewClient("https://host", member, &o)
		wantText(t, err, "governance: service certificate: ", text)
	}
}

// impostor is a server with a certificate of its own, which it made for itself,
// and a client that knows the service by a digest.
type impostor struct {
	certificate []byte // that it shows in TLS
	dials       atomic.Int64
	paths       []string // that it was asked for
	members     int      // how often it was shown a member's certificate
}

func (i *impostor) serve(t *testing.T, digest func(*impostor) [32]byte, answer http.HandlerFunc) *governance.Client {
	t.Helper()
	var mu sync.Mutex
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		i.paths = append(i.paths, r.Method+" "+r.URL.RequestURI())
		i.members += len(r.TLS.PeerCertificates)
		answer(w, r)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of refused certificates
	server.StartTLS()
	t.Cleanup(server.Close)
	i.certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	client, err := governance.NewClient("https://example.com", newMember(t, "m"), &governance.ClientOptions{
		ServiceCertificateDigest: digest(i),
		DialContext: counted(&i.dials, func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	governance.Hasten(client)
	return client
}

func naming(certificates ...[]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var all strings.Builder
		for _, c := range certificates {
			all.Write(c)
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"service_certificate": all.String(), "service_status": "Open"})
	}
}

// TestDigestImpostor meets servers that are not the service. None learns more
// than that somebody asks for a certificate.
func TestDigestImpostor(t *testing.T) {
	genuine := newMember(t, "service").CertificatePEM()
	other := newMember(t, "other").CertificatePEM()
	right := digestOf(t, genuine)
	tests := []struct {
		name   string
		answer http.HandlerFunc
		says   []string
		// dials has the one for the certificate, and what came of it.
		dials int64
	}{
		{"names another certificate", naming(other), []string{"has the SHA-256", fmt.Sprintf("%x", digestOf(t, other)), fmt.Sprintf("not %x", right), "whose digest was given"}, 1},
		{"names the genuine one", naming(genuine), []string{"not part of the service whose certificate was given"}, 2},
		{"names both", naming(genuine, other), []string{"2 certificates, want one"}, 1},
		{"names none", naming(), []string{"no PEM block"}, 1},
		{"names a broken one", naming([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), []string{"gives no service certificate"}, 1},
		{"is a web page", text(200, "<html>"), []string{"gives no service certificate"}, 1},
		{"null", text(200, "null"), []string{"no PEM block"}, 1},
		{"is endless", text(200, strings.Repeat("x", 1<<20+1)), []string{"gives no service certificate", "too long"}, 1},
		{"not found", text(404, `{"error":{"code":"ResourceNotFound","message":"m"}}`), []string{"the answer has the status 404"}, 1},
		{"starting", text(503, ``), []string{"status 503"}, 12},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example"+r.URL.Path)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, []string{"the answer has the status 307"}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var i impostor
			client := i.serve(t, func(*impostor) [32]byte { return right }, test.answer)
			_, err := client.Contract("k").PutSecret(t.Context(), "name", "value")
			wantText(t, err, append(test.says, "governance: put secret name of k")...)
			if i.dials.Load() != test.dials {
				t.Errorf("%d connections", i.dials.Load())
			}
			for _, p := range i.paths {
				if p != "GET /node/network" {
					t.Errorf("it was asked %s", p)
				}
			}
			if i.members != 0 || len(i.paths) == 0 {
				t.Errorf("shown %d certificates, asked %d times", i.members, len(i.paths))
			}
			// What is wrong once is asked again, and not believed later.
			if _, err := client.Contract("k").Get(t.Context()); err == nil {
				t.Error("the second call was answered")
			}
		})
	}
	if len(tests) != 11 {
		t.Errorf("%d cases", len(tests))
	}
}

// TestDigestShowsTheMemberLater shows the member's certificate to who turned
// out to be the service, and to nobody before. However many callers wait for
// that, it is found out once.
func TestDigestShowsTheMemberLater(t *testing.T) {
	var i impostor // this one is what it says
	client := i.serve(t, func(i *impostor) [32]byte { return digestOf(t, i.certificate) }, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/node/network" {
			if i.members != 0 {
				t.Error("the member's certificate was shown before")
			}
			naming(i.certificate)(w, r)
			return
		}
		text(200, `{"id":"k","state":"Draft","version":"2.1","data":"d"}`)(w, r)
	})
	const callers = 8
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := client.Contract("k").Get(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(i.paths) != callers+1 || i.paths[0] != "GET /node/network" || i.members != callers {
		t.Errorf("asked %v, shown %d certificates", i.paths, i.members)
	}
}

// TestDigestNodes passes over a node that is not of the service.
func TestDigestNodes(t *testing.T) {
	c, id := commonConsortium(t)
	dead, sound := c.node(always(http.StatusServiceUnavailable)), c.node(nil)
	for name, first := range map[string]string{"dead": dead.url, "stranger": "https://" + cleanroomtest.AttestationHost} {
		client, err := governance.NewClient(first, c.publisher.Member(), &governance.ClientOptions{
			ServiceCertificateDigest: digestOf(t, c.env.ServiceCertificate()), Nodes: []string{sound.url},
			DialContext: c.conn(cleanroomtest.Publisher).DialContext,
		})
		c.check(err)
		defer client.Close()
		governance.Hasten(client)
		if _, err := client.Contract(id).PutSecret(t.Context(), name, "value"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDigestContext gives up with its caller, while another waits on.
func TestDigestContext(t *testing.T) {
	release, asked := make(chan struct{}), make(chan struct{}, 8)
	genuine := newMember(t, "service").CertificatePEM()
	var i impostor
	client := i.serve(t, func(*impostor) [32]byte { return digestOf(t, genuine) }, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		naming(genuine)(w, r)
	})
	first := make(chan error, 1)
	go func() {
		_, err := client.Contract("k").Get(t.Context())
		first <- err
	}()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.Contract("k").Get(ctx)
	wantText(t, err, "governance: read contract k: ", context.Canceled.Error())
	close(release)
	wantText(t, <-first, "not part of the service")
}
