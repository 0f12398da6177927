package sidecar_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/internal/emulator/sidecar"
	"github.com/cleanroom-go/sdk/skr"
)

// refusal is a request and what a sidecar answers.
type refusal struct {
	method, path, body string
	status             int
	says               []string // all are in the body
	objects            int      // how many stand behind one another; 0 is a text
}

func check(t *testing.T, h http.Handler, tests []refusal, want int) {
	t.Helper()
	for _, test := range tests {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), test.method, test.path, strings.NewReader(test.body)))
		body := w.Body.Bytes()
		ok := w.Code == test.status
		for _, text := range test.says {
			ok = ok && bytes.Contains(body, []byte(text))
		}
		n := 0
		for d := json.NewDecoder(bytes.NewReader(body)); n < 5; n++ {
			var object map[string]any
			if d.Decode(&object) != nil {
				break
			}
		}
		if !ok || n != test.objects {
			t.Errorf("%s %s %.80s: %d, %d objects, %s", test.method, test.path, test.body, w.Code, n, body)
		}
	}
	if len(tests) != want {
		t.Errorf("%d cases, want %d", len(tests), want)
	}
}

var errDevice = errors.New("the device is gone")

// noDevice is a guest whose device fails.
type noDevice struct{}

func (noDevice) Attest(context.Context, []byte) (*skr.Evidence, error) { return nil, errDevice }

