package vault

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// reply is an answer to a raw request.
type reply struct {
	status    int
	challenge string
	err       wire.ErrorBody
	body      string
}

func (w *world) raw(t *testing.T, method, host, path, token, body string) reply {
	t.Helper()
	req, err := http.NewRequest(method, "https://"+host+path, strings.NewReader(body))
	must(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := w.network.Client.Do(req)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	r := reply{status: res.StatusCode, challenge: res.Header.Get("WWW-Authenticate"), body: string(b)}
	var out struct{ Error wire.ErrorBody }
	must(t, wire.Unmarshal(b, &out))
	r.err = out.Error
	return r
}

func (w *world) token(t *testing.T, tenantID, clientID, scope string) string {
	t.Helper()
	token, err := w.credential(t, tenantID, clientID).GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{scope}})
	must(t, err)
	return token.Token
}

const vaultScope = "https://vault.azure.net/.default"

func TestBearerToken(t *testing.T) {
	w := newWorld(t)
	const path = "/secrets/name?api-version=7.4"
	good := w.token(t, tenant, operator, vaultScope)
	for name, token := range map[string]string{
		"none":           "",
		"garbage":        "garbage",
		"other audience": w.token(t, tenant, operator, "https://storage.azure.com/.default"),
		"other tenant":   w.token(t, stranger, operator, vaultScope),
		"attestation":    w.attest(t, maaHost, w.guest, "{}"),
	} {
		r := w.raw(t, "GET", vaultHost, path, token, "")
		want := fmt.Sprintf(`Bearer authorization="https://login.microsoftonline.com/%s", resource="https://vault.azure.net"`, tenant)
		if r.status != 401 || r.err.Code != "Unauthorized" || r.challenge != want {
			t.Errorf("%s: %+v", name, r)
		}
		if token != "" && strings.Contains(r.body, token) && token != "garbage" {
			t.Errorf("%s: the refusal shows the token", name)
		}
	}
	if r := w.raw(t, "GET", vaultHost, path, good, ""); r.status != 404 || r.err.Code != "SecretNotFound" || r.challenge != "" {
		t.Errorf("good token: %+v", r)
	}
	if r := w.raw(t, "GET", "nobodys.vault.azure.net", path, good, ""); r.status != 404 || r.err.Code != "VaultNotFound" {
		t.Errorf("unknown vault: %+v", r)
	}
}

// A grant holds for one vault, one client and the named actions.
func TestGrants(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	asOperator, asRoom := w.token(t, tenant, operator, vaultScope), w.token(t, tenant, room, vaultScope)
	for _, c := range []struct{ method, host, path, token, action string }{
		{"PUT", vaultHost, "/secrets/s", asRoom, SecretsSet},
		{"PUT", vaultHost, "/keys/k", asRoom, KeysImport},
		{"GET", vaultHost, "/keys/k", asRoom, KeysRead},
		{"PATCH", vaultHost, "/keys/k", asRoom, KeysUpdate},
		{"POST", vaultHost, "/keys/k/release", asOperator, KeysRelease},
		{"GET", "consumerkv.vault.azure.net", "/secrets/s", asOperator, SecretsGet},
	} {
		r := w.raw(t, c.method, c.host, c.path+"?api-version=7.4", c.token, "{}")
		if r.status != 403 || r.err.Code != "Forbidden" || r.err.InnerError == nil || r.err.InnerError.Code != "ForbiddenByRbac" || !strings.Contains(r.err.Message, c.action) {
			t.Errorf("%s %s: %+v", c.method, c.path, r)
		}
	}
	w.vaults.Grant(strings.ToUpper(vaultHost), strings.ToUpper(room), SecretsSet)
	_, err := w.secrets(t, w.roomCredential).SetSecret(ctx, "s", azsecrets.SetSecretParameters{Value: to.Ptr("v")}, nil)
	must(t, err)
}

