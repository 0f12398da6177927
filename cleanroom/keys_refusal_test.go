package cleanroom_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/skr"
)

// A vault that stores something else than it was given, or answers about
// another key, is not believed.
func testChangedAnswers(u *vaultUser) {
	policy := u.policyFor(u.env.Launch([]byte("package policy\n")))
	wide := base64.RawURLEncoding.EncodeToString(u.policyFor(u.env.Launch([]byte("a")), u.env.Launch([]byte("b"))).Encode())
	_, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("changed"), policy, nil)
	u.must(err)
	for name, c := range map[string]struct {
		edit func(key, attributes, bundle map[string]any)
		say  string
	}{
		"other key":     {func(key, _, _ map[string]any) { key["kid"] = u.party.VaultURL + "/keys/other/0123" }, "another key"},
		"no version":    {func(key, _, _ map[string]any) { key["kid"] = u.party.VaultURL + "/keys/changed" }, "another key"},
		"odd version":   {func(key, _, _ map[string]any) { key["kid"] = u.party.VaultURL + "/keys/changed/a%20b" }, "another key"},
		"no id":         {func(key, _, _ map[string]any) { delete(key, "kid") }, "without a key"},
		"no key":        {func(_, _, bundle map[string]any) { delete(bundle, "key") }, "without a key"},
		"wide policy":   {func(_, _, bundle map[string]any) { bundle["release_policy"] = map[string]any{"data": wide} }, "kek.release-policy"},
		"no policy":     {func(_, _, bundle map[string]any) { delete(bundle, "release_policy") }, "got none"},
		"odd policy":    {func(_, _, bundle map[string]any) { bundle["release_policy"] = map[string]any{"data": "e30"} }, "cannot be read"},
		"no attributes": {func(_, _, bundle map[string]any) { delete(bundle, "attributes") }, "kek.exportable"},
		"disabled":      {func(_, attributes, _ map[string]any) { attributes["enabled"] = false }, "kek.enabled"},
		"no type":       {func(key, _, _ map[string]any) { delete(key, "kty") }, "kek.type"},
		"curve":         {func(key, _, _ map[string]any) { key["kty"] = "EC-HSM" }, "EC-HSM of 2048 bits"},
		"no modulus":    {func(key, _, _ map[string]any) { delete(key, "n") }, "without an RSA public key"},
		"huge modulus":  {func(key, _, _ map[string]any) { key["n"] = strings.Repeat("_", 2000) }, "without an RSA public key"},
		"huge exponent": {func(key, _, _ map[string]any) { key["e"] = "_____w" }, "without an RSA public key"},
		"short modulus": {func(key, _, _ map[string]any) { key["n"] = "____________" }, "RSA-HSM of 72 bits"},
	} {
		u.hold(func(req *http.Request, _ []byte) *http.Response {
			if req.Method != http.MethodGet || !strings.HasPrefix(req.URL.Path, "/keys/changed") || req.Header.Get("Authorization") == "" {
				return nil
			}
			return u.edited(req, func(bundle map[string]any) {
				key, _ := bundle["key"].(map[string]any)
				attributes, _ := bundle["attributes"].(map[string]any)
				c.edit(key, attributes, bundle)
			})
		}, nil)
		_, pub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("changed"), policy, nil)
		if err == nil || pub != nil || !strings.Contains(err.Error(), c.say) || !strings.HasPrefix(err.Error(), "cleanroom: import KEK") {
			u.Errorf("%s: want %q, got %v", name, c.say, err)
		}
	}
}

func testVaultRefusals(u *vaultUser) {
	policy := u.policyFor(u.env.Launch([]byte("package policy\n")))
	pub := &testRSA(u.T, 2048).PublicKey
	importKEK := func() error {
		_, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("refused"), policy, nil)
		return err
	}
	wrap := func() error {
		_, err := u.keys(cleanroom.KeysOptions{}).WrapSecret(u.Context(), u.secret("refused", "kek"), pub, []byte("canary-of-a-refused-secret"))
		return err
	}
	const rbac = "Caller is not authorized to perform action on resource.\nAction: 'x'"
	for name, c := range map[string]struct {
		call           func() error
		method, prefix string
		status         int
		code, message  string
		say            []string
	}{
		"reading keys":   {importKEK, "GET", "/keys/", 403, "Forbidden", rbac, []string{"403 Forbidden", "(Forbidden)", "Caller is not authorized", "assign the role Key Vault Crypto Officer on this vault"}},
		"importing keys": {importKEK, "PUT", "/keys/", 403, "Forbidden", rbac, []string{"403 Forbidden", "assign the role Key Vault Crypto Officer on this vault"}},
		"secrets":        {wrap, "PUT", "/secrets/", 403, "Forbidden", rbac, []string{"403 Forbidden", "assign the role Key Vault Secrets Officer on this vault"}},
		"deleted key":    {importKEK, "PUT", "/keys/", 409, "Conflict", "Key refused is currently in a deleted but recoverable state", []string{"409 Conflict", "recover or purge it"}},
		"escapes":        {wrap, "PUT", "/secrets/", 403, "Forbidden", "\x1b[2J\u202eok", []string{`\x1b[2J\u202eok`, "assign the role"}},
		"deleted secret": {wrap, "PUT", "/secrets/", 409, "Conflict", "", []string{"409 Conflict", "recover or purge it"}},
		"parameters":     {importKEK, "PUT", "/keys/", 400, "BadParameter", "AKV.SKR.1001: x", []string{"400 Bad Request", "AKV.SKR.1001"}},
	} {
		u.hold(refuse(c.method, c.prefix, c.status, c.code, c.message), nil)
		err := c.call()
		var service *azcore.ResponseError
		if !errors.As(err, &service) || service.StatusCode != c.status || service.ErrorCode != c.code {
			u.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range append(c.say, "cleanroom: ", "publisherkv.vault.azure.net", "refused") {
			if !strings.Contains(err.Error(), part) {
				u.Errorf("%s: the error has no %q: %v", name, part, err)
			}
		}
		if strings.ContainsAny(err.Error(), "\n\x1b\u202e") || strings.Contains(fmt.Sprintf("%+v", err), "canary-of-a-refused-secret") {
			u.Errorf("%s: %q", name, err)
		}
	}
	// A party at the vault of another tenant, and at no vault at all.
	foreign := skr.KeyRef{Name: "kek", VaultURL: "https://consumerkv.vault.azure.net", AttestationURL: maaURL}
	if _, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), foreign, policy, nil); err == nil || !strings.Contains(err.Error(), "consumerkv") {
		u.Errorf("another tenant's vault: %v", err)
	}
	foreign.VaultURL = "https://elsewhere.example.com"
	var unknown *cleanroomtest.UnknownHostError
	if _, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), foreign, policy, nil); !errors.As(err, &unknown) {
		u.Errorf("no vault: %v", err)
	}
}

