package skr

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/internal/keywrap"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

const (
	maaHost   = "sharedneu.neu.attest.azure.net"
	vaultHost = "consumerkv.vault.azure.net"
	evilHost  = "evil.vault.azure.net"
	keyName   = "cl-kek"
	version1  = "0123456789abcdef0123456789abcdef"
)

// object is a JSON object under construction.
type object = map[string]any

// world is an attestation service and a vault behind one TLS listener, which
// the client reaches under every host name. It signs, verifies and encrypts
// for real; the hooks change what it answers before it signs.
type world struct {
	ca     *testpki.CA
	leaf   *tls.Certificate
	maaKey *rsa.PrivateKey
	x5c    string
	kek    *rsa.PrivateKey
	client *http.Client

	hostData string
	policy   []byte

	mu       sync.Mutex
	requests []string // "METHOD host/path"
	secrets  map[string]string
	transfer *rsa.PublicKey // of the last release
	// hooks, all optional
	intercept   func(w http.ResponseWriter, r *http.Request) bool
	editToken   func(header, claims object)
	rawToken    func(string) string
	rawRelease  func(string) string
	editRelease func(header, payload, keyHSM object)
}

// worldKeys are made once: what they cost is not what the tests are about.
var worldKeys = sync.OnceValues(func() (*world, error) {
	w := &world{}
	var err error
	if w.ca, err = testpki.New("skr"); err != nil {
		return nil, err
	}
	if w.leaf, err = w.ca.IssueRSA("*.vault.azure.net", maaHost, "login.microsoftonline.com"); err != nil {
		return nil, err
	}
	if w.maaKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "https://" + maaHost}}
	cert, err := testpki.Sign(template, w.maaKey.Public(), template, w.maaKey)
	if err != nil {
		return nil, err
	}
	w.x5c = base64.StdEncoding.EncodeToString(cert.Raw)
	w.kek, err = rsa.GenerateKey(rand.Reader, 2048)
	return w, err
})

func newWorld(t testing.TB) *world {
	t.Helper()
	keys, err := worldKeys()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ca: keys.ca, leaf: keys.leaf, maaKey: keys.maaKey, x5c: keys.x5c, kek: keys.kek, secrets: map[string]string{}}
	w.hostData = strings.Repeat("ab", 32)
	p, err := NewReleasePolicy(maaHost, w.hostData)
	if err != nil {
		t.Fatal(err)
	}
	w.policy = p.Encode()

	server := httptest.NewUnstartedServer(w)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{*w.leaf}}
	server.StartTLS()
	t.Cleanup(server.Close)
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{RootCAs: w.ca.Pool()},
	}
	t.Cleanup(tr.CloseIdleConnections)
	w.client = &http.Client{Transport: tr}
	return w
}

func (w *world) options() azcore.ClientOptions {
	return azcore.ClientOptions{Transport: w.client, Retry: policy.RetryOptions{MaxRetries: -1}}
}

func (w *world) ref() KeyRef {
	return KeyRef{Name: keyName, VaultURL: "https://" + vaultHost, AttestationURL: "https://" + maaHost}
}

