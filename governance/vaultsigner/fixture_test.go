package vaultsigner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance/vaultsigner"
)

// vault is a party's vault in a local environment.
type vault struct {
	testing.TB
	env  *cleanroomtest.Env
	conn *cleanroomtest.Conn
	url  string
	// signatures counts what the vault was asked to sign.
	signatures atomic.Int64
	// change may replace an answer; nil means none. Set it between calls.
	change func(r *http.Request, resp *http.Response) *http.Response
}

func newVault(t testing.TB) *vault {
	t.Helper()
	v := &vault{TB: t}
	var err error
	v.env, err = cleanroomtest.Start(t.Context(), nil)
	v.check(err)
	t.Cleanup(func() { v.check(v.env.Close()) })
	v.conn, err = v.env.Connect(cleanroomtest.Publisher, nil)
	v.check(err)
	t.Cleanup(v.conn.Close)
	p, err := v.env.Party(cleanroomtest.Publisher)
	v.check(err)
	v.url = p.VaultURL
	return v
}

func (v *vault) check(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

// Do is the transport: that of the environment, observed.
func (v *vault) Do(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/sign") {
		v.signatures.Add(1)
	}
	resp, err := v.conn.HTTPClient().Do(r)
	if err == nil && v.change != nil {
		resp = v.change(r, resp)
	}
	return resp, err
}

func (v *vault) options() *vaultsigner.Options {
	return &vaultsigner.Options{ClientOptions: v.clientOptions()}
}

func (v *vault) clientOptions() azcore.ClientOptions {
	return azcore.ClientOptions{Transport: v, Retry: policy.RetryOptions{MaxRetries: -1}}
}

func (v *vault) keys() *azkeys.Client {
	v.Helper()
	c, err := azkeys.NewClient(v.url, v.conn.Credential(), &azkeys.ClientOptions{ClientOptions: v.clientOptions()})
	v.check(err)
	return c
}

// newKey makes a key and returns its address with the version.
func (v *vault) newKey(name string, crv azkeys.CurveName) string {
	v.Helper()
	made, err := v.keys().CreateKey(v.Context(), name, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeECHSM), Curve: &crv}, nil)
	v.check(err)
	return string(*made.Key.KID)
}

// newCertificate makes a certificate with its key, as the portal does, and
// returns its address without the version.
func (v *vault) newCertificate(name, crv string) string {
	v.Helper()
	id := v.url + "/certificates/" + name
	body := fmt.Sprintf(`{"policy":{"key_props":{"kty":"EC-HSM","crv":%q},"x509_props":{"subject":"CN=%s"},"issuer":{"name":"Self"}}}`, crv, name)
	token, err := v.conn.Credential().GetToken(v.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	v.check(err)
	req, err := http.NewRequestWithContext(v.Context(), http.MethodPost, id+"/create?api-version=7.4", strings.NewReader(body))
	v.check(err)
	req.Header.Set("Authorization", "Bearer "+token.Token)
	resp, err := v.conn.HTTPClient().Do(req)
	v.check(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(resp.Body)
		v.Fatalf("create certificate: %d %s", resp.StatusCode, text)
	}
	return id
}

// when changes the answers to calls whose path has the suffix.
func (v *vault) when(suffix string, change func(doc map[string]any) (status int)) {
	v.change = func(r *http.Request, resp *http.Response) *http.Response {
		if !strings.Contains(r.URL.Path, suffix) || resp.StatusCode == http.StatusUnauthorized {
			return resp
		}
		doc := map[string]any{}
		v.check(json.NewDecoder(resp.Body).Decode(&doc))
		resp.Body.Close()
		if status := change(doc); status != 0 {
			resp.StatusCode = status
		}
		body, err := json.Marshal(doc)
		v.check(err)
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return resp
	}
	v.Cleanup(func() { v.change = nil })
}

// refusal makes an answer the vault's refusal.
func refusal(status int, code, inner string) func(map[string]any) int {
	return func(doc map[string]any) int {
		clear(doc)
		doc["error"] = map[string]any{"code": code, "message": "no\nmore", "innererror": map[string]any{"code": inner}}
		return status
	}
}

func wantText(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("want an error with %q, got none", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error does not say %q: %v", p, err)
		}
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