func TestRouting(t *testing.T) {
	w := newWorld(t)
	kek := w.importKEK(t, "kek").Key.KID.Version()
	w.vaults.Grant(vaultHost, operator, KeysRelease)
	token := w.token(t, tenant, operator, vaultScope)
	target := fmt.Sprintf(`{"target":%q}`, w.attest(t, maaHost, w.guest, w.runtimeData()))
	for _, c := range []struct {
		method, path, body string
		status             int
		message            string
	}{
		{"GET", "/keys/kek?api-version=7.4", "", 200, ""},
		{"GET", "/keys/kek/?api-version=7.4", "", 200, ""},
		{"GET", "/keys/KEK/" + kek + "/?api-version=2025-07-01", "", 200, ""},
		{"POST", "/keys/kek/release?api-version=7.3", target, 200, ""},
		{"POST", "/keys/kek//release?api-version=7.4", target, 200, ""},
		{"POST", "/keys/kek/" + kek + "/release?api-version=7.6-preview.1", target, 200, ""},
		{"POST", "/keys/kek/release?api-version=7.2", target, 400, "7.3"},
		{"GET", "/keys/kek", "", 400, "must be specified"},
		{"GET", "/keys/kek?api-version=2016-10-01", "", 400, "not recognized"},
		{"GET", "/keys/kek?api-version=7.4x", "", 400, "not recognized"},
		{"GET", "/keys/ke_k?api-version=7.4", "", 400, "invalid name"},
		{"GET", "/keys/" + strings.Repeat("k", 128) + "?api-version=7.4", "", 400, "invalid name"},
		{"GET", "/keys/kek/latest?api-version=7.4", "", 400, "invalid version"},
		{"GET", "/keys?api-version=7.4", "", 400, "does not allow"},
		{"DELETE", "/keys/kek?api-version=7.4", "", 400, "does not allow"},
		{"POST", "/keys/kek/" + kek + "/decrypt?api-version=7.4", "{}", 400, "does not allow"},
		{"PUT", "/keys/kek/" + kek + "?api-version=7.4", "{}", 400, "does not allow"},
		{"GET", "/keys/kek/" + kek + "/x?api-version=7.4", "", 400, "does not allow"},
		{"DELETE", "/certificates/kek?api-version=7.4", "", 400, "does not allow"},
		{"GET", "/keys/kek/pending?api-version=7.4", "", 400, "invalid version"},
		{"PUT", "/secrets/s?api-version=7.4", "{", 400, "not valid"},
		{"PUT", "/secrets/s?api-version=7.4", `{"value":"v"}{}`, 400, "not valid"},
	} {
		r := w.raw(t, c.method, vaultHost, c.path, token, c.body)
		if r.status != c.status || c.status != 200 && r.err.Code != "BadParameter" || !strings.Contains(r.err.Message, c.message) {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
	}
}

func TestSecrets(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	c := w.secrets(t, w.operatorIdentity)
	first, err := c.SetSecret(ctx, "s", azsecrets.SetSecretParameters{Value: to.Ptr("one"), Tags: map[string]*string{"kek": to.Ptr("v1")}}, nil)
	must(t, err)
	_, err = c.SetSecret(ctx, "s", azsecrets.SetSecretParameters{Value: to.Ptr("two"), ContentType: to.Ptr("text/plain")}, nil)
	must(t, err)
	latest, err := c.GetSecret(ctx, "S", "", nil)
	must(t, err)
	if *latest.Value != "two" || *latest.ContentType != "text/plain" || latest.ID.Version() == first.ID.Version() {
		t.Errorf("latest %v", latest)
	}
	old, err := c.GetSecret(ctx, "s", first.ID.Version(), nil)
	must(t, err)
	if *old.Value != "one" || *old.Tags["kek"] != "v1" || !*old.Attributes.Enabled || time.Since(*old.Attributes.Created) > time.Minute {
		t.Errorf("old %v", old)
	}
	_, err = c.GetSecret(ctx, "s", strings.Repeat("0", 32), nil)
	wantError(t, err, 404, "SecretNotFound", "", "s/0000")

	_, err = c.SetSecret(ctx, "large", azsecrets.SetSecretParameters{Value: to.Ptr(strings.Repeat("x", maxSecret))}, nil)
	must(t, err)
	_, err = c.SetSecret(ctx, "large", azsecrets.SetSecretParameters{Value: to.Ptr(strings.Repeat("x", maxSecret+1))}, nil)
	wantError(t, err, 400, "BadParameter", "", "25k")
	_, err = c.SetSecret(ctx, "none", azsecrets.SetSecretParameters{}, nil)
	wantError(t, err, 400, "BadParameter", "", "value")
	_, err = c.SetSecret(ctx, "off", azsecrets.SetSecretParameters{Value: to.Ptr("v"), SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)}}, nil)
	must(t, err)
	_, err = c.GetSecret(ctx, "off", "", nil)
	wantError(t, err, 403, "Forbidden", "SecretDisabled", "disabled")
}