func (w *world) releaser(t testing.TB) *Releaser {
	t.Helper()
	r, err := NewReleaser(w.guest(), &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// count is how many requests went to a path prefix on a host.
func (w *world) count(request string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.requests {
		if strings.HasPrefix(r, request) {
			n++
		}
	}
	return n
}

// guest makes evidence whose report is unsigned: who signs reports is for
// package snp and the emulated machine to prove.
func (w *world) guest() *guest { return &guest{hostData: w.hostData} }

type guest struct {
	hostData string
	mu       sync.Mutex
	calls    int
	gate     chan struct{} // when not nil, Attest waits for it to close
}

func (g *guest) Attest(ctx context.Context, runtimeData []byte) (*Evidence, error) {
	g.mu.Lock()
	g.calls++
	g.mu.Unlock()
	if g.gate != nil {
		select {
		case <-g.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	report := make([]byte, reportSize)
	data := reportDataFor(runtimeData)
	copy(report[reportDataOffset:], data[:])
	host, err := hex.DecodeString(g.hostData)
	if err != nil {
		return nil, err
	}
	copy(report[192:], host)
	return &Evidence{Report: report, Certificates: []byte("-----BEGIN CERTIFICATE-----\n"), UVMEndorsements: []byte{0xd2}, RuntimeData: runtimeData}, nil
}

func (g *guest) attested() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// bearer is a credential with a fixed token.
type bearer struct{ token string }

func (b *bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: b.token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.requests = append(w.requests, r.Method+" "+r.Host+r.URL.Path)
	intercept := w.intercept
	w.mu.Unlock()
	if intercept != nil && intercept(rw, r) {
		return
	}
	switch {
	case r.Host == maaHost && r.URL.Path == "/attest/SevSnpVm":
		w.attest(rw, r)
	case r.Host == maaHost && r.URL.Path == "/certs":
		reply(rw, 200, object{"keys": []any{
			object{"kty": "EC", "kid": "other"},
			object{"alg": "RS256", "kty": "RSA", "use": "sig", "kid": "maa-1", "x5c": []any{w.x5c}},
		}})
	case !strings.HasSuffix(r.Host, ".vault.azure.net"):
		http.NotFound(rw, r)
	case r.Header.Get("Authorization") == "":
		rw.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"`)
		refuse(rw, 401, "Unauthorized", "", "no token")
	default:
		w.vault(rw, r)
	}
}

func reply(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v)
}

func refuse(rw http.ResponseWriter, status int, code, inner, message string) {
	e := object{"code": code, "message": message}
	if inner != "" {
		e["innererror"] = object{"code": inner}
	}
	reply(rw, status, object{"error": e})
}

// attest answers as the attestation service: the claims come from the report.
func (w *world) attest(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 1<<20))
	var req maaRequest
	if err == nil {
		err = json.Unmarshal(body, &req)
	}
	var report maaReport
	if err == nil {
		err = json.Unmarshal(padded(req.Report), &report)
	}
	raw, data := padded(report.SnpReport), padded(req.RuntimeData.Data)
	if err != nil || len(raw) != reportSize || req.RuntimeData.DataType != "JSON" {
		refuse(rw, 400, "InvalidParameter", "", "malformed request")
		return
	}
	want := reportDataFor(data)
	if string(raw[reportDataOffset:reportDataOffset+reportDataSize]) != string(want[:]) {
		refuse(rw, 400, "InvalidParameter", "", "report data does not match")
		return
	}
	header, claims := w.token(raw, data, req.Nonce)
	if w.editToken != nil {
		w.editToken(header, claims)
	}
	token := signJWS(header, claims, w.maaKey)
	if w.rawToken != nil {
		token = w.rawToken(token)
	}
	reply(rw, 200, object{"token": token})
}

func padded(s string) []byte {
	b, _ := base64.URLEncoding.DecodeString(s)
	return b
}

func (w *world) token(report, runtimeData []byte, nonce string) (header, claims object) {
	runtime, _ := decodeStrict(runtimeData)
	now := time.Now().Unix()
	header = object{"alg": "RS256", "jku": "https://" + maaHost + "/certs", "kid": "maa-1", "typ": "JWT"}
	claims = object{
		"iss": "https://" + maaHost, "iat": now, "nbf": now, "exp": now + 28800,
		claimType: typeSEVSNP, claimCompliance: complianceUVM, claimDebuggable: false,
		claimHostData:   hex.EncodeToString(report[192:224]),
		claimReportData: hex.EncodeToString(report[reportDataOffset : reportDataOffset+reportDataSize]),
		claimRuntime:    runtime,
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return header, claims
}

// vault answers for one key and any number of secrets.
func (w *world) vault(rw http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodGet && parts[0] == "secrets":
		w.mu.Lock()
		value, ok := w.secrets[parts[1]]
		w.mu.Unlock()
		if !ok {
			refuse(rw, 404, "SecretNotFound", "", "no such secret")
			return
		}
		reply(rw, 200, object{"value": value, "id": "https://" + r.Host + "/secrets/" + parts[1] + "/1"})
	case len(parts) < 2 || parts[1] != keyName:
		refuse(rw, 404, "KeyNotFound", "", "no such key")
	case r.Method == http.MethodGet:
		reply(rw, 200, w.bundle(r.Host))
	case r.Method == http.MethodPost && parts[len(parts)-1] == "release":
		w.release(rw, r, "https://"+r.Host+"/"+strings.Join(parts[:len(parts)-1], "/"))
	default:
		http.NotFound(rw, r)
	}
}

func (w *world) bundle(host string) object {
	b64 := base64.RawURLEncoding.EncodeToString
	return object{
		"key": object{"kid": "https://" + host + "/keys/" + keyName + "/" + version1, "kty": "RSA-HSM",
			"n": b64(w.kek.N.Bytes()), "e": "AQAB", "key_ops": []any{"encrypt", "wrapKey"}},
		"attributes":     object{"enabled": true, "exportable": true},
		"release_policy": object{"data": b64(w.policy), "immutable": false},
	}
}

func (w *world) release(rw http.ResponseWriter, r *http.Request, kid string) {
	var req struct{ Target, Enc, Nonce string }
	if err := json.NewDecoder(http.MaxBytesReader(rw, r.Body, 1<<20)).Decode(&req); err != nil {
		refuse(rw, 400, "BadParameter", "", err.Error())
		return
	}
	claims, ok := w.verifyToken(req.Target)
	if !ok {
		refuse(rw, 403, "Forbidden", "AccessDenied", "Target environment attestation statement cannot be verified.")
		return
	}
	p, err := ParseReleasePolicy(w.policy)
	if err != nil || !p.Explain(claims).Satisfied {
		refuse(rw, 403, "Forbidden", "", "Target environment attestation does not meet key release policy requirements.")
		return
	}
	transfer := claims[claimRuntime].(object)["keys"].([]any)[0].(object)
	header, payload, keyHSM := w.response(kid, req.Enc, req.Nonce, transfer)
	value := w.sealResponse(header, payload, keyHSM)
	if w.rawRelease != nil {
		value = w.rawRelease(value)
	}
	reply(rw, 200, object{"value": value})
}

func (w *world) verifyToken(raw string) (Claims, bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if rsa.VerifyPKCS1v15(&w.maaKey.PublicKey, crypto.SHA256, digest[:], sig) != nil {
		return nil, false
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	claims, err := decodeObjectStrict(payload)
	return claims, err == nil
}

// response builds the three parts of a release response, before signing.
func (w *world) response(kid, enc, nonce string, transfer object) (header, payload, keyHSM object) {
	modulus, _ := base64.RawURLEncoding.DecodeString(transfer["n"].(string))
	pub := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}
	w.transfer = pub
	plain, err := x509.MarshalPKCS8PrivateKey(w.kek)
	if err != nil {
		panic(err)
	}
	blob, err := keywrap.WrapRSAAES(pub, keywrap.Algorithm(enc), plain)
	if err != nil {
		panic(err)
	}
	var x5c []any
	for _, der := range w.leaf.Certificate {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(der))
	}
	header = object{"alg": "RS256", "typ": "JWT", "x5c": x5c}
	host := strings.Split(strings.TrimPrefix(kid, "https://"), "/")[0]
	payload = object{
		"request":  object{"api-version": "7.4", "enc": enc, "kid": kid, "nonce": nonce},
		"response": object{"key": w.bundle(host)},
	}
	keyHSM = object{"schema_version": "1.0", "header": object{"kid": transfer["kid"], "alg": "dir", "enc": enc},
		"ciphertext": base64.RawURLEncoding.EncodeToString(blob)}
	return header, payload, keyHSM
}

