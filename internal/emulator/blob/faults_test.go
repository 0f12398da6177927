package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/datasink"
)

// trip is a transport made of a function, around the network's own.
type trip func(next http.RoundTripper, r *http.Request) (*http.Response, error)

func (f *fixture) through(fault trip, retries int32) azcore.ClientOptions {
	next := f.network.Client.Transport
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return fault(next, r) })}
	return azcore.ClientOptions{Transport: client, Retry: policy.RetryOptions{MaxRetries: retries, RetryDelay: time.Millisecond}}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var errLost = errors.New("the connection is gone")

// isCommit knows Put Blob and Put Block List.
func isCommit(r *http.Request) bool {
	comp := r.URL.Query().Get("comp")
	return r.Method == http.MethodPut && (comp == "" || comp == "blocklist") && r.URL.Query().Get("restype") == ""
}

const faultBlock = 1 << 10

func content(n int) []byte { return bytes.Repeat([]byte("plaintext canary "), n/17+1)[:n] }

func write(t testing.TB, s *datasink.Sink, name string, data []byte) error {
	return s.WriteFile(t.Context(), name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func readAll(t testing.TB, s *datasink.Sink, name string) ([]byte, error) {
	r, err := s.Open(t.Context(), name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	_, err = r.WriteTo(&b)
	return b.Bytes(), err
}

// TestLostAnswer loses the answer of a commit that took effect: with retries
// the second attempt is refused by its condition, without there is no second.
// Either way the write is a success.
func TestLostAnswer(t *testing.T) {
	f := newFixture(t)
	for _, size := range []int{10, 5 * faultBlock} {
		for _, old := range []bool{false, true} {
			for _, retries := range []int32{-1, 2} {
				lost, commits := false, 0
				opts := f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					answer, err := next.RoundTrip(r)
					if !isCommit(r) {
						return answer, err
					}
					commits++
					if !lost && err == nil && answer.StatusCode == http.StatusCreated && !bytes.Contains([]byte(r.URL.Path), []byte("old")) {
						lost = true
						answer.Body.Close()
						return nil, errLost
					}
					return answer, err
				}, retries)
				what := fmt.Sprintf("%d bytes, replacing %v, retries %d", size, old, retries)
				s := f.sink(t, &datasink.Options{ClientOptions: opts, Mode: datasink.CPK, DEK: newDEK(t), BlockSize: faultBlock})
				if old {
					lost = true
					if err := write(t, s, "a", []byte("old")); err != nil {
						t.Fatal(err)
					}
					lost, commits = false, 0
				}
				if err := write(t, s, "a", content(size)); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				if !lost {
					t.Errorf("%s: no answer was lost", what)
				}
				if got, err := readAll(t, s, "a"); err != nil || !bytes.Equal(got, content(size)) {
					t.Errorf("%s: read %d bytes, %v", what, len(got), err)
				}
			}
		}
	}
}

// TestUncertain loses the answer of a commit and then the line.
func TestUncertain(t *testing.T) {
	f := newFixture(t)
	dead := false
	opts := f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if dead = dead || isCommit(r); dead {
			return nil, errLost
		}
		return next.RoundTrip(r)
	}, -1)
	s := f.sink(t, &datasink.Options{ClientOptions: opts, Mode: datasink.SSE})
	err := write(t, s, "a", content(10))
	var detail *datasink.Error
	if !errors.Is(err, datasink.ErrUncertain) || !errors.Is(err, errLost) || !errors.As(err, &detail) || detail.Remedy == "" {
		t.Errorf("got %v, want ErrUncertain", err)
	}
}

// TestCutAnywhere cuts the body of each request and of each answer of a small
// exchange after every number of bytes. The write ends as the truth is: with
// an error the old blob is there, without one the new.
func TestCutAnywhere(t *testing.T) {
	f := newFixture(t)
	data := content(2*faultBlock/64 + 5)
	exchange := func(s *datasink.Sink) error {
		if err := write(t, s, "a", data); err != nil {
			return err
		}
		got, err := readAll(t, s, "a")
		if err == nil && !bytes.Equal(got, data) {
			return errors.New("other bytes were read, without an error")
		}
		return err
	}
	cut := &cutter{request: -1}
	opts := f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) { return cut.trip(next, r) }, -1)
	s := f.sink(t, &datasink.Options{ClientOptions: opts, Mode: datasink.CPK, DEK: newDEK(t), BlockSize: 16, Streams: 1})
	if err := write(t, s, "a", []byte("old")); err != nil {
		t.Fatal(err)
	}
	cut = &cutter{request: -1}
	if err := exchange(s); err != nil {
		t.Fatal(err)
	}
	sizes := cut.sizes
	if len(sizes) < 6 {
		t.Fatalf("only %d requests", len(sizes))
	}
	cuts := 0
	for request, size := range sizes {
		for _, answer := range []bool{false, true} {
			for at := range size[index(answer)] {
				cuts++
				cut = &cutter{request: -1}
				if err := write(t, s, "a", []byte("old")); err != nil {
					t.Fatal(err)
				}
				cut = &cutter{request: request, answer: answer, at: at}
				err := exchange(s)
				if answer != (err == nil) { // only the rest of a range can be asked for again
					t.Fatalf("request %d, answer %v, cut at %d: %v", request, answer, at, err)
				}
				var detail *datasink.Error
				if err != nil && !errors.As(err, &detail) {
					t.Fatalf("request %d, answer %v, cut at %d: %v is not typed", request, answer, at, err)
				}
				cut = &cutter{request: -1}
				got, readErr := readAll(t, s, "a")
				if readErr != nil || string(got) != "old" && !bytes.Equal(got, data) {
					t.Fatalf("request %d, answer %v, cut at %d: the blob is %q, %v", request, answer, at, got, readErr)
				}
				if wrote := bytes.Equal(got, data); err == nil && !wrote {
					t.Fatalf("request %d, answer %v, cut at %d: success without the new blob", request, answer, at)
				}
			}
		}
	}
	if cuts < 300 {
		t.Errorf("only %d cuts", cuts)
	}
}

