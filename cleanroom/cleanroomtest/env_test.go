package cleanroomtest_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/internal/wirelog"
	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

const attestationURL = "https://" + cleanroomtest.AttestationHost

func start(t *testing.T) *cleanroomtest.Env {
	t.Helper()
	env, err := cleanroomtest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	return env
}

// importKEK imports a new key that only a room with the host data gets.
func importKEK(t *testing.T, conn *cleanroomtest.Conn, vaultURL, name string, hostData [32]byte) *rsa.PublicKey {
	t.Helper()
	policy, err := skr.NewReleasePolicy(attestationURL, hex.EncodeToString(hostData[:]))
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	client, err := azkeys.NewClient(vaultURL, conn.Credential(), &azkeys.ClientOptions{ClientOptions: conn.ClientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	yes, kty := true, azkeys.KeyTypeRSA
	ops := []*azkeys.KeyOperation{new(azkeys.KeyOperationEncrypt), new(azkeys.KeyOperationWrapKey)}
	_, err = client.ImportKey(t.Context(), name, azkeys.ImportKeyParameters{
		HSM: &yes,
		Key: &azkeys.JSONWebKey{Kty: &kty, KeyOps: ops, N: key.N.Bytes(), E: []byte{1, 0, 1}, D: key.D.Bytes(),
			P: key.Primes[0].Bytes(), Q: key.Primes[1].Bytes(),
			DP: key.Precomputed.Dp.Bytes(), DQ: key.Precomputed.Dq.Bytes(), QI: key.Precomputed.Qinv.Bytes()},
		KeyAttributes: &azkeys.KeyAttributes{Enabled: &yes, Exportable: &yes},
		ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: policy.Encode()},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

func setSecret(t *testing.T, conn *cleanroomtest.Conn, vaultURL, name string, pub *rsa.PublicKey, value string) {
	t.Helper()
	wrapped, err := skr.WrapOAEP(pub, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	client, err := azsecrets.NewClient(vaultURL, conn.Credential(), &azsecrets.ClientOptions{ClientOptions: conn.ClientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString(wrapped)
	if _, err := client.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{Value: &text}, nil); err != nil {
		t.Fatal(err)
	}
}

// TestRelease leads from a report to two secrets under one key: one
// attestation, one release, two reads. A tampered room, and a vault that was
// swapped behind its name, get nothing.
func TestRelease(t *testing.T) {
	env := start(t)
	policy := []byte("package policy\n")
	party, err := env.Party(cleanroomtest.Publisher)
	if err != nil {
		t.Fatal(err)
	}
	wire := wirelog.New(func(e wirelog.Exchange) { t.Log(e) })
	conn, err := env.Connect(cleanroomtest.Publisher, &cleanroomtest.ConnOptions{Wrap: wire.Wrap})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	pub := importKEK(t, conn, party.VaultURL, "kek", sha256.Sum256(policy))
	ref := skr.SecretRef{ClientID: party.AccountID, TenantID: party.TenantID, VaultURL: party.VaultURL,
		KEK: skr.KeyRef{Name: "kek", VaultURL: party.VaultURL, AttestationURL: attestationURL}}
	for _, name := range []string{"first", "second"} {
		setSecret(t, conn, party.VaultURL, name, pub, "the "+name+" value")
	}
	unwrap := func(r *skr.Releaser, name string) (string, error) {
		u, err := skr.NewSecretUnwrapper(r, conn.CredentialFor, &skr.SecretUnwrapperOptions{ClientOptions: conn.ClientOptions()})
		if err != nil {
			return "", err
		}
		ref := ref
		ref.Name = name
		value, err := u.Unwrap(t.Context(), ref)
		return string(value), err
	}
	releaser := func(guest *cleanroomtest.Guest) *skr.Releaser {
		r, err := skr.NewReleaser(guest, &skr.ReleaserOptions{ClientOptions: conn.ClientOptions(), Roots: conn.Roots()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		return r
	}

	good := env.Launch(policy)
	r := releaser(good)
	for _, name := range []string{"first", "second"} {
		if got, err := unwrap(r, name); err != nil || got != "the "+name+" value" {
			t.Fatalf("%s: %q, %v", name, got, err)
		}
	}

	bad := env.Launch(append(policy, "exec_external := {\"allowed\": true}\n"...))
	_, err = unwrap(releaser(bad), "first")
	var denied *skr.DeniedError
	if !errors.As(err, &denied) {
		t.Fatalf("a tampered room: %v", err)
	}
	got := bad.HostData()
	if text := err.Error(); !strings.Contains(text, "x-ms-sevsnpvm-hostdata") || !strings.Contains(text, hex.EncodeToString(got[:])) {
		t.Errorf("the denial does not explain itself:\n%s", text)
	}

	if err := env.ResetVault(cleanroomtest.Publisher); err != nil {
		t.Fatal(err)
	}
	if got, err := unwrap(releaser(good), "first"); err == nil {
		t.Errorf("a swapped vault gave %q", got)
	}
	for host, n := range wire.Connections() {
		if n != 1 {
			t.Errorf("%d connections to %s, want 1", n, host)
		}
	}
}

// TestSeparation: what is trusted here is trusted nowhere else.
func TestSeparation(t *testing.T) {
	env := start(t)
	guest := env.Launch([]byte("package policy\n"))
	evidence, err := guest.Attest(t.Context(), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := snp.NewVerifier(nil).Verify(evidence); err == nil {
		t.Error("AMD's roots verified a report of the local environment")
	}
	conn, err := env.Connect(cleanroomtest.Consumer, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var unknown *cleanroomtest.UnknownHostError
	if _, err := conn.DialContext(t.Context(), "tcp", "graph.microsoft.com:443"); !errors.As(err, &unknown) {
		t.Errorf("dial to a host outside: %v", err)
	}

	// A client with the system's roots does not get past the handshake.
	system := &http.Client{Transport: &http.Transport{DialContext: conn.DialContext}}
	defer system.CloseIdleConnections()
	var authority x509.UnknownAuthorityError
	if _, err := system.Get(attestationURL + "/certs"); !errors.As(err, &authority) {
		t.Errorf("the system's roots on the local environment's TLS: %v", err)
	}
}

// TestReleaseRoots: a release response is trusted under the roots of its own
// environment, not under the system's nor those of another environment.
func TestReleaseRoots(t *testing.T) {
	env, other := start(t), start(t)
	party, err := env.Party(cleanroomtest.Publisher)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := env.Connect(cleanroomtest.Publisher, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	foreign, err := other.Connect(cleanroomtest.Publisher, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	guest := env.Launch([]byte("package policy\n"))
	importKEK(t, conn, party.VaultURL, "kek", guest.HostData())
	ref := skr.KeyRef{Name: "kek", VaultURL: party.VaultURL, AttestationURL: attestationURL}
	for _, v := range []struct {
		name  string
		roots *x509.CertPool
		ok    bool
	}{{"own", conn.Roots(), true}, {"system", nil, false}, {"another environment's", foreign.Roots(), false}} {
		r, err := skr.NewReleaser(guest, &skr.ReleaserOptions{ClientOptions: conn.ClientOptions(), Roots: v.roots})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Release(t.Context(), ref, conn.Credential())
		var denied *skr.DeniedError
		if v.ok && err != nil || !v.ok && !errors.As(err, &denied) {
			t.Errorf("%s roots: %v", v.name, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestJoin reaches the machine and the account through files, as another
// process does.
func TestJoin(t *testing.T) {
	env := start(t)
	guest := env.Launch([]byte("package policy\n"))
	file := filepath.Join(t.TempDir(), "room.json")
	if err := guest.WriteJoinFile(file); err != nil {
		t.Fatal(err)
	}
	room, err := cleanroomtest.Join(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer room.Close()
	if room.Credential() != nil {
		t.Error("a room has an account")
	}
	evidence, err := room.Attester().Attest(t.Context(), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := snp.ParseReport(evidence.Report)
	if err != nil || report.HostData != guest.HostData() {
		t.Errorf("report %+v, %v", report, err)
	}
	if err := env.WriteJoinFile(file, "nobody"); err == nil {
		t.Error("a join file for nobody")
	}
}
