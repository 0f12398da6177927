package snp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/internal/emulator/amdcerts"
	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

// A TCB with a microcode level that is no single byte in DER, and two after it.
const (
	tcb0 = 0xdb18000000000004
	tcb1 = 0xdb19000000000004
	tcb2 = 0xde19000000000005
)

// host is a machine with a guest, its container group's files and the services
// around it.
type host struct {
	machine  *snpmachine.Machine
	guest    *snpmachine.Guest
	certs    *amdcerts.Server
	server   *httptest.Server
	platform snp.SecurityContextOptions
	reports  int
}

func newHost(t testing.TB) *host {
	t.Helper()
	m, err := snpmachine.New()
	if err != nil {
		t.Fatal(err)
	}
	if m.TCB() != tcb0 {
		t.Fatalf("the machine starts at %x", m.TCB())
	}
	h := &host{machine: m, guest: m.Launch([]byte("policy")), certs: amdcerts.New(m)}
	h.server = httptest.NewTLSServer(h.certs)
	t.Cleanup(h.server.Close)
	h.platform = snp.SecurityContextOptions{Dir: t.TempDir(), Getenv: func(string) string { return "" }}
	h.writeCertificates(t)
	ev, err := h.guest.Attest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "reference-info-base64", ev.UVMEndorsements)
	return h
}

func (h *host) write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.platform.Dir, name), []byte(base64.StdEncoding.EncodeToString(b)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeCertificates is what the platform does at the start, and may do again.
func (h *host) writeCertificates(t testing.TB) {
	t.Helper()
	doc, err := json.Marshal(amdcerts.HostDocument(h.machine, h.machine.TCB()))
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "host-amd-cert-base64", doc)
}

func (h *host) update(t testing.TB, tcb uint64) {
	t.Helper()
	if err := h.machine.Update(tcb); err != nil {
		t.Fatal(err)
	}
}

// options are those of a service below a path of the server.
func (h *host) options(path string) *snp.ServiceOptions {
	return &snp.ServiceOptions{Endpoint: h.server.URL + path, ClientOptions: azcore.ClientOptions{
		Transport: h.server.Client(), Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Nanosecond, MaxRetryDelay: time.Nanosecond},
	}}
}

// services are the three sources by name.
func (h *host) services(t testing.TB) map[string]snp.ChainSource {
	t.Helper()
	thim, err1 := snp.THIMChain(h.options(amdcerts.THIMPath))
	amd, err2 := snp.AMDChain(h.options(amdcerts.AMDPath))
	cache, err3 := snp.AzureCacheChain(h.options(""))
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return map[string]snp.ChainSource{"THIM": thim, "AMD": amd, "Azure cache": cache}
}