func index(answer bool) int {
	if answer {
		return 1
	}
	return 0
}

// cutter counts the bytes of bodies, or cuts one of them.
type cutter struct {
	request int // which to cut, -1 for none
	answer  bool
	at      int

	mu    sync.Mutex
	sizes [][2]int // of request and answer
}

func (c *cutter) trip(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.sizes)
	c.sizes = append(c.sizes, [2]int{int(max(0, r.ContentLength)), 0})
	if n == c.request && !c.answer {
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(&cutReader{r.Body, c.at})
		r.GetBody = nil
	}
	answer, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodHead {
		c.sizes[n][1] = int(max(0, answer.ContentLength))
	}
	if n == c.request && c.answer {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{&cutReader{answer.Body, c.at}, answer.Body}
	}
	return answer, nil
}

type cutReader struct {
	r    io.Reader
	left int
}

func (c *cutReader) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errLost
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// TestRetries: what the service asks to try again is tried again.
func TestRetries(t *testing.T) {
	f := newFixture(t)
	for _, status := range []int{408, 429, 500, 503} {
		failed := map[string]bool{}
		var mu sync.Mutex
		opts := f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			mu.Lock()
			first := !failed[r.Method+r.URL.String()]
			failed[r.Method+r.URL.String()] = true
			mu.Unlock()
			if !first {
				return next.RoundTrip(r)
			}
			if r.Body != nil {
				io.Copy(io.Discard, r.Body)
			}
			h := http.Header{"X-Ms-Error-Code": {"ServerBusy"}, "Retry-After-Ms": {"1"}}
			return &http.Response{StatusCode: status, Header: h, Body: http.NoBody, Request: r}, nil
		}, 2)
		s := f.sink(t, &datasink.Options{ClientOptions: opts, Mode: datasink.CPK, DEK: newDEK(t), BlockSize: faultBlock})
		if err := write(t, s, "a", content(3*faultBlock)); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if got, err := readAll(t, s, "a"); err != nil || !bytes.Equal(got, content(3*faultBlock)) {
			t.Errorf("%d: read %d bytes, %v", status, len(got), err)
		}
	}
}

// TestRedirect: a redirect is an error, and the other host hears nothing of
// it, least of all the key.
func TestRedirect(t *testing.T) {
	f := newFixture(t)
	heard := 0
	opts := f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if r.URL.Host != blobHost {
			heard++
		}
		if r.URL.Query().Get("restype") != "" {
			return next.RoundTrip(r)
		}
		h := http.Header{"Location": {"https://other.blob.core.windows.net/steal"}}
		return &http.Response{StatusCode: 307, Header: h, Body: http.NoBody, Request: r}, nil
	}, -1)
	s := f.sink(t, &datasink.Options{ClientOptions: opts, Mode: datasink.CPK, DEK: newDEK(t)})
	err := write(t, s, "a", content(10))
	var response *azcore.ResponseError
	if !errors.As(err, &response) || response.StatusCode != 307 {
		t.Errorf("got %v, want HTTP 307", err)
	}
	if heard != 0 {
		t.Errorf("the other host got %d requests", heard)
	}
}

// TestUnconfirmedKey: a service that ignores the key's headers keeps nothing.
func TestUnconfirmedKey(t *testing.T) {
	f := newFixture(t)
	opts := f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		for _, name := range []string{"x-ms-encryption-key", "x-ms-encryption-key-sha256", "x-ms-encryption-algorithm"} {
			delete(r.Header, name)
		}
		return next.RoundTrip(r)
	}, -1)
	for _, size := range []int{10, 3 * faultBlock} {
		s := f.sink(t, &datasink.Options{ClientOptions: opts, Mode: datasink.CPK, DEK: newDEK(t), BlockSize: faultBlock})
		if err := write(t, s, "a", content(size)); !errors.Is(err, datasink.ErrKey) {
			t.Errorf("%d bytes: got %v, want ErrKey", size, err)
		}
		for item, err := range s.List(t.Context()) {
			t.Errorf("%d bytes: %s stays there, %v", size, item.Name, err)
		}
		plain, err := datasink.New(s.String(), identity(owner), &datasink.Options{ClientOptions: f.options(), Mode: datasink.SSE})
		if err != nil {
			t.Fatal(err)
		}
		if err := write(t, plain, "a", content(size)); err != nil {
			t.Fatal(err)
		}
		if _, err := readAll(t, s, "a"); !errors.Is(err, datasink.ErrKey) {
			t.Errorf("%d bytes: reading gives %v, want ErrKey", size, err)
		}
	}
}