// A vault that was swapped for an empty one knows nothing, but still who may
// use it.
func TestReset(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.importKEK(t, "kek")
	c := w.secrets(t, w.operatorIdentity)
	_, err := c.SetSecret(ctx, "s", azsecrets.SetSecretParameters{Value: to.Ptr("v")}, nil)
	must(t, err)
	w.vaults.Reset(vaultHost)
	_, err = c.GetSecret(ctx, "s", "", nil)
	wantError(t, err, 404, "SecretNotFound", "", "s")
	_, err = w.release(t, "kek", "", w.attest(t, maaHost, w.guest, w.runtimeData()))
	wantError(t, err, 404, "KeyNotFound", "", "kek")
	w.importKEK(t, "kek")
}

func TestNewWantsASigningChain(t *testing.T) {
	ca, err := testpki.New("signing chain")
	must(t, err)
	good, err := ca.IssueRSA("*.vault.azure.net")
	must(t, err)
	ec, err := ca.Issue("*.vault.azure.net")
	must(t, err)
	opts := Options{
		Verify:   func(string, string) (string, string, error) { return "", "", nil },
		HTTP:     http.DefaultClient,
		TenantID: func(string) string { return "" },
	}
	if _, err := New(opts); err == nil {
		t.Error("no certificate was accepted")
	}
	opts.Certificate = ec
	if _, err := New(opts); err == nil {
		t.Error("an EC key cannot sign RS256")
	}
	short := *good
	short.Certificate = short.Certificate[:2]
	opts.Certificate = &short
	if _, err := New(opts); err == nil {
		t.Error("a chain without its root was accepted")
	}
	opts.Certificate = good
	if _, err := New(opts); err != nil {
		t.Error(err)
	}
	opts.HTTP = nil
	if _, err := New(opts); err == nil {
		t.Error("authorities cannot be reached without a client")
	}
}

// Base64 in every spelling is read alike.
func TestImportReadsAnySpelling(t *testing.T) {
	w := newWorld(t)
	w.kek.Precompute()
	b64 := base64.StdEncoding.EncodeToString
	k, p := w.kek, w.kek.Precomputed
	body := fmt.Sprintf(`{"KEY":{"Kty":"RSA-HSM","N":%q,"E":"AQAB","D":%q,"P":%q,"Q":%q,"DP":%q,"DQ":%q,"QI":%q},"Attributes":{"EXPORTABLE":true},"Release_Policy":{"Data":%q}}`,
		b64(k.N.Bytes()), b64(k.D.Bytes()), b64(k.Primes[0].Bytes()), b64(k.Primes[1].Bytes()), b64(p.Dp.Bytes()), b64(p.Dq.Bytes()), b64(p.Qinv.Bytes()), b64(w.roomPolicy(t)))
	r := w.raw(t, "PUT", vaultHost, "/keys/kek?api-version=7.4", w.token(t, tenant, operator, vaultScope), body)
	if r.status != 200 || !strings.Contains(r.body, "RSA-HSM") || !strings.Contains(r.body, "unwrapKey") {
		t.Errorf("%d %s", r.status, r.body)
	}
}