func (h *host) report(t testing.TB) *snp.Report {
	t.Helper()
	raw, err := h.guest.Report([64]byte{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := snp.ParseReport(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *host) attester(source snp.ChainSource) skr.Attester {
	return snp.NewTestAttester(func(_ context.Context, data [64]byte) ([]byte, error) {
		h.reports++
		return h.guest.Report(data)
	}, h.platform, source)
}

func (h *host) cache(t testing.TB, source snp.ChainSource, dir string) *snp.ChainCache {
	t.Helper()
	c, err := snp.NewChainCache(source, &snp.ChainCacheOptions{Dir: dir, OnError: func(err error) { t.Errorf("cache: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *host) verify(t testing.TB, ev *skr.Evidence) *snp.Result {
	t.Helper()
	v, err := snp.NewVerifierWithTestRoots(snp.TestRoots{ARKAndASK: h.machine.ChainPEM(), UVMIssuer: h.machine.UVMIssuer()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := v.Verify(ev)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func (h *host) counts(t testing.TB, want map[string]int) {
	t.Helper()
	if got := h.certs.Requests(); !maps.Equal(got, want) {
		t.Errorf("requests %v, want %v", got, want)
	}
}

func TestServices(t *testing.T) {
	h := newHost(t)
	r := h.report(t)
	for name, source := range h.services(t) {
		chain, err := source.Chain(t.Context(), r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if chain.TCB() != tcb0 || chain.Product() != snp.Milan || chain.Fits(r) != nil {
			t.Errorf("%s: TCB %x of %s", name, chain.TCB(), chain.Product())
		}
	}
	h.counts(t, map[string]int{"thim": 1, "vcek": 1, "cert_chain": 1, "cache": 1})
}

func TestServicesRefuse(t *testing.T) {
	h := newHost(t)
	r := h.report(t)
	unknown := *r
	unknown.ReportedTCB++
	for name, source := range h.services(t) {
		if _, err := source.Chain(t.Context(), &unknown); err == nil {
			t.Errorf("%s has certificates of a TCB that never was", name)
		}
		// Busy three times is one too often, and the status can be reached.
		h.certs.Fail(http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInternalServerError)
		_, err := source.Chain(t.Context(), r)
		var resp *azcore.ResponseError
		if !errors.As(err, &resp) || resp.StatusCode != http.StatusInternalServerError || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s, busy: %v", name, err)
		}
		h.certs.Fail(http.StatusRequestTimeout, http.StatusBadGateway)
		if _, err := source.Chain(t.Context(), r); err != nil {
			t.Errorf("%s, busy twice: %v", name, err)
		}
		before := h.certs.Requests()
		h.certs.Fail(http.StatusForbidden)
		if _, err := source.Chain(t.Context(), r); !errors.As(err, &resp) || resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s, refused: %v", name, err)
		}
		total := 0
		for k, n := range h.certs.Requests() {
			total += n - before[k]
		}
		if total != 1 {
			t.Errorf("%s asked %d times after a refusal", name, total)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := source.Chain(ctx, r); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
	}
}

// What no service may make of an answer.
func TestServicesSurviveAnswers(t *testing.T) {
	h := newHost(t)
	r := h.report(t)
	good, err := h.services(t)["Azure cache"].Chain(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var elsewhere int
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	answers := map[string]http.HandlerFunc{
		"empty":   func(http.ResponseWriter, *http.Request) {},
		"text":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("certificates")) },
		"null":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("null")) },
		"object":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) },
		"issuers": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(h.machine.ChainPEM()) },
		"surplus": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x00\x01")) },
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(good.PEM(), make([]byte, 64<<10)...))
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
		"created": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(good.PEM())
		},
	}
	for name, answer := range answers {
		server := httptest.NewTLSServer(answer)
		opts := &snp.ServiceOptions{Endpoint: server.URL, ClientOptions: azcore.ClientOptions{Transport: server.Client(), Retry: policy.RetryOptions{MaxRetries: -1}}}
		for service, open := range map[string]func(*snp.ServiceOptions) (snp.ChainSource, error){"THIM": snp.THIMChain, "AMD": snp.AMDChain, "cache": snp.AzureCacheChain} {
			source, err := open(opts)
			if err != nil {
				t.Fatal(err)
			}
			if chain, err := source.Chain(t.Context(), r); err == nil {
				t.Errorf("%s, %s: %v", service, name, chain)
			}
		}
		server.Close()
	}
	if elsewhere != 0 {
		t.Errorf("a redirect was followed %d times", elsewhere)
	}
}

func TestServiceOptions(t *testing.T) {
	for name, opts := range map[string]*snp.ServiceOptions{
		"no URL": {Endpoint: "::"}, "no host": {Endpoint: "https:///x"}, "plain": {Endpoint: "http://kdsintf.amd.com"}, "plain name": {Endpoint: "http://localhost:1"},
		"other scheme": {Endpoint: "ftp://example.com"}, "user": {Endpoint: "https://a@example.com"}, "query": {Endpoint: "https://example.com?x"}, "fragment": {Endpoint: "https://example.com#x"},
		"public address": {Endpoint: "http://8.8.8.8"},
	} {
		for service, open := range map[string]func(*snp.ServiceOptions) (snp.ChainSource, error){"THIM": snp.THIMChain, "AMD": snp.AMDChain, "cache": snp.AzureCacheChain} {
			if source, err := open(opts); err == nil || source != nil {
				t.Errorf("%s, %s: %v", service, name, err)
			}
		}
	}
	if _, err := snp.AMDChain(&snp.ServiceOptions{Product: "../Genoa"}); err == nil {
		t.Error("a product line with a path was accepted")
	}
	for _, open := range []func(*snp.ServiceOptions) (snp.ChainSource, error){snp.THIMChain, snp.AMDChain, snp.AzureCacheChain} {
		if _, err := open(nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := snp.DefaultChain(nil, filepath.Join(t.TempDir(), "new")); err != nil {
		t.Error(err)
	}
}

// The metadata service stands on plain HTTP, beside this machine.
func TestTHIMOnPlainHTTP(t *testing.T) {
	h := newHost(t)
	server := httptest.NewServer(h.certs)
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:1")
	source, err := snp.THIMChain(&snp.ServiceOptions{Endpoint: server.URL + amdcerts.THIMPath})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Chain(t.Context(), h.report(t)); err != nil {
		t.Error(err)
	}
}

// The reference's history: after an update of the host its first call succeeds,
// and every later one fails until it is started again. Here all succeed, and the
// new certificates are fetched once.
func TestHostUpdateWhileRunning(t *testing.T) {
	h := newHost(t)
	s := h.services(t)
	a := h.attester(h.cache(t, snp.FirstChain(snp.HostChain(&h.platform), s["THIM"], s["Azure cache"]), ""))
	attest := func(want uint64) {
		t.Helper()
		for range 3 {
			ev, err := a.Attest(t.Context(), []byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if got := h.verify(t, ev).Report.ReportedTCB; got != want {
				t.Errorf("TCB %x, want %x", got, want)
			}
		}
	}
	attest(tcb0)
	h.counts(t, map[string]int{})
	h.update(t, tcb1)
	attest(tcb1)
	h.counts(t, map[string]int{"thim": 1})
	// THIM is late, the cache is not.
	h.certs.HoldTHIM(tcb1)
	h.update(t, tcb2)
	attest(tcb2)
	h.counts(t, map[string]int{"thim": 2, "cache": 1})
	// Back to what is known: nobody is asked.
	h.update(t, tcb1)
	attest(tcb1)
	h.update(t, tcb0)
	attest(tcb0)
	h.counts(t, map[string]int{"thim": 2, "cache": 1})
	if h.reports != 15 {
		t.Errorf("%d reports, want 15", h.reports)
	}
}

// Nobody has the certificates yet: the failure says so, does not stick, and
// ends with what the platform writes.
func TestHostUpdateBeforeItsCertificates(t *testing.T) {
	h := newHost(t)
	thim := h.services(t)["THIM"]
	a := h.attester(h.cache(t, snp.FirstChain(snp.HostChain(&h.platform), thim), ""))
	h.certs.HoldTHIM(tcb0)
	h.update(t, tcb1)
	for range 2 {
		if _, err := a.Attest(t.Context(), []byte("{}")); err == nil || !strings.Contains(err.Error(), "db19000000000004") {
			t.Fatalf("%v", err)
		}
	}
	h.counts(t, map[string]int{"thim": 4}) // two attempts with two reports each
	h.writeCertificates(t)
	ev, err := a.Attest(t.Context(), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	h.verify(t, ev)
	h.update(t, tcb2)
	h.certs.ReleaseTHIM()
	if ev, err = a.Attest(t.Context(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	h.verify(t, ev)
}