func (w *world) sealResponse(header, payload, keyHSM object) string {
	if w.editRelease != nil {
		w.editRelease(header, payload, keyHSM)
	}
	b, err := json.Marshal(keyHSM)
	if err != nil {
		panic(err)
	}
	jwk := payload["response"].(object)["key"].(object)["key"].(object)
	if _, set := jwk["key_hsm"]; !set {
		jwk["key_hsm"] = base64.RawURLEncoding.EncodeToString(b)
	}
	return signJWS(header, payload, w.leaf.PrivateKey.(*rsa.PrivateKey))
}

// signJWS signs with the algorithm that the header names, also the ones that
// must be refused.
func signJWS(header, payload any, key *rsa.PrivateKey) string {
	h, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	p, err := json.Marshal(payload)
	if err != nil {
		panic(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	input := b64(h) + "." + b64(p)
	digest := sha256.Sum256([]byte(input))
	var sig []byte
	switch alg := header.(object)["alg"]; alg {
	case "RS256":
		sig, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	case "PS256":
		sig, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], nil)
	case "HS256": // keyed with the public key, as in the well-known confusion
		mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&key.PublicKey))
		mac.Write([]byte(input))
		sig = mac.Sum(nil)
	case "none":
	default:
		err = fmt.Errorf("cannot sign %v", alg)
	}
	if err != nil {
		panic(err)
	}
	return input + "." + b64(sig)
}
