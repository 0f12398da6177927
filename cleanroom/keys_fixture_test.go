package cleanroom_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/skr"
)

const maaURL = "https://" + cleanroomtest.AttestationHost

// vaultUser is a party at its vault, on a wire that the test can hold.
type vaultUser struct {
	*testing.T
	env   *cleanroomtest.Env
	party *cleanroomtest.Party
	conn  *cleanroomtest.Conn
	wire  *heldWire
}

// heldWire shows each request to a function before it is sent, and each answer
// after it came.
type heldWire struct {
	mu     sync.Mutex
	before func(*http.Request, []byte) *http.Response // an answer instead of the service's, or nil
	after  func(*http.Request)
	seen   []string
}

func (w *heldWire) wrap(base http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		var body []byte
		if req.Body != nil {
			var err error
			if body, err = io.ReadAll(req.Body); err != nil {
				return nil, err
			}
			req.Body = io.NopCloser(bytes.NewReader(body))
		}
		w.mu.Lock()
		before, after := w.before, w.after
		if strings.Contains(req.Host, ".vault.") && req.Header.Get("Authorization") != "" {
			w.seen = append(w.seen, req.Method+" "+req.URL.Path)
		}
		w.mu.Unlock()
		if before != nil {
			if res := before(req, body); res != nil {
				return res, nil
			}
		}
		res, err := base.RoundTrip(req)
		if after != nil && err == nil {
			after(req)
		}
		return res, err
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// hold sets the functions for the rest of the test.
func (u *vaultUser) hold(before func(*http.Request, []byte) *http.Response, after func(*http.Request)) {
	u.Helper()
	set := func(before func(*http.Request, []byte) *http.Response, after func(*http.Request)) {
		u.wire.mu.Lock()
		defer u.wire.mu.Unlock()
		u.wire.before, u.wire.after = before, after
	}
	set(before, after)
	u.Cleanup(func() { set(nil, nil) })
}

// calls are the authorized requests to vaults since the last call.
func (u *vaultUser) calls() []string {
	u.wire.mu.Lock()
	defer u.wire.mu.Unlock()
	seen := u.wire.seen
	u.wire.seen = nil
	return seen
}

func (u *vaultUser) must(errs ...error) {
	u.Helper()
	if err := errors.Join(errs...); err != nil {
		u.Fatal(err)
	}
}

func (u *vaultUser) keys(opts cleanroom.KeysOptions) *cleanroom.Keys {
	u.Helper()
	logging := opts.Logging
	opts.ClientOptions = u.conn.ClientOptions()
	opts.Logging = logging
	k, err := cleanroom.NewKeys(u.conn.Credential(), &opts)
	u.must(err)
	return k
}

// vault is the service's own client.
func (u *vaultUser) vault() *azkeys.Client {
	u.Helper()
	c, err := azkeys.NewClient(u.party.VaultURL, u.conn.Credential(), &azkeys.ClientOptions{ClientOptions: u.conn.ClientOptions()})
	u.must(err)
	return c
}

func (u *vaultUser) kek(name string) skr.KeyRef {
	return skr.KeyRef{Name: name, VaultURL: u.party.VaultURL, AttestationURL: maaURL}
}

func (u *vaultUser) policyFor(guests ...*cleanroomtest.Guest) *skr.ReleasePolicy {
	u.Helper()
	var hostData []string
	for _, g := range guests {
		h := g.HostData()
		hostData = append(hostData, hex.EncodeToString(h[:]))
	}
	p, err := skr.NewReleasePolicy(maaURL, hostData...)
	u.must(err)
	return p
}

// unwrapIn opens a secret in a guest, with the room's own account.
func (u *vaultUser) unwrapIn(g *cleanroomtest.Guest, ref skr.SecretRef) ([]byte, error) {
	u.Helper()
	r, err := skr.NewReleaser(g, &skr.ReleaserOptions{ClientOptions: u.conn.ClientOptions(), Roots: u.conn.Roots()})
	u.must(err)
	defer r.Close()
	s, err := skr.NewSecretUnwrapper(r, u.conn.CredentialFor, &skr.SecretUnwrapperOptions{ClientOptions: u.conn.ClientOptions()})
	u.must(err)
	return s.Unwrap(u.Context(), ref)
}

func (u *vaultUser) secret(name, kek string) skr.SecretRef {
	return skr.SecretRef{ClientID: u.party.AccountID, TenantID: u.party.TenantID, Name: name, VaultURL: u.party.VaultURL, KEK: u.kek(kek)}
}

// importBy puts a key into the vault past this package.
func (u *vaultUser) importBy(name string, change func(*azkeys.ImportKeyParameters), policy *skr.ReleasePolicy) {
	u.Helper()
	p := azkeys.ImportKeyParameters{
		Key: jwkOf(testRSA(u.T, 2048)), HSM: to.Ptr(true),
		KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(true), Exportable: to.Ptr(true)},
		ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: policy.Encode()},
	}
	change(&p)
	_, err := u.vault().ImportKey(u.Context(), name, p, nil)
	u.must(err)
}

var rsaKeys sync.Map // of bits to *rsa.PrivateKey

// testRSA is one key per size: these tests are not about the key.
func testRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	if k, ok := rsaKeys.Load(bits); ok {
		return k.(*rsa.PrivateKey)
	}
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	rsaKeys.Store(bits, k)
	return k
}

func jwkOf(k *rsa.PrivateKey) *azkeys.JSONWebKey {
	return &azkeys.JSONWebKey{
		Kty: to.Ptr(azkeys.KeyTypeRSA), KeyOps: []*azkeys.KeyOperation{to.Ptr(azkeys.KeyOperationEncrypt), to.Ptr(azkeys.KeyOperationWrapKey)},
		N: k.N.Bytes(), E: big.NewInt(int64(k.E)).Bytes(), D: k.D.Bytes(), P: k.Primes[0].Bytes(), Q: k.Primes[1].Bytes(),
		DP: k.Precomputed.Dp.Bytes(), DQ: k.Precomputed.Dq.Bytes(), QI: k.Precomputed.Qinv.Bytes(),
	}
}

func operations(ops ...azkeys.KeyOperation) func(*azkeys.ImportKeyParameters) {
	return func(p *azkeys.ImportKeyParameters) {
		p.Key.KeyOps = nil
		for _, op := range ops {
			p.Key.KeyOps = append(p.Key.KeyOps, to.Ptr(op))
		}
	}
}

// edited is the service's own answer with a change.
func (u *vaultUser) edited(req *http.Request, edit func(map[string]any)) *http.Response {
	u.Helper()
	plain, err := u.env.Connect(u.party.Name, nil)
	u.must(err)
	defer plain.Close()
	res, err := plain.HTTPClient().Transport.RoundTrip(req.Clone(req.Context()))
	u.must(err)
	defer res.Body.Close()
	var doc map[string]any
	u.must(json.NewDecoder(res.Body).Decode(&doc))
	edit(doc)
	return answer(req, res.StatusCode, doc)
}

func answer(req *http.Request, status int, doc any) *http.Response {
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(b)), ContentLength: int64(len(b)),
	}
}

// refuse answers one kind of authorized request as the service would to an
// account without the role.
func refuse(method, prefix string, status int, code, message string) func(*http.Request, []byte) *http.Response {
	return func(req *http.Request, _ []byte) *http.Response {
		if req.Method != method || !strings.HasPrefix(req.URL.Path, prefix) || req.Header.Get("Authorization") == "" {
			return nil
		}
		return answer(req, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
	}
}