// guest is one with its way to the services.
func guest(t *testing.T) (*cleanroomtest.Guest, *cleanroomtest.Conn, *cleanroomtest.Party) {
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
	party, err := env.Party(cleanroomtest.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	g := env.Launch([]byte("policy"))
	conn, err := g.Connect(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return g, conn, party
}

func TestKeyReleaseRefusals(t *testing.T) {
	g, conn, party := guest(t)
	vault := strings.TrimSuffix(strings.TrimPrefix(party.VaultURL, "https://"), "/")
	options := sidecar.KeyReleaseOptions{Attester: g, Azure: conn.ClientOptions(), Client: conn.HTTPClient(), Roots: conn.Roots()}
	release := func(maa, akv, kid, token string) string {
		return fmt.Sprintf(`{"maa_endpoint":%q,"akv_endpoint":%q,"kid":%q,"access_token":%q}`, maa, akv, kid, token)
	}
	const data = `{"runtime_data":"e30="}`
	long := `{"runtime_data":"` + strings.Repeat("A", 4<<20) + `"}`
	check(t, sidecar.NewKeyRelease(options), []refusal{
		{"GET", "/", "", 404, []string{"404 page not found"}, 0},
		{"POST", "/status", "", 404, []string{"404 page not found"}, 0},
		{"GET", "/key/release", "", 404, nil, 0},
		{"POST", "/attest/raw", "", 400, []string{`"error":"invalid request format\nERROR`}, 1},
		{"POST", "/attest/raw", "{}", 400, []string{"invalid request format"}, 1},
		{"POST", "/attest/raw", long, 400, []string{"invalid request format"}, 1},
		{"POST", "/attest/raw", `{"runtime_data":"_-8="}`, 400, []string{"decoding base64-encoded runtime data"}, 1},
		{"POST", "/attest/raw", `{"runtime_data":"e30"}`, 400, []string{"decoding base64-encoded runtime data"}, 1},
		{"POST", "/attest/combined", `{"runtime_data":""}`, 400, []string{"invalid request format"}, 1},
		{"POST", "/attest/maa", data, 400, []string{"invalid request format"}, 1},
		// Two objects; no path, port or other scheme is looked at.
		{"POST", "/attest/maa", `{"maa_endpoint":"nobody.attest.azure.net","runtime_data":"e30="}`, 403, []string{"Retrieving MAA token from MAA endpoint failed", `{"token":""}`}, 2},
		{"POST", "/attest/maa", `{"maa_endpoint":"` + cleanroomtest.AttestationHost + `","runtime_data":"W10="}`, 403, []string{"attestation failed", `{"token":""}`}, 2},
		// An empty object is all that is said.
		{"POST", "/key/release", "", 400, []string{`{"error":{}}`}, 1},
		{"POST", "/key/release", release("", vault, "k", "t"), 400, []string{`{"error":{}}`}, 1},
		{"POST", "/key/release", release("m", "", "k", "t"), 400, []string{`{"error":{}}`}, 1},
		{"POST", "/key/release", release("m", vault, "", "t"), 400, []string{`{"error":{}}`}, 1},
		{"POST", "/key/release", release(cleanroomtest.AttestationHost, vault, "k", ""), 403, []string{"releasing the key k failed: retrieving authentication token failed"}, 1},
		{"POST", "/key/release", release("nobody.attest.azure.net", vault, "k", "t"), 403, []string{"Retrieving MAA token from MAA endpoint failed"}, 1},
		{"POST", "/key/release", release(cleanroomtest.AttestationHost, vault, "k", "no token of anybody"), 403, []string{"secure key release failed", "http response status equal to 401 Unauthorized"}, 1},
	}, 19)

	options.Generation = sidecar.November2024
	check(t, sidecar.NewKeyRelease(options), []refusal{
		{"POST", "/attest/combined", data, 404, []string{"404 page not found"}, 0},
		{"POST", "/attest/raw", "{}", 400, []string{`{"error":"invalid request format: a required`}, 1},
		{"POST", "/key/release", release(cleanroomtest.AttestationHost, vault, "k", ""), 403, []string{`{"error":"releasing the key k failed`}, 1},
	}, 3)

	options.Generation, options.Attester = sidecar.Current, noDevice{}
	check(t, sidecar.NewKeyRelease(options), []refusal{
		{"GET", "/status", "", 200, []string{"Status OK"}, 1}, // it does not look
		{"POST", "/attest/raw", data, 403, []string{"fetching the attestation report failed", errDevice.Error(), `{"report":""}`}, 2},
		{"POST", "/attest/combined", data, 500, []string{errDevice.Error()}, 1},
		{"POST", "/attest/maa", `{"maa_endpoint":"` + cleanroomtest.AttestationHost + `","runtime_data":"e30="}`, 403, []string{errDevice.Error()}, 2},
		{"POST", "/key/release", release(cleanroomtest.AttestationHost, vault, "k", "t"), 403, []string{errDevice.Error()}, 1},
	}, 5)
}

// token is a credential that has one token, or none.
type token struct {
	azcore.AccessToken
	err error
}

func (k token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return k.AccessToken, k.err
}

func TestIdentityRefusals(t *testing.T) {
	end := time.Unix(1_900_000_000, 0)
	h := sidecar.NewIdentity(func(_, clientID string) (azcore.TokenCredential, error) {
		switch clientID {
		case "good":
			return token{AccessToken: azcore.AccessToken{Token: "t", ExpiresOn: end, RefreshOn: end.Add(-time.Hour)}}, nil
		case "refused":
			return token{err: errors.New("AADSTS700213: no federated credential")}, nil
		case "broken":
			return nil, errors.New("no assertion")
		}
		return nil, fmt.Errorf("client: %w", sidecar.ErrUnknownClient)
	})
	const scope, resource = "/metadata/identity/oauth2/token?", "/metadata/identity/T/"
	check(t, h, []refusal{
		{"GET", scope + "tenantId=T&clientId=good", "", 400, []string{"The scope field is required."}, 1},
		{"GET", scope + "scope=s", "", 400, []string{"The tenantId field is required."}, 1},
		{"GET", scope, "", 400, []string{"scope field", "tenantId field", `"status":400`}, 1},
		{"GET", scope + "scope=s&tenantId=T", "", 500, []string{`"code":"InvalidClientId"`}, 1},
		{"GET", scope + "scope=s&tenantId=T&clientId=stranger", "", 500, []string{`"code":"InvalidClientId"`, "stranger"}, 1},
		{"GET", scope + "scope=s&tenantId=T&clientId=refused", "", 500, []string{"AADSTS700213"}, 1},
		{"GET", scope + "scope=s&tenantId=T&clientId=broken", "", 500, []string{"no assertion"}, 1},
		{"POST", scope + "scope=s&tenantId=T&clientId=good", "", 405, nil, 0},
		{"GET", resource + "good/oauth2/token", "", 400, []string{"The resource field is required."}, 1},
		{"POST", resource + "stranger/oauth2/token?resource=r", "", 500, []string{`"code":"InvalidClientId"`}, 1},
		{"GET", resource + "refused/oauth2/token?resource=r", "", 500, []string{"AADSTS700213"}, 1},
		{"DELETE", resource + "good/oauth2/token?resource=r", "", 405, nil, 0},
		{"GET", "/metadata/instance", "", 404, nil, 0},
		{"GET", scope + "scope=s&tenantId=T&clientId=good", "", 200, []string{`"token":"t"`, `"expiresOn":"2030-03-17T17:46:40+00:00"`, `"refreshOn":"2030-03-17T16:46:40+00:00"`}, 1},
		{"POST", resource + "good/oauth2/token?resource=r", "", 200, []string{`"access_token":"t"`, `"expires_on":1900000000`}, 1},
	}, 15)
}

func TestSecretsRefusals(t *testing.T) {
	g, conn, party := guest(t)
	refused := errors.New("AADSTS70021: no")
	h := sidecar.NewSecrets(sidecar.SecretsOptions{
		Attester: g, Azure: conn.ClientOptions(), Releaser: skr.ReleaserOptions{ClientOptions: conn.ClientOptions(), Roots: conn.Roots()},
		Credential: func(_, clientID string) (azcore.TokenCredential, error) {
			if clientID == "refused" {
				return nil, refused
			}
			return token{AccessToken: azcore.AccessToken{Token: "no token of anybody", ExpiresOn: time.Now().Add(time.Hour)}}, nil
		},
	})
	whole := func(client, kid string) string {
		return fmt.Sprintf(`{"clientId":%q,"tenantId":"T","kid":%q,"akvEndpoint":%q,"kek":{"kid":"k","akvEndpoint":%q,"maaEndpoint":%q}}`,
			client, kid, party.VaultURL, party.VaultURL, cleanroomtest.AttestationHost)
	}
	check(t, h, []refusal{
		{"GET", "/secrets/unwrap", "", 404, nil, 0},
		{"POST", "/secrets", whole("c", "s"), 404, nil, 0},
		{"POST", "/secrets/unwrap", "", 400, []string{"The $ field is required."}, 1},
		{"POST", "/secrets/unwrap", "[]", 400, []string{"The $ field is required."}, 1},
		{"POST", "/secrets/unwrap", `{"kid":"` + strings.Repeat("a", 4<<20) + `"}`, 400, []string{"The $ field is required."}, 1},
		{"POST", "/secrets/unwrap", "{}", 400, []string{"clientId", "tenantId", "akvEndpoint", "kek.kid", "kek.akvEndpoint", "kek.maaEndpoint"}, 1},
		{"POST", "/secrets/unwrap", whole("", "s"), 400, []string{"The clientId field is required."}, 1},
		{"POST", "/secrets/unwrap", whole("refused", "s"), 500, []string{refused.Error()}, 1},
		{"POST", "/secrets/unwrap", whole("c", "a secret"), 500, []string{`"error"`}, 1},
		// The vault's own answer.
		{"POST", "/secrets/unwrap", whole("c", "s"), 401, []string{`"code":"Unauthorized"`}, 1},
	}, 10)
}