// TestKeys opens blobs with the wrong key, with none and with one too many.
func TestKeys(t *testing.T) {
	f := newFixture(t)
	right, other := newDEK(t), newDEK(t)
	s := f.sink(t, &datasink.Options{Mode: datasink.CPK, DEK: right})
	if err := write(t, s, "under-key", content(100)); err != nil {
		t.Fatal(err)
	}
	with := func(mode datasink.Mode, dek *datasink.DEK) *datasink.Sink {
		s, err := datasink.New(s.String(), identity(owner), &datasink.Options{ClientOptions: f.options(), Mode: mode, DEK: dek})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := write(t, with(datasink.SSE, nil), "plain", content(100)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		s          *datasink.Sink
		name, code string
	}{
		{with(datasink.CPK, other), "under-key", otherKey},
		{with(datasink.SSE, nil), "under-key", usesKey},
		{with(datasink.CPK, right), "plain", noKey},
	} {
		for what, do := range map[string]func() error{
			"open":  func() error { _, err := test.s.Open(t.Context(), test.name); return err },
			"write": func() error { return write(t, test.s, test.name, content(10)) },
		} {
			err := do()
			wantCode(t, what+" "+test.name, err, 409, test.code)
			var detail *datasink.Error
			if !errors.Is(err, datasink.ErrKey) || !errors.As(err, &detail) || detail.Remedy == "" || detail.Blob != test.name || detail.Sink != s.String() {
				t.Errorf("%s %s: %v has no kind, remedy, blob or sink", what, test.name, err)
			}
		}
		if err := test.s.Remove(t.Context(), test.name); err != nil {
			t.Errorf("remove without the key: %v", err)
		}
		if err := write(t, s, "under-key", content(100)); err != nil {
			t.Fatal(err)
		}
		if test.name == "plain" {
			break
		}
	}
}

// TestLies: answers about another range, with another length or with other
// conditions are errors, not data.
func TestLies(t *testing.T) {
	f := newFixture(t)
	lies := map[string]func(*http.Response){
		"another range": func(r *http.Response) { r.Header.Set("Content-Range", "bytes 1-10/100") },
		"no range":      func(r *http.Response) { r.Header.Del("Content-Range") },
		"a shorter length": func(r *http.Response) {
			r.Header.Set("Content-Length", "5")
		},
		"another key": func(r *http.Response) { r.Header.Set("x-ms-encryption-key-sha256", *cpk(9).EncryptionKeySHA256) },
	}
	for what, lie := range lies {
		opts := f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			answer, err := next.RoundTrip(r)
			if err == nil && r.Method == http.MethodGet {
				lie(answer)
			}
			return answer, err
		}, -1)
		s := f.sink(t, &datasink.Options{ClientOptions: opts, Mode: datasink.CPK, DEK: newDEK(t)})
		if err := write(t, s, "a", content(100)); err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(t, s, "a"); err == nil {
			t.Errorf("%s: %d bytes were read", what, len(got))
		}
	}
	opts := f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err == nil && r.URL.Query().Get("comp") == "list" {
			answer.Body = io.NopCloser(io.MultiReader(strings.NewReader("<a>"), endless{}))
		}
		return answer, err
	}, -1)
	s := f.sink(t, &datasink.Options{ClientOptions: opts, Mode: datasink.SSE})
	for item, err := range s.List(t.Context()) {
		if err == nil {
			t.Errorf("an endless listing gave %q", item.Name)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestRemedies: a missing container and a missing role come with what to do.
func TestRemedies(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		who    identity
		code   string
		remedy string
	}{{owner, "ContainerNotFound", "CreateContainer"}, {stranger, "AuthorizationPermissionMismatch", "Storage Blob Data Contributor"}} {
		s, err := datasink.New("https://"+blobHost+"/none", test.who, &datasink.Options{ClientOptions: f.options(), Mode: datasink.CPK, DEK: newDEK(t)})
		if err != nil {
			t.Fatal(err)
		}
		err = write(t, s, "a", nil)
		if errors.Is(err, fs.ErrNotExist) || err == nil || !strings.Contains(err.Error(), test.code) || !strings.Contains(err.Error(), test.remedy) {
			t.Errorf("got %v, want code %s and remedy %s", err, test.code, test.remedy)
		}
	}
}
