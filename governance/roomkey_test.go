package governance_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// roomKeyPair is one key for all tests that only need some.
var roomKeyPair = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// publicText is the PEM of a public key as rooms hash it.
func publicText(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "\n")
}

func TestRoomWithEvidence(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	g := c.launch("policy of " + id)
	c.agree(id, g.hostData())
	secretID, err := c.publisher.Contract(id).PutSecret(ctx, "name", "value")
	c.check(err)
	key, err := roomKeyPair()
	c.check(err)
	open := func(key *rsa.PrivateKey, contractID string, e *governance.Evidence) (*governance.RoomClient, error) {
		return governance.NewRoomClientWithEvidence(c.env.LedgerURL(), contractID, key, e, &governance.RoomClientOptions{
			ServiceCertificate: c.env.ServiceCertificate(), DialContext: c.conn("publisher").DialContext,
		})
	}
	for _, text := range []string{publicText(t, key), publicText(t, key) + "\n"} {
		e, err := g.Evidence(ctx, []byte(text))
		c.check(err)
		room, err := open(key, id, e)
		c.check(err)
		t.Cleanup(room.Close)
		if h := room.HostData(); h != g.hostData() {
			t.Errorf("host data %s", h)
		}
		if value, err := room.Secret(ctx, secretID); err != nil || string(value) != "value" {
			t.Errorf("secret %q, %v", value, err)
		}
	}

	e, err := g.Evidence(ctx, []byte("another key"))
	c.check(err)
	_, err = open(key, id, e)
	wantDenied(t, err, "evidence.report-data")
	_, err = open(key, id, &governance.Evidence{Report: []byte("short")})
	wantText(t, err, "a report of 5 bytes, not 1184")
	_, err = open(nil, id, e)
	wantText(t, err, "needs a key and evidence")
	_, err = open(key, id, nil)
	wantText(t, err, "needs a key and evidence")
	_, err = open(key, "a/b", e)
	wantText(t, err, "contract id")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	c.check(err)
	_, err = open(short, id, e)
	wantText(t, err, "1024 bits, not 2048")
	if _, err := governance.NewRoomClientWithEvidence(c.env.LedgerURL(), id, key, e, nil); err == nil {
		t.Error("a room without a service certificate was made")
	}
}
