package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/internal/emulator/entra"
	"github.com/cleanroom-go/sdk/internal/emulator/maa"
	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/emulator/wire/wiretest"
	"github.com/cleanroom-go/sdk/internal/testpki"
	"github.com/cleanroom-go/sdk/skr"
)

const (
	tenant   = "11111111-1111-4111-8111-111111111111"
	stranger = "99999999-9999-4999-8999-999999999999" // a tenant without vaults
	operator = "22222222-2222-4222-8222-222222222222"
	room     = "33333333-3333-4333-8333-333333333333"
	secret   = "correct horse"

	vaultHost      = "publisherkv.vault.azure.net"
	maaHost        = "sharedneu.neu.attest.azure.net"
	foreignMAAHost = "sharedweu.weu.attest.azure.net"
)

// parties are those whose keys take long to make; every test uses the same.
type parties struct {
	machine           *snpmachine.Machine
	attester, foreign *maa.Server
	attesterTime      *clock
	login             *entra.Server
	signing           *testpki.CA // of release answers
	certificate       *tls.Certificate
	kek, transfer     *rsa.PrivateKey
}

var shared = sync.OnceValues(func() (*parties, error) {
	p := &parties{attesterTime: &clock{}}
	var errs [8]error
	p.machine, errs[0] = snpmachine.New()
	p.kek, errs[1] = rsa.GenerateKey(rand.Reader, 2048)
	p.transfer, errs[2] = rsa.GenerateKey(rand.Reader, 2048)
	p.attester, errs[3] = maa.New(maa.Options{Host: maaHost, VerifyReport: p.machine.Verify, Now: p.attesterTime.now})
	p.foreign, errs[4] = maa.New(maa.Options{Host: foreignMAAHost, VerifyReport: p.machine.Verify})
	// Nobody is federated here, so the authority never asks anyone.
	p.login, errs[5] = entra.New(entra.Options{HTTP: &http.Client{}})
	if p.signing, errs[6] = testpki.New("vaults"); errs[6] == nil {
		p.certificate, errs[7] = p.signing.IssueRSA("vault.azure.net", "*.vault.azure.net")
	}
	for _, client := range []string{operator, room} {
		p.login.AddSecret(tenant, client, secret)
		p.login.AddSecret(stranger, client, secret)
	}
	return p, errors.Join(errs[:]...)
})

// world is one network with empty vaults.
type world struct {
	*parties
	network          *wiretest.Network
	vaults           *Server
	guest            *snpmachine.Guest
	roomCredential   azcore.TokenCredential
	operatorIdentity azcore.TokenCredential
}

// clock is a time that a test may move.
type clock struct {
	mu    sync.Mutex
	shift time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.shift)
}

func (c *clock) set(shift time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shift = shift
}

func newWorld(t *testing.T) *world {
	t.Helper()
	p, err := shared()
	must(t, err)
	w := &world{parties: p, network: wiretest.New(t, "*.vault.azure.net", maaHost, foreignMAAHost, entra.DefaultHost)}
	w.vaults, err = New(Options{
		Certificate: p.certificate, HTTP: w.network.Client,
		Verify: func(token, audience string) (string, string, error) {
			p, err := w.login.Verify(token, audience)
			return p.TenantID, p.ClientID, err
		},
		TenantID: func(host string) string {
			if host == vaultHost || host == "consumerkv.vault.azure.net" {
				return tenant
			}
			return ""
		},
	})
	must(t, err)
	w.network.Handle("*.vault.azure.net", w.vaults)
	w.network.Handle(maaHost, w.attester)
	w.network.Handle(foreignMAAHost, w.foreign)
	w.network.Handle(entra.DefaultHost, w.login)
	w.vaults.Grant(vaultHost, operator, KeysRead, KeysImport, KeysUpdate, SecretsGet, SecretsSet)
	w.vaults.Grant(vaultHost, room, KeysRelease, SecretsGet)
	w.operatorIdentity = w.credential(t, tenant, operator)
	w.roomCredential = w.credential(t, tenant, room)
	w.guest = w.machine.Launch([]byte("package policy"))
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) options() azcore.ClientOptions {
	return azcore.ClientOptions{Transport: w.network.Client, Retry: policy.RetryOptions{MaxRetries: -1}}
}

func (w *world) credential(t *testing.T, tenantID, clientID string) azcore.TokenCredential {
	t.Helper()
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: w.options(), AdditionallyAllowedTenants: []string{"*"},
	})
	must(t, err)
	return cred
}

func (w *world) keys(t *testing.T, cred azcore.TokenCredential) *azkeys.Client {
	t.Helper()
	c, err := azkeys.NewClient("https://"+vaultHost, cred, &azkeys.ClientOptions{ClientOptions: w.options()})
	must(t, err)
	return c
}