// An answer without an end is not read to it.
func testLongAnswers(u *vaultUser) {
	body := &endless{}
	u.hold(func(req *http.Request, _ []byte) *http.Response {
		if req.Method != http.MethodGet || !strings.HasPrefix(req.URL.Path, "/keys/long") || req.Header.Get("Authorization") == "" {
			return nil
		}
		res := answer(req, http.StatusOK, nil)
		res.Body, res.ContentLength = body, -1
		return res
	}, nil)
	_, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("long"), u.policyFor(u.env.Launch([]byte("package policy\n"))), nil)
	if err == nil || !strings.Contains(err.Error(), "exceeds 1048576 bytes") || body.read > 2<<20 {
		u.Errorf("read %d bytes: %v", body.read, err)
	}
}

// endless says how much of it was read, and ends after all at a gigabyte.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read > 1<<30 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}
func (*endless) Close() error { return nil }

// The private key crosses the wire once and is nowhere else: not in an error,
// not in the log of the Azure library at its loudest, not in a file.
func testPrivateKeyStays(u *vaultUser) {
	temp := u.TempDir()
	u.Setenv("TMPDIR", temp)
	var mu sync.Mutex
	var text strings.Builder
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		text.WriteString(s + "\n")
	}
	azlog.SetListener(func(e azlog.Event, s string) { note(s) })
	defer azlog.SetListener(nil)
	var canaries [][]byte
	u.hold(func(req *http.Request, body []byte) *http.Response {
		var in struct {
			Key map[string]any `json:"key"`
		}
		if req.Method == http.MethodPut && json.Unmarshal(body, &in) == nil && in.Key != nil {
			for _, member := range []string{"d", "p", "q", "dp", "dq", "qi"} {
				b, err := base64.RawURLEncoding.DecodeString(in.Key[member].(string))
				if err != nil || len(b) < 100 {
					u.Errorf("%s has %d bytes, %v", member, len(b), err)
				}
				canaries = append(canaries, b)
			}
			return nil
		}
		for _, c := range canaries {
			if bytes.Contains(body, []byte(base64.RawURLEncoding.EncodeToString(c))) {
				u.Errorf("%s %s sends the private key", req.Method, req.URL)
			}
		}
		if len(canaries) > 0 && req.Method == http.MethodGet { // the reading back
			return answer(req, 403, map[string]any{"error": map[string]any{"code": "Forbidden", "message": "no"}})
		}
		return nil
	}, nil)
	opts := cleanroom.KeysOptions{}
	opts.Logging.IncludeBody = true
	opts.Logging.AllowedHeaders = []string{"*"}
	keys := u.keys(opts)
	policy := u.policyFor(u.env.Launch([]byte("package policy\n")))
	_, _, err := keys.ImportKEK(u.Context(), u.kek("canary"), policy, nil)
	if err == nil || !strings.Contains(err.Error(), "read back") || len(canaries) != 6 {
		u.Fatalf("%d canaries, %v", len(canaries), err)
	}
	u.hold(nil, nil)
	_, pub, err := keys.ImportKEK(u.Context(), u.kek("canary"), policy, nil)
	u.must(err)
	secret := []byte("canary-of-a-wrapped-secret")
	canaries = append(canaries, secret)
	ref, err := keys.WrapSecret(u.Context(), u.secret("canary", "canary"), pub, secret)
	u.must(err)
	if string(secret) != "canary-of-a-wrapped-secret" {
		u.Error("the caller's secret was cleared")
	}
	for _, v := range []any{err, keys, policy, ref, pub} {
		note(fmt.Sprintf("%v %+v %#v %s", v, v, v, v))
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(text.String(), "/keys/canary") {
		u.Error("the library logged nothing")
	}
	for _, c := range canaries {
		forms := []string{
			string(c), hex.EncodeToString(c), base64.StdEncoding.EncodeToString(c), base64.RawURLEncoding.EncodeToString(c), new(big.Int).SetBytes(c).String(),
		}
		for _, form := range forms {
			if strings.Contains(text.String(), form) {
				u.Errorf("%.20s... shows", form)
			}
		}
	}
	if files, err := os.ReadDir(temp); err != nil || len(files) > 0 {
		u.Errorf("files %v, %v", files, err)
	}
}
