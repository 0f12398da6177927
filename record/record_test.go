package record_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/record"
)

const canary = "canary-51e7c0de"

// echo wants the body that was sent, whole, and answers with a secret.
func echo(t *testing.T) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if want := `{"password":"` + canary + `"}`; err != nil || string(b) != want {
			t.Errorf("the service got %q, %v", b, err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Set-Cookie", "session="+canary)
		_, _ = io.WriteString(w, `{"value":"`+canary+`","n":[1,2]}`)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func read(t *testing.T, files ...[]byte) *record.Record {
	t.Helper()
	var readers []io.Reader
	for _, f := range files {
		readers = append(readers, bytes.NewReader(f))
	}
	r, err := record.Read(readers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// outputs are all forms in which a record can leave a process.
func outputs(t *testing.T, file []byte) string {
	t.Helper()
	var all strings.Builder
	all.Write(file)
	r := read(t, file)
	if err := errors.Join(r.WriteMermaid(&all), r.WriteHTML(&all, nil)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&all, "%+v %#v", r, r)
	return all.String()
}

const path = "/secrets/db?api-version=7.4&sig=" + canary + "&token=" + canary

// TestBothWays records the same request through a transport and through the
// pipeline of an Azure client: nothing secret is kept, nothing changed.
func TestBothWays(t *testing.T) {
	srv := echo(t)
	want := `{"value":"` + canary + `","n":[1,2]}`
	var file bytes.Buffer
	r := record.New("publisher", &file, nil)
	req, err := http.NewRequest("PUT", strings.Replace(srv.URL, "://", "://user:"+canary+"@", 1)+path, strings.NewReader(`{"password":"`+canary+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+canary)
	resp, err := (&http.Client{Transport: r.Wrap(http.DefaultTransport)}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != want {
		t.Errorf("got %q, %v", b, err)
	}
	_ = resp.Body.Close()

	pipeline := runtime.NewPipeline("test", "v1", runtime.PipelineOptions{}, &policy.ClientOptions{PerRetryPolicies: []policy.Policy{r}})
	azure, err := runtime.NewRequest(t.Context(), "PUT", srv.URL+path)
	if err != nil {
		t.Fatal(err)
	}
	if err := azure.SetBody(streaming.NopCloser(strings.NewReader(`{"password":"`+canary+`"}`)), "application/json"); err != nil {
		t.Fatal(err)
	}
	if resp, err = pipeline.Do(azure); err != nil {
		t.Fatal(err)
	}
	if b, err := runtime.Payload(resp); err != nil || string(b) != want {
		t.Errorf("got %q, %v", b, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if all := outputs(t, file.Bytes()); strings.Contains(all, canary) {
		t.Errorf("a secret is kept:\n%s", all)
	}
	entries := read(t, file.Bytes()).Entries
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	for i, e := range entries {
		x := e.Exchange
		if e.Party != "publisher" || x == nil || x.Method != "PUT" || x.Path != "/secrets/db?api-version=7.4&sig=...&token=..." || x.Status != 200 ||
			x.Request != `{"password":string(15)}` || x.Response != `{"value":string(15),"n":[number x 2]}` || x.Sent != 30 || x.Received != int64(len(want)) || !x.NewConnection {
			t.Errorf("entry %d: %+v", i, x)
		}
	}
}

// TestRetries: each attempt is an exchange, with the whole body.
func TestRetries(t *testing.T) {
	attempts := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) != `{"a":1}` {
			t.Errorf("attempt %d sent %q", attempts, b)
		}
		if attempts++; attempts < 3 {
			w.WriteHeader(503)
		}
	}))
	defer srv.Close()
	var file bytes.Buffer
	r := record.New("p", &file, nil)
	pipeline := runtime.NewPipeline("test", "v1", runtime.PipelineOptions{}, &azcore.ClientOptions{
		PerRetryPolicies: []policy.Policy{r}, Retry: policy.RetryOptions{RetryDelay: time.Nanosecond, MaxRetryDelay: time.Nanosecond},
	})
	req, err := runtime.NewRequest(t.Context(), "POST", srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := req.SetBody(streaming.NopCloser(strings.NewReader(`{"a":1}`)), "application/json"); err != nil {
		t.Fatal(err)
	}
	if _, err := pipeline.Do(req); err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, e := range read(t, file.Bytes()).Entries {
		got = append(got, e.Exchange.Status)
	}
	if fmt.Sprint(got) != "[503 503 200]" {
		t.Errorf("recorded %v", got)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// TestFailures: of an error its kind is kept, never its text.
func TestFailures(t *testing.T) {
	for want, err := range map[string]error{
		"canceled": context.Canceled,
		"timeout":  &url.Error{Op: "Get", URL: "https://x/?sig=" + canary, Err: context.DeadlineExceeded},
		"failed":   errors.New(canary),
	} {
		var file bytes.Buffer
		r := record.New("p", &file, nil)
		req := httptest.NewRequest("GET", "http://h/?sig="+canary, nil)
		if _, got := r.Wrap(failing{err}).RoundTrip(req); !errors.Is(got, err) {
			t.Errorf("%s: got %v", want, got)
		}
		if e := read(t, file.Bytes()).Entries[0].Exchange; e.Failure != want || e.Status != 0 {
			t.Errorf("%s: %+v", want, e)
		}
		if strings.Contains(outputs(t, file.Bytes()), canary) {
			t.Errorf("%s: the text is kept", want)
		}
	}
}

// TestPathsAreBounded: what stands in a path in place of a name is not kept.
func TestPathsAreBounded(t *testing.T) {
	var file bytes.Buffer
	r := record.New("p", &file, nil)
	secret := strings.Repeat(canary, 8)
	req := httptest.NewRequest("GET", "http://h/hooks/"+secret+"/x", nil)
	_, _ = r.Wrap(failing{io.EOF}).RoundTrip(req)
	if got := read(t, file.Bytes()).Entries[0].Exchange.Path; got != "/hooks/(120 characters)/x" {
		t.Errorf("path %s", got)
	}
}

// TestNil: whoever is not recorded calls the same.
func TestNil(t *testing.T) {
	var r *record.Recorder
	base := failing{io.EOF}
	if r.Wrap(base) != http.RoundTripper(base) {
		t.Error("a transport was wrapped")
	}
	r.Add(record.Entry{Step: &record.Step{Text: "x"}})
	if r.AddDenial(&cleanroom.DeniedError{}) != true || r.AddDenial(io.EOF) || r.Close() != nil {
		t.Error("a nil recorder does something")
	}
}

// TestDenial keeps the checks and not the cause.
func TestDenial(t *testing.T) {
	var file bytes.Buffer
	r := record.New("room", &file, nil)
	err := fmt.Errorf("run: %w", &cleanroom.DeniedError{Op: "skr: release", By: "vault", Err: errors.New(canary), Checks: []cleanroom.Check{
		{ID: "a", Want: "1", Got: "1"}, {ID: "b", Want: "1", Got: "2", Remedy: "do", Err: errors.New(canary)},
	}})
	if !r.AddDenial(err) {
		t.Error("no denial")
	}
	all := read(t, file.Bytes())
	if d := all.Denials(); len(d) != 1 || d[0].Party != "room" || d[0].Verdict.By != "vault" || len(d[0].Verdict.Checks) != 2 || !d[0].Verdict.Checks[0].Passed || d[0].Verdict.Checks[1].Passed {
		t.Errorf("denials %+v", d)
	}
	if strings.Contains(outputs(t, file.Bytes()), canary) {
		t.Error("the cause is kept")
	}
}

// TestBounds: a long run is counted to its end, and facts have their place
// beside any number of exchanges.
func TestBounds(t *testing.T) {
	var file bytes.Buffer
	r := record.New("p", &file, &record.Options{MaxEntries: 5})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, _ = r.Wrap(failing{io.EOF}).RoundTrip(httptest.NewRequest("GET", "http://h/", nil))
		})
	}
	all.Wait()
	r.Add(record.Entry{Step: &record.Step{Text: "done"}})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.Add(record.Entry{Step: &record.Step{Text: "late"}})
	got := read(t, file.Bytes())
	if len(got.Entries) != 6 || got.Omitted != 15 {
		t.Errorf("%d entries, %d omitted", len(got.Entries), got.Omitted)
	}
}

// TestLongFacts: whatever an application says fits a line that can be read,
// and the checks that failed stay.
func TestLongFacts(t *testing.T) {
	var file bytes.Buffer
	r := record.New(strings.Repeat("p", 500), &file, nil)
	long := strings.Repeat("\x01\"<é", 5000)
	v := &record.Verdict{Op: long, By: long, Denied: true}
	for i := range 500 {
		v.Checks = append(v.Checks, record.Check{ID: fmt.Sprint(i), Passed: i != 499, Want: long, Got: long, Remedy: long})
	}
	r.Add(record.Entry{Verdict: v})
	r.Add(record.Entry{Step: &record.Step{Text: long}})
	r.Add(record.Entry{Measurement: &record.Measurement{Name: long, Value: long}})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	got := read(t, file.Bytes())
	d := got.Denials()
	if len(got.Entries) != 3 || len(d) != 1 || d[0].Verdict.Omitted+len(d[0].Verdict.Checks) != 500 || d[0].Verdict.Checks[len(d[0].Verdict.Checks)-1].ID != "499" {
		t.Errorf("%d entries, denials %d", len(got.Entries), len(d))
	}
	if len(v.Checks) != 500 || v.Op != long {
		t.Error("the caller's verdict was changed")
	}
}

type full struct{ n int }

func (w *full) Write([]byte) (int, error) { w.n++; return 0, errors.New("no space") }

// TestWriterFails: the run goes on, nobody writes again, and Close says it.
func TestWriterFails(t *testing.T) {
	w := &full{}
	r := record.New("room", w, nil)
	for range 3 {
		r.Add(record.Entry{Step: &record.Step{Text: "x"}})
	}
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "record of the room") || w.n != 1 {
		t.Errorf("%v after %d writes", err, w.n)
	}
}

// TestRead merges by time, and refuses what is no record.
func TestRead(t *testing.T) {
	line := func(second int, party string) string {
		return fmt.Sprintf(`{"time":"2026-01-01T00:00:%02dZ","party":%q,"step":{"text":"s%d"}}`+"\n", second, party, second)
	}
	r := read(t, []byte(line(1, "a")+line(4, "a")), []byte(line(2, "b")+line(3, "b")+`{"time":"2026-`), nil)
	var order []string
	for _, e := range r.Entries {
		order = append(order, e.Party+e.Step.Text)
	}
	if fmt.Sprint(order) != "[as1 bs2 bs3 as4]" || r.Omitted != 1 {
		t.Errorf("%v, %d omitted", order, r.Omitted)
	}
	for name, bad := range map[string]string{
		"no JSON": "hello\n", "a list": "[]\n", "an unknown field": `{"secret":1}` + "\n", "a wrong type": `{"party":1}` + "\n", "an endless line": line(1, "a") + strings.Repeat("x", 70<<10),
	} {
		if _, err := record.Read(strings.NewReader(line(1, "a")), strings.NewReader(bad)); err == nil || !strings.HasPrefix(err.Error(), "record: read: record 2, line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := record.Read(strings.NewReader(strings.Repeat(line(1, "a"), 21_000))); err != nil || len(r.Entries) != 20_000 || r.Omitted != 1000 {
		t.Errorf("%d entries, %v", len(r.Entries), err)
	}
	if r := read(t); len(r.Entries) != 0 {
		t.Error("entries of nothing")
	}
}