func (w *world) secrets(t *testing.T, cred azcore.TokenCredential) *azsecrets.Client {
	t.Helper()
	c, err := azsecrets.NewClient("https://"+vaultHost, cred, &azsecrets.ClientOptions{ClientOptions: w.options()})
	must(t, err)
	return c
}

// roomPolicy is the policy of a clean room bound to the guest's host data.
func (w *world) roomPolicy(t *testing.T) []byte {
	t.Helper()
	hostData := w.guest.HostData()
	p, err := skr.NewReleasePolicy("https://"+maaHost, hex.EncodeToString(hostData[:]))
	must(t, err)
	return p.Encode()
}

// parameters import a key as the kek of a clean room.
func parameters(key *rsa.PrivateKey, policy []byte) azkeys.ImportKeyParameters {
	key.Precompute()
	return azkeys.ImportKeyParameters{
		HSM: to.Ptr(true),
		Key: &azkeys.JSONWebKey{
			Kty:    to.Ptr(azkeys.KeyTypeRSA),
			KeyOps: []*azkeys.KeyOperation{to.Ptr(azkeys.KeyOperationEncrypt), to.Ptr(azkeys.KeyOperationWrapKey)},
			N:      key.N.Bytes(), E: []byte{1, 0, 1}, D: key.D.Bytes(),
			P: key.Primes[0].Bytes(), Q: key.Primes[1].Bytes(),
			DP: key.Precomputed.Dp.Bytes(), DQ: key.Precomputed.Dq.Bytes(), QI: key.Precomputed.Qinv.Bytes(),
		},
		KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(true), Exportable: to.Ptr(true)},
		ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: policy, Immutable: to.Ptr(false)},
	}
}

func (w *world) importKEK(t *testing.T, name string) azkeys.ImportKeyResponse {
	t.Helper()
	res, err := w.keys(t, w.operatorIdentity).ImportKey(context.Background(), name, parameters(w.kek, w.roomPolicy(t)), nil)
	must(t, err)
	return res
}

// runtimeData is the key set that a room binds to its report.
func (w *world) runtimeData() string {
	return fmt.Sprintf(`{"keys":[{"e":"AQAB","key_ops":["encrypt"],"kid":"transfer","kty":"RSA","n":"%s"}]}`, wire.Encode64(w.transfer.N.Bytes()))
}

// attest asks an attestation service for a token, by hand.
func (w *world) attest(t *testing.T, host string, guest *snpmachine.Guest, runtime string) string {
	t.Helper()
	ev, err := guest.Attest(context.Background(), []byte(runtime))
	must(t, err)
	b64 := base64.URLEncoding.EncodeToString
	report, err := json.Marshal(map[string]string{
		"SnpReport": b64(ev.Report), "VcekCertChain": b64(ev.Certificates),
		"Endorsements": b64(fmt.Appendf(nil, `{"Uvm":[%q]}`, b64(ev.UVMEndorsements))),
	})
	must(t, err)
	body, err := json.Marshal(map[string]any{
		"report": b64(report), "runtimeData": map[string]string{"data": b64(ev.RuntimeData), "dataType": "JSON"},
	})
	must(t, err)
	res, err := w.network.Client.Post("https://"+host+"/attest/SevSnpVm?api-version=2022-08-01", "application/json", bytes.NewReader(body))
	must(t, err)
	defer res.Body.Close()
	var out struct{ Token string }
	must(t, wire.ReadJSON(res.Body, &out))
	if res.StatusCode != http.StatusOK || out.Token == "" {
		t.Fatalf("attest: %s", res.Status)
	}
	return out.Token
}

func (w *world) release(t *testing.T, name, version, token string) (azkeys.ReleaseResponse, error) {
	t.Helper()
	return w.keys(t, w.roomCredential).Release(context.Background(), name, version, azkeys.ReleaseParameters{TargetAttestationToken: &token}, nil)
}

// wantError checks status, code and inner code of a refusal, and that its
// message contains a text.
func wantError(t *testing.T, err error, status int, code, inner, message string) {
	t.Helper()
	var res *azcore.ResponseError
	if !errors.As(err, &res) {
		t.Fatalf("want a refusal, got %v", err)
	}
	defer res.RawResponse.Body.Close()
	var body struct{ Error wire.ErrorBody }
	if err := wire.ReadJSON(res.RawResponse.Body, &body); err != nil {
		t.Fatal(err)
	}
	gotInner := ""
	if body.Error.InnerError != nil {
		gotInner = body.Error.InnerError.Code
	}
	if res.StatusCode != status || res.ErrorCode != code || gotInner != inner || !bytes.Contains([]byte(body.Error.Message), []byte(message)) {
		t.Errorf("want %d %s/%s %q, got %d %s/%s %q", status, code, inner, message, res.StatusCode, res.ErrorCode, gotInner, body.Error.Message)
	}
}
