package governancetest_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/governance/governancetest"
)

var roomKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// publicText is the PEM of the key as a report names it.
func publicText(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.TrimSuffix(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "\n"))
}

func newFounder(t *testing.T) (*governance.MemberKeys, *governance.Member) {
	t.Helper()
	keys, err := governance.GenerateMemberKeys("founder", nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := keys.Member()
	if err != nil {
		t.Fatal(err)
	}
	return keys, m
}

// TestLocal runs the suite twice against one network of the local environment.
func TestLocal(t *testing.T) {
	local, err := cleanroomtest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := local.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, founder := newFounder(t)
	if err := local.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: keys.CertificatePEM, Identifier: "founder"}); err != nil {
		t.Fatal(err)
	}
	conn, err := local.Connect(cleanroomtest.Consumer, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	key, err := roomKey()
	if err != nil {
		t.Fatal(err)
	}
	e, err := local.Launch([]byte("policy")).Attest(t.Context(), publicText(t, key))
	if err != nil {
		t.Fatal(err)
	}
	env := governancetest.Environment{
		Endpoint: local.LedgerURL(), ServiceCertificate: local.ServiceCertificate(), Founder: founder,
		DialContext: conn.DialContext, PollInterval: 5 * time.Millisecond,
		RoomKey: key, RoomEvidence: &governance.Evidence{Report: e.Report, Certificates: e.Certificates, UVMEndorsements: e.UVMEndorsements},
	}
	t.Run("new", func(t *testing.T) { governancetest.Run(t, env) })
	env.RoomKey, env.RoomEvidence = nil, nil
	t.Run("again, without a room", func(t *testing.T) { governancetest.Run(t, env) })
}
