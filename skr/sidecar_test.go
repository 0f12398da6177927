package skr

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// said is what a sidecar answers one call with.
type said struct {
	status int
	body   string
	header [2]string
}

// script is a sidecar that gives its answers in order, the last one for ever.
type script struct {
	*httptest.Server
	calls atomic.Int32
	mu    sync.Mutex
	seen  []*http.Request
	body  [][]byte
}

func sayer(t testing.TB, answers ...said) *script {
	s := &script{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(s.calls.Add(1))
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen, s.body = append(s.seen, r), append(s.body, body)
		s.mu.Unlock()
		a := answers[min(n, len(answers))-1]
		if a.header[0] != "" {
			w.Header().Set(a.header[0], a.header[1])
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(s.Close)
	return s
}

var quick = SidecarOptions{Retry: policy.RetryOptions{RetryDelay: time.Microsecond, MaxRetryDelay: time.Second}}

func (s *script) client(t testing.TB) *SidecarClient {
	t.Helper()
	c, err := NewSidecarClient(s.URL, &SidecarClientOptions{SidecarOptions: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestSidecarEndpoint: a literal loopback address and nothing else.
func TestSidecarEndpoint(t *testing.T) {
	good := []string{"http://127.0.0.1:8284", "http://127.0.0.1:8284/", "http://127.1.2.3:1", "http://[::1]:8284", "http://127.0.0.1"}
	bad := []string{
		"x", "http://", "://", "http://localhost:8284", "http://LOCALHOST:8284", "https://127.0.0.1:8284", "http://10.0.0.1:8284", "http://0.0.0.0:8284", "http://[::]:8284",
		"http://169.254.169.254", "http://127.0.0.1.evil.example:80", "http://127.0.0.1@evil.example", "http://u:canary@127.0.0.1:8284", "http://127.0.0.1:8284/x",
		"http://127.0.0.1:8284?x", "http://127.0.0.1:8284?", "http://127.0.0.1:8284#x", "http://[::1%25lo]:8284", "http://2130706433:8284", "http://0x7f000001:8284", "http://127.1:8284",
		"http://[::ffff:10.0.0.1]:8284", "ftp://127.0.0.1", "127.0.0.1:8284", "http://127.0.0.1:port",
	}
	for _, endpoint := range good {
		if _, err := NewSidecarClient(endpoint, nil); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	makers := map[string]func(string) error{
		"skr":     func(e string) error { _, err := NewSidecarClient(e, nil); return err },
		"secrets": func(e string) error { _, err := NewSecretsSidecar(e, nil); return err },
		"identity": func(e string) error {
			_, err := NewSidecarCredential(e, "tenant", "client", nil)
			return err
		},
	}
	for _, endpoint := range bad {
		for name, make := range makers {
			if err := make(endpoint); err == nil || !strings.HasPrefix(err.Error(), "skr: ") || !strings.Contains(err.Error(), "loopback") || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s %s: %v", name, endpoint, err)
			}
		}
	}
	for name, make := range makers {
		if err := make(""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(good) != 5 || len(bad) != 25 {
		t.Errorf("%d and %d endpoints", len(good), len(bad))
	}
}

// TestSidecarErrors: every form in which the sidecars refuse, how often it is
// asked for again, and what is left of it.
func TestSidecarErrors(t *testing.T) {
	const vault = `{"error":{"code":"Forbidden","message":"does not meet the policy","innererror":{"code":"AccessDenied"}}}`
	released := func(cause string) string {
		b, _ := json.Marshal(map[string]string{"error": "secure key release failed\nERROR: a\nb\nc\nTROUBLESHOOTING.md: releasing the key K failed: " + cause})
		return string(b)
	}
	tests := []struct {
		name     string
		answer   said
		calls    int
		upstream int
		code     string
		says     string
	}{
		{"two objects", said{403, `{"error":"attestation failed: no"}{"token":""}`, [2]string{}}, 1, 0, "", "attestation failed: no"},
		{"two objects with a 200", said{200, `{"error":"no"}{"token":""}`, [2]string{}}, 1, 0, "", ": no"},
		{"empty object", said{400, `{"error":{}}`, [2]string{}}, 1, 0, "", "400 Bad Request without a reason"},
		{"empty body", said{500, "", [2]string{}}, 4, 0, "", "500 Internal Server Error without a reason"},
		{"text", said{404, "404 page not found", [2]string{"Content-Type", "text/plain"}}, 1, 0, "", "404 page not found"},
		{"vault denies", said{403, released(vault + ": http response status equal to 403 Forbidden"), [2]string{}}, 1, 403, "Forbidden", "(AccessDenied): does not meet"},
		{"vault is busy", said{403, released(`{"error":{"code":"Throttled","message":"slow"}}: http response status equal to 429 Too Many Requests`), [2]string{}}, 4, 429, "Throttled", "429 Too Many Requests"},
		{"vault is away", said{403, released("<html>: http response status equal to 503 Service Unavailable"), [2]string{}}, 4, 503, "", "for a 503"},
		{"vault broke", said{403, released(": http response status equal to 500 Internal Server Error"), [2]string{}}, 4, 500, "", "for a 500"},
		{"unknown key", said{403, released(`{"error":{"code":"KeyNotFound","message":"none"}}: http response status equal to 404 Not Found`), [2]string{}}, 1, 404, "KeyNotFound", "none"},
		{"no connection", said{403, released("Post \"https://v/\": dial tcp 1.2.3.4:443: connect: connection refused"), [2]string{}}, 4, 0, "", "secure key release failed"},
		{"no name", said{403, released("dial tcp: lookup v: no such host"), [2]string{}}, 4, 0, "", "secure key release failed"},
		{"wrong policy file", said{403, released("decoding the policy failed: illegal base64 data"), [2]string{}}, 1, 0, "", "secure key release failed"},
		{"the last status counts", said{403, `{"error":"a: http response status equal to 404 Not Found: b: http response status equal to 403 Forbidden"}`, [2]string{}}, 1, 403, "", "403"},
		{"problem document", said{400, `{"title":"One or more","status":400,"errors":{"tenantId":["The tenantId field is required."]}}`, [2]string{}}, 1, 0, "", "tenantId field is required"},
		{"title alone", said{400, `{"title":"Bad","status":400}`, [2]string{}}, 1, 0, "", ": Bad"},
		{"object", said{500, `{"error":{"code":"InvalidClientId","message":"Invalid client ID specified: x"}}`, [2]string{}}, 1, 0, "InvalidClientId", "Invalid client ID"},
		{"flat object", said{500, `{"code":"InvalidClientId","message":"m","possibleCauses":[],"recommendedAction":"a"}`, [2]string{}}, 1, 0, "InvalidClientId", ": m"},
		{"key does not fit", said{500, `{"error":{"code":"CryptographicException","message":"m"}}`, [2]string{}}, 1, 0, "CryptographicException", ": m"},
		{"exception", said{500, `{"error":{"code":"HttpRequestException","message":"refused"}}`, [2]string{}}, 4, 0, "HttpRequestException", "refused"},
		{"Entra refuses", said{500, `{"error":{"code":"MsalServiceException","message":"AADSTS70021: no record"}}`, [2]string{}}, 1, 0, "MsalServiceException", "AADSTS70021"},
		{"error is a list", said{403, `{"error":[1]}`, [2]string{}}, 1, 0, "", "without a reason"},
		{"array", said{403, `[1]`, [2]string{}}, 1, 0, "", "[1]"},
		{"null", said{403, `null`, [2]string{}}, 1, 0, "", "null"},
		{"control characters", said{403, "{\"error\":\"a\\u001b[2Jb\\nc\"}", [2]string{}}, 1, 0, "", "a"},
		{"long", said{403, `{"error":"` + strings.Repeat("x", 100000) + `"}`, [2]string{}}, 1, 0, "", "xxx…"},
		{"busy", said{429, ``, [2]string{}}, 4, 0, "", "429"},
		{"unavailable", said{503, `x`, [2]string{}}, 4, 0, "", "503"},
		{"patience beyond reason", said{429, ``, [2]string{"Retry-After", "3600"}}, 1, 0, "", "429"},
		{"unauthorised", said{401, `{}`, [2]string{}}, 1, 0, "", "401"},
		{"redirect", said{307, ``, [2]string{"Location", "http://127.0.0.1:1/"}}, 1, 0, "", "307"},
	}
	for _, test := range tests {
		s := sayer(t, test.answer)
		_, err := s.client(t).call(t.Context(), http.MethodPost, "/key/release", map[string]string{"a": "b"})
		var e *SidecarError
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if n := int(s.calls.Load()); n != test.calls || e.ServiceStatus != test.upstream || e.Code != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %d calls, status %d, code %q: %v", test.name, n, e.ServiceStatus, e.Code, err)
		}
		var resp *azcore.ResponseError
		if got := errors.As(err, &resp); got != (test.upstream != 0) || got && resp.StatusCode != test.upstream {
			t.Errorf("%s: response error %v", test.name, resp)
		}
		if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %q", test.name, err)
		}
	}
	if len(tests) != 31 {
		t.Errorf("%d cases", len(tests))
	}
}

// TestSidecarRecovers: what passes is asked for again and then taken.
func TestSidecarRecovers(t *testing.T) {
	s := sayer(t, said{403, `{"error":"x: http response status equal to 429 Too Many Requests"}`, [2]string{}}, said{500, "", [2]string{}}, said{200, `{"message":"Status OK"}`, [2]string{}})
	if err := s.client(t).Status(t.Context()); err != nil || s.calls.Load() != 3 {
		t.Errorf("%v after %d calls", err, s.calls.Load())
	}
	for _, body := range []string{`{"message":"Status NOT OK"}`, `{"message":""}`, `{}`, ``, `{"message":1}`, `[]`, `{"message":"Status OK"}{"message":"Status OK"}`, `{"message":"Status OK"}x`} {
		if err := sayer(t, said{200, body, [2]string{}}).client(t).Status(t.Context()); err == nil {
			t.Errorf("%s is a good status", body)
		}
	}
	if err := sayer(t, said{200, `{"message":"STATUS ok"}`, [2]string{}}).client(t).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSidecarConnection: a redirect reaches nobody, an endless body is an
// error, a closed port is told apart, a cancelled call ends.
func TestSidecarConnection(t *testing.T) {
	other := sayer(t, said{200, `{"message":"Status OK"}`, [2]string{}})
	s := sayer(t, said{307, "", [2]string{"Location", other.URL}})
	if err := s.client(t).Status(t.Context()); err == nil || other.calls.Load() != 0 {
		t.Errorf("%v, %d calls at the other host", err, other.calls.Load())
	}
	long := sayer(t, said{200, `{"message":"` + strings.Repeat("x", 2<<20) + `"}`, [2]string{}})
	if err := long.client(t).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "exceeds") || long.calls.Load() != 1 {
		t.Errorf("an endless body: %v after %d calls", err, long.calls.Load())
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := NewSidecarClient(address, &SidecarClientOptions{SidecarOptions: quick})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Status(t.Context()); !errors.Is(err, ErrNoSidecar) {
		t.Errorf("closed port: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel(cause)
		<-r.Context().Done()
	}))
	t.Cleanup(hangs.Close)
	if c, err = NewSidecarClient(hangs.URL, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Status(ctx); !errors.Is(err, cause) || errors.Is(err, ErrNoSidecar) {
		t.Errorf("cancelled: %v", err)
	}
	// A connection that is cut in the middle of an answer.
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"message":"Status OK"}`)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(cut.Close)
	if c, err = NewSidecarClient(cut.URL, &SidecarClientOptions{SidecarOptions: quick}); err != nil {
		t.Fatal(err)
	}
	if err := c.Status(t.Context()); err == nil {
		t.Error("half an answer was taken")
	}
}

// jwkOfWorld is a sidecar's key text, with changes.
func (w *world) jwk(edit func(object)) string {
	k := w.kek
	n := func(v *big.Int) string { return base64.RawURLEncoding.EncodeToString(v.Bytes()) }
	o := object{
		"kty": "RSA", "n": n(k.N), "e": "AQAB", "d": n(k.D), "p": n(k.Primes[0]), "q": n(k.Primes[1]),
		"dp": n(k.Precomputed.Dp), "dq": n(k.Precomputed.Dq), "qi": n(k.Precomputed.Qinv), "key_ops": []any{"encrypt"},
	}
	if edit != nil {
		edit(o)
	}
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestSidecarKey: every way to write the same key, and none that is another's.
func TestSidecarKey(t *testing.T) {
	w := newWorld(t)
	k := w.kek
	all := func(f func([]byte) any) func(object) {
		return func(o object) {
			for name, v := range map[string]*big.Int{"n": k.N, "e": big.NewInt(int64(k.E)), "d": k.D, "p": k.Primes[0], "q": k.Primes[1], "dp": k.Precomputed.Dp, "dq": k.Precomputed.Dq, "qi": k.Precomputed.Qinv} {
				o[name] = f(v.Bytes())
			}
		}
	}
	good := map[string]func(object){
		"as it is":      nil,
		"padded":        all(func(b []byte) any { return base64.URLEncoding.EncodeToString(b) }),
		"standard":      all(func(b []byte) any { return base64.StdEncoding.EncodeToString(b) }),
		"raw standard":  all(func(b []byte) any { return base64.RawStdEncoding.EncodeToString(b) }),
		"leading zero":  all(func(b []byte) any { return base64.RawURLEncoding.EncodeToString(append([]byte{0}, b...)) }),
		"numbers":       all(func(b []byte) any { return json.Number(new(big.Int).SetBytes(b).String()) }),
		"e is a number": func(o object) { o["e"] = 65537 },
		"HSM":           func(o object) { o["kty"] = "RSA-HSM" },
		"lower case":    func(o object) { o["kty"] = "rsa" },
		"no computed":   func(o object) { delete(o, "dp"); delete(o, "dq"); delete(o, "qi") },
		"kid":           func(o object) { o["kid"] = "x" },
		"no key_ops":    func(o object) { delete(o, "key_ops") },
		"d of Carmichael": func(o object) {
			p1, q1 := new(big.Int).Sub(k.Primes[0], big.NewInt(1)), new(big.Int).Sub(k.Primes[1], big.NewInt(1))
			lambda := new(big.Int).Div(new(big.Int).Mul(p1, q1), new(big.Int).GCD(nil, nil, p1, q1))
			o["d"] = base64.RawURLEncoding.EncodeToString(new(big.Int).ModInverse(big.NewInt(int64(k.E)), lambda).Bytes())
		},
	}
	for name, edit := range good {
		text := w.jwk(edit)
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{text, string(quoted)} {
			got, err := parseSidecarKey(json.RawMessage(raw))
			if err != nil || !got.PublicKey.Equal(&k.PublicKey) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	set := func(name string, v any) func(object) { return func(o object) { o[name] = v } }
	bad := map[string]func(object){
		"another d":    set("d", "AQAB"),
		"another dp":   set("dp", "AQAB"),
		"another qi":   set("qi", base64.RawURLEncoding.EncodeToString(k.Precomputed.Dp.Bytes())),
		"p for q":      set("q", base64.RawURLEncoding.EncodeToString(k.Primes[0].Bytes())),
		"n of nothing": set("n", ""),
		"no n":         func(o object) { delete(o, "n") },
		"no d":         func(o object) { delete(o, "d") },
		"no primes":    func(o object) { delete(o, "p"); delete(o, "q") },
		"zero":         set("p", "AA"),
		"negative":     set("e", -3),
		"fraction":     set("e", 65537.5),
		"exponent":     set("e", json.Number("1e5")),
		"even e":       set("e", 65536),
		"e of one":     set("e", 1),
		"huge e":       set("e", base64.RawURLEncoding.EncodeToString(k.N.Bytes())),
		"not base64":   set("d", "***"),
		"a list":       set("d", []any{"AQAB"}),
		"null":         set("d", nil),
		"too long":     set("d", strings.Repeat("A", maxMember+1)),
		"EC":           set("kty", "EC"),
		"octets":       func(o object) { clear(o); o["kty"], o["k"] = "oct", "AAAA" },
		"empty":        func(o object) { clear(o) },
		"no kty":       func(o object) { delete(o, "kty") },
	}
	for name, edit := range bad {
		if key, err := parseSidecarKey(json.RawMessage(w.jwk(edit))); key != nil || err != errSidecarKey {
			t.Errorf("%s: %v, %v", name, key != nil, err)
		}
	}
	for _, raw := range []string{"", "null", `""`, `"x"`, "[]", "1", `{"kty":"RSA","kty":"RSA"}`, w.jwk(nil) + w.jwk(nil)} {
		if key, err := parseSidecarKey(json.RawMessage(raw)); key != nil || err == nil {
			t.Errorf("%q was read", raw)
		}
	}
	if len(good) != 13 || len(bad) != 23 {
		t.Errorf("%d and %d cases", len(good), len(bad))
	}
}

// release runs a release by a scripted sidecar against the world's vault.
func (w *world) bySidecar(t testing.TB, answers ...said) (*Releaser, *script) {
	t.Helper()
	s := sayer(t, answers...)
	c, err := NewSidecarClient(s.URL, &SidecarClientOptions{SidecarOptions: quick, ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewSidecarReleaser(c, &ReleaserOptions{ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, s
}

func keyAnswer(text string) said {
	b, err := json.Marshal(map[string]string{"key": text})
	if err != nil {
		panic(err)
	}
	return said{200, string(b), [2]string{}}
}

// TestSidecarRelease: what is sent, and that nothing but the asked key is taken.
func TestSidecarRelease(t *testing.T) {
	w := newWorld(t)
	r, s := w.bySidecar(t, keyAnswer(w.jwk(nil)))
	key, err := r.Release(t.Context(), w.ref(), &bearer{"token"})
	if err != nil {
		t.Fatal(err)
	}
	if key.Ref().Version != version1 || len(key.Checks()) != 2 {
		t.Errorf("%s, %v", key.Ref(), key.Checks())
	}
	want := `{"maa_endpoint":"` + maaHost + `","akv_endpoint":"` + vaultHost + `","kid":"` + keyName + "/" + version1 + `","access_token":"token"}`
	if got := strings.TrimSpace(string(s.body[0])); got != want || s.seen[0].URL.Path != "/key/release" {
		t.Errorf("sent %s", got)
	}
	fresh := newWorld(t)
	other, err := generateOther()
	if err != nil {
		t.Fatal(err)
	}
	fresh.kek = other
	for name, c := range map[string]struct {
		answer said
		check  string
	}{
		"another key":   {keyAnswer(fresh.jwk(nil)), "release.published-key"},
		"a broken key":  {keyAnswer(w.jwk(func(o object) { o["d"] = "AQAB" })), "release.key-pair"},
		"half a key":    {keyAnswer(w.jwk(nil)[:500]), "release.key-pair"},
		"no key":        {said{200, `{}`, [2]string{}}, "release.key-pair"},
		"a key as null": {said{200, `{"key":null}`, [2]string{}}, "release.key-pair"},
		"octets":        {keyAnswer(`{"kty":"oct","k":"AAAA"}`), "release.key-pair"},
	} {
		r, s := w.bySidecar(t, c.answer)
		_, err := r.Release(t.Context(), w.ref(), &bearer{"token"})
		var denied *DeniedError
		if !errors.As(err, &denied) || denied.Checks[len(denied.Checks)-1].ID != c.check || s.calls.Load() != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A vault that does not show its keys to this identity.
	w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/keys/") || r.Header.Get("Authorization") == "" {
			return false
		}
		refuse(rw, 403, "Forbidden", "ForbiddenByRbac", "no")
		return true
	}
	r, s = w.bySidecar(t, keyAnswer(fresh.jwk(nil)))
	key, err = r.Release(t.Context(), w.ref(), &bearer{"token"})
	if err != nil {
		t.Fatal(err)
	}
	if c := key.Checks()[1]; c.ID != "release.published-key" || c.Got != "not readable with this identity" {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(string(s.body[0]), `"kid":"`+keyName+`"`) {
		t.Errorf("sent %s", s.body[0])
	}
	if _, err := r.Release(t.Context(), KeyRef{Name: "kek", VaultURL: "https://v.vault.azure.net", AttestationURL: maaHost}, nil); err == nil {
		t.Error("no credential")
	}
	r, _ = w.bySidecar(t, keyAnswer(w.jwk(nil)))
	if _, err := r.Release(t.Context(), w.ref(), &bearer{""}); err == nil || !strings.Contains(err.Error(), "empty access token") {
		t.Errorf("empty token: %v", err)
	}
	if _, err := NewSidecarReleaser(nil, nil); err == nil {
		t.Error("no sidecar")
	}
}

// TestSidecarDenials: the refusals of services behind a 403.
func TestSidecarDenials(t *testing.T) {
	refusal := func(cause string) said {
		b, err := json.Marshal(map[string]string{"error": "releasing the key K failed: " + cause})
		if err != nil {
			t.Fatal(err)
		}
		return said{403, string(b), [2]string{}}
	}
	for name, c := range map[string]struct {
		answer said
		check  string // "" for an error that is no denial
		says   string
	}{
		"role":        {refusal(`pulling AKV response body failed: {"error":{"code":"Forbidden","message":"m","innererror":{"code":"ForbiddenByRbac"}}}: http response status equal to 403 Forbidden`), "release.role", "Crypto Service Release User"},
		"no token":    {refusal(`pulling AKV response body failed: {"error":{"code":"Forbidden","message":"m","innererror":{"code":"AccessDenied"}}}: http response status equal to 403 Forbidden`), "release.policy", "could not be got here"},
		"attestation": {refusal(`Retrieving MAA token from MAA endpoint failed: x: http response status equal to 400 Bad Request`), "", "attest with " + maaHost},
		"tenant":      {refusal(`pulling AKV response body failed: x: http response status equal to 401 Unauthorized`), "", "tenant is the vault's"},
		"missing":     {refusal(`pulling AKV response body failed: x: http response status equal to 404 Not Found`), "", "check the key's name"},
		"unwrap":      {refusal(`unwrapping failed`), "", "unwrapping failed"},
	} {
		w := newWorld(t)
		r, _ := w.bySidecar(t, c.answer)
		_, err := r.Release(t.Context(), w.ref(), &bearer{"token"})
		var denied *DeniedError
		got := ""
		if errors.As(err, &denied) {
			got = denied.Checks[0].ID
		}
		if err == nil || got != c.check || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSidecarsPrintNothing of what they carry.
func TestSidecarsPrintNothing(t *testing.T) {
	cred, err := NewSidecarCredential("", "tenant", "client", nil)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := NewSecretsSidecar("", nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewSidecarClient("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, v := range map[string]any{"credential of client client by the identity sidecar at 127.0.0.1:8290": cred, "client of the secrets sidecar at 127.0.0.1:9300": secrets, "client of the SKR sidecar at 127.0.0.1:8284": c} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, v); got != want {
				t.Errorf("%s: %s", verb, got)
			}
		}
	}
}

func generateOther() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }
