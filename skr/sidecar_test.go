package skr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
