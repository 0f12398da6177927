package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// do sends one request through a pipeline of the Azure library.
func do(t *testing.T, o policy.ClientOptions, url string, header ...string) (*http.Response, error) {
	t.Helper()
	req, err := runtime.NewRequest(t.Context(), http.MethodGet, url)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		req.Raw().Header.Set(h, "canary-in-"+h)
	}
	return runtime.NewPipeline("test", "v1", runtime.PipelineOptions{}, &o).Do(req)
}

func TestNoRedirect(t *testing.T) {
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	own := &http.Client{}
	for name, transporter := range map[string]policy.Transporter{"none": nil, "a client": own, "hardened before": Harden(policy.ClientOptions{Transport: own}, nil).Transport} {
		resp, err := do(t, Harden(policy.ClientOptions{Transport: transporter}, nil), server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusTemporaryRedirect {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
	if elsewhere > 0 || own.CheckRedirect != nil {
		t.Errorf("%d requests came elsewhere; the caller's client was changed: %t", elsewhere, own.CheckRedirect != nil)
	}
}

// counted is a body that says how much of it was read.
type counted struct {
	io.Reader
	read int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	return n, err
}
func (*counted) Close() error { return nil }

type transporterFunc func(*http.Request) (*http.Response, error)

func (f transporterFunc) Do(req *http.Request) (*http.Response, error) { return f(req) }

func TestBounds(t *testing.T) {
	fixed := func(n int64) Limit { return func(*http.Request, *http.Response) int64 { return n } }
	for _, c := range []struct {
		name  string
		limit Limit
		size  int64
		ok    bool
	}{
		{"the longest", nil, MaxAnswer, true},
		{"one more", nil, MaxAnswer + 1, false},
		{"a gigabyte", nil, 1 << 30, false},
		{"an own limit", fixed(10), 10, true},
		{"beyond it", fixed(10), 11, false},
		{"nothing", fixed(0), 0, true},
		{"nothing allowed", fixed(0), 1, false},
		{"no limit", fixed(-1), 3 * MaxAnswer, true},
	} {
		var body *counted
		calls := 0
		answers := transporterFunc(func(req *http.Request) (*http.Response, error) {
			calls++
			body = &counted{Reader: io.LimitReader(zeros{}, c.size)}
			return &http.Response{StatusCode: 200, Request: req, Header: http.Header{}, Body: body}, nil
		})
		// The first limit must not stay below the second.
		o := Harden(Harden(policy.ClientOptions{Transport: answers}, fixed(1)), c.limit)
		resp, err := do(t, o, "https://example.com") // the library reads it whole
		var long *TooLongError
		if c.ok {
			b, readErr := io.ReadAll(resp.Body)
			if err != nil || readErr != nil || int64(len(b)) != c.size {
				t.Errorf("%s: %d bytes, %v, %v", c.name, len(b), err, readErr)
			}
		} else if !errors.As(err, &long) || body.read > long.Limit+1 || calls != 1 {
			t.Errorf("%s: read %d bytes in %d calls, %v", c.name, body.read, calls, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A failed read stays failed, and an answer without a body is one.
func TestBoundedBody(t *testing.T) {
	b := &boundedBody{ReadCloser: io.NopCloser(strings.NewReader("four")), limit: 3, left: 3}
	for range 2 {
		n, err := io.Copy(io.Discard, b)
		if n > 3 || !errors.As(err, new(*TooLongError)) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	for name, next := range map[string]transporterFunc{
		"no body": func(*http.Request) (*http.Response, error) { return &http.Response{}, nil },
		"failure": func(*http.Request) (*http.Response, error) { return nil, context.Canceled },
	} {
		answer, err := bounded{next, nil}.Do(nil)
		if (answer == nil) == (err == nil) {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
}

// The log of the library at its loudest has no body and no secret header.
func TestLogs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Set-Cookie", "canary-in-cookie")
		_, _ = io.WriteString(rw, `{"access_token":"canary-in-body"}`)
	}))
	defer server.Close()
	var mu sync.Mutex
	var log bytes.Buffer
	azlog.SetListener(func(_ azlog.Event, s string) {
		mu.Lock()
		defer mu.Unlock()
		log.WriteString(s + "\n")
	})
	defer azlog.SetListener(nil)
	names := []string{"authorization", "AUTHORIZATION", " Authorization", "X-Ms-Encryption-Key", "x-ms-authorization-auxiliary", "Set-Cookie", "X-Seen"}
	given := policy.ClientOptions{Logging: policy.LogOptions{IncludeBody: true, AllowedHeaders: slices.Clone(names), AllowedQueryParams: []string{"SIG", "seen"}}}
	resp, err := do(t, Harden(given, nil), server.URL+"?sig=canary-in-query&seen=visible", "Authorization", "x-ms-encryption-key", "x-ms-authorization-auxiliary", "X-Seen")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	mu.Lock()
	defer mu.Unlock()
	for _, canary := range []string{"canary-in-body", "canary-in-cookie", "canary-in-query", "canary-in-Auth", "canary-in-x-ms"} {
		if strings.Contains(log.String(), canary) {
			t.Errorf("%s is in the log", canary)
		}
	}
	for _, seen := range []string{"canary-in-X-Seen", "visible"} {
		if !strings.Contains(log.String(), seen) {
			t.Errorf("%s is not in the log:\n%s", seen, log.String())
		}
	}
	if !slices.Equal(given.Logging.AllowedHeaders, names) || !given.Logging.IncludeBody {
		t.Error("the caller's options were changed")
	}
}

// A machine that is gone is noticed in each of the ways that there are.
func TestTimeouts(t *testing.T) {
	own, ok := shared.Transport.(*http.Transport)
	if !ok || own.DialContext == nil || own.TLSHandshakeTimeout <= 0 || own.ResponseHeaderTimeout <= 0 || own.HTTP2 == nil || own.HTTP2.SendPingTimeout <= 0 || own.HTTP2.PingTimeout <= 0 {
		t.Errorf("%+v", own)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	quick := newTransport()
	quick.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	quick.ResponseHeaderTimeout = 50 * time.Millisecond
	defer quick.CloseIdleConnections()
	o := Harden(policy.ClientOptions{Transport: &http.Client{Transport: quick}, Retry: policy.RetryOptions{MaxRetries: -1}}, nil)
	if resp, err := do(t, o, server.URL); err == nil || t.Context().Err() != nil {
		t.Errorf("a silent service: %v, %v", resp, err)
	}
}
