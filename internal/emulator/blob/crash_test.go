package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/datasink/sealed"
)

// fault is what happens to one request, or from one request on.
type fault struct {
	name string
	// ever says that every later request fails as well: the program's end.
	ever bool
	do   trip
}

var faults = []fault{
	{"ends before the request", true, func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, errLost }},
	{"ends after the request", true, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err == nil {
			answer.Body.Close()
		}
		return nil, errLost
	}},
	{"loses the answer", false, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err == nil {
			answer.Body.Close()
		}
		return nil, errLost
	}},
	{"503", false, status(http.StatusServiceUnavailable, "ServerBusy")},
	{"429", false, status(http.StatusTooManyRequests, "TooManyRequests")},
	{"500", false, status(http.StatusInternalServerError, "InternalError")},
	{"403", false, status(http.StatusForbidden, "AuthorizationPermissionMismatch")},
	{"409", false, status(http.StatusConflict, "BlobImmutableDueToPolicy")},
	{"412", false, status(http.StatusPreconditionFailed, "ConditionNotMet")},
	{"a body that ends early", false, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err == nil {
			answer.Body = &cutBody{answer.Body, 20}
		}
		return answer, err
	}},
	{"the request twice", false, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if r.Body == nil {
			return next.RoundTrip(r)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		again := r.Clone(r.Context())
		r.Body, again.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
		if answer, err := next.RoundTrip(again); err == nil {
			answer.Body.Close()
		}
		return next.RoundTrip(r)
	}},
}

func status(code int, name string) trip {
	return func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			r.Body.Close()
		}
		h := http.Header{"X-Ms-Error-Code": {name}, "Content-Type": {"application/xml"}}
		return &http.Response{StatusCode: code, Header: h, Request: r, Body: io.NopCloser(strings.NewReader("<Error><Code>" + name + "</Code></Error>"))}, nil
	}
}

// cutBody ends after some bytes.
type cutBody struct {
	io.ReadCloser
	left int
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// crash is a container whose n-th request, from 0, meets a fault.
type crash struct {
	f     *fixture
	opts  *datasink.Options
	url   string
	clean *datasink.Sink

	mu    sync.Mutex
	fault fault
	at    int // -1: never
	seen  int
}

func (c *crash) trip(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	n := c.seen
	c.seen++
	hit := c.at >= 0 && (n == c.at || c.fault.ever && n > c.at)
	c.mu.Unlock()
	if hit {
		return c.fault.do(next, r)
	}
	return next.RoundTrip(r)
}

// crashBlock is the least size of a block in mode Sealed, so that blobs of a few
// of them are staged in several blocks in each mode.
const crashBlock = sealed.ChunkSize

func newCrash(t *testing.T, f *fixture, mode datasink.Mode) *crash {
	t.Helper()
	opts := &datasink.Options{Mode: mode, DEK: newDEK(t), ChunkSize: 7000, BlockSize: crashBlock, Streams: 2, Contract: "contract", Datasink: "output"}
	c := &crash{f: f, opts: opts, at: -1}
	c.clean = f.sink(t, opts)
	c.url = c.clean.String()
	return c
}

// sink is one whose requests meet the fault.
func (c *crash) sink(t *testing.T, retries int32) *datasink.Sink {
	t.Helper()
	opts := *c.opts
	opts.ClientOptions = c.f.through(c.trip, retries)
	s, err := datasink.New(c.url, identity(owner), &opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// is says whether the blob is these bytes, with nil that there is none.
func (c *crash) is(t *testing.T, name string, data []byte) bool {
	t.Helper()
	got, err := readAll(t, c.clean, name)
	if errors.Is(err, fs.ErrNotExist) {
		return data == nil
	}
	if err != nil {
		t.Errorf("%s cannot be read: %v", name, err)
	}
	return data != nil && bytes.Equal(got, data)
}

// TestEveryRequestFails runs each operation again and again, with a fault at
// its first request, its second, and so on: whatever happens, the operation
// succeeds or says that it failed, and what is there is the old or the new,
// whole.
func TestEveryRequestFails(t *testing.T) {
	oldData, newData := content(3*crashBlock+5), content(5*crashBlock+9)
	small := content(30)
	f := newFixture(t)
	operations := map[string]struct {
		prepare func(t *testing.T, c *crash)
		run     func(ctx context.Context, t *testing.T, s *datasink.Sink) error
		check   func(t *testing.T, c *crash, err error) bool
	}{
		"write": {
			prepare: func(t *testing.T, c *crash) { mustWrite(t, c.clean, "a", oldData) },
			run: func(_ context.Context, t *testing.T, s *datasink.Sink) error {
				return write(t, s, "a", newData)
			},
			check: func(t *testing.T, c *crash, err error) bool {
				return c.is(t, "a", newData) || err != nil && c.is(t, "a", oldData)
			},
		},
		"rename": {
			prepare: func(t *testing.T, c *crash) {
				mustWrite(t, c.clean, "a", newData)
				if err := c.clean.Remove(t.Context(), "b"); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			},
			run: func(ctx context.Context, _ *testing.T, s *datasink.Sink) error { return s.Rename(ctx, "a", "b") },
			check: func(t *testing.T, c *crash, err error) bool {
				if err == nil {
					return c.is(t, "b", newData) && c.is(t, "a", nil)
				}
				moved, stays := c.is(t, "b", newData), c.is(t, "a", newData)
				return moved || stays && c.is(t, "b", nil)
			},
		},
		"upload": {
			prepare: func(t *testing.T, c *crash) {
				mustWrite(t, c.clean, "x/a", oldData)
				mustWrite(t, c.clean, "x/b", oldData)
			},
			run: func(ctx context.Context, t *testing.T, s *datasink.Sink) error {
				dir := t.TempDir()
				for name, data := range map[string][]byte{"a": newData, "b": small} {
					if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				_, err := s.Upload(ctx, dir, &datasink.UploadDirOptions{Prefix: "x/"})
				return err
			},
			check: func(t *testing.T, c *crash, err error) bool {
				a, b := c.is(t, "x/a", newData), c.is(t, "x/b", small)
				return a && b || err != nil && (a || c.is(t, "x/a", oldData)) && (b || c.is(t, "x/b", oldData))
			},
		},
		"download": {
			prepare: func(t *testing.T, c *crash) {
				mustWrite(t, c.clean, "a", newData)
				mustWrite(t, c.clean, "x/b", small)
				downloadTo = t.TempDir()
			},
			run: func(ctx context.Context, _ *testing.T, s *datasink.Sink) error {
				_, err := s.Download(ctx, downloadTo, nil)
				return err
			},
			check: func(t *testing.T, _ *crash, err error) bool {
				return onDisk(t, "a", newData, err) && onDisk(t, "x/b", small, err) && noRest(t)
			},
		},
		"resumed download": {
			prepare: func(t *testing.T, c *crash) {
				mustWrite(t, c.clean, "a", newData)
				mustWrite(t, c.clean, "x/b", small)
				downloadTo = t.TempDir()
			},
			run: func(ctx context.Context, _ *testing.T, s *datasink.Sink) error {
				_, err := s.Download(ctx, downloadTo, resuming)
				return err
			},
			check: func(t *testing.T, c *crash, err error) bool {
				if !onDisk(t, "a", newData, err) || !onDisk(t, "x/b", small, err) {
					return false
				}
				if err != nil { // the next run goes on
					_, err = c.clean.Download(t.Context(), downloadTo, resuming)
				}
				return err == nil && onDisk(t, "a", newData, nil) && onDisk(t, "x/b", small, nil) && noRest(t)
			},
		},
	}
	ran := 0
	for _, mode := range []datasink.Mode{datasink.Sealed, datasink.CPK, datasink.CSE} {
		for name, operation := range operations {
			for _, fault := range faults {
				for _, retries := range []int32{-1, 2} {
					if mode != datasink.Sealed && (retries > 0 || !fault.ever && fault.name != "loses the answer") {
						continue // what is left differs by the mode, if by anything
					}
					what := fmt.Sprintf("%s in mode %s, %s, retries %d", name, mode, fault.name, retries)
					c := newCrash(t, f, mode)
					c.fault = fault
					for at := 0; ; at++ {
						operation.prepare(t, c)
						c.at, c.seen = at, 0
						err := operation.run(t.Context(), t, c.sink(t, retries))
						var detail *datasink.Error
						if err != nil && (!errors.As(err, &detail) || detail.Op == "" || detail.Sink != c.url) {
							t.Fatalf("%s, at request %d: %v does not say operation and place", what, at, err)
						}
						if !operation.check(t, c, err) {
							t.Fatalf("%s, at request %d: the result is neither old nor new, or success without it; error %v", what, at, err)
						}
						ran++
						if c.seen <= at {
							if err != nil {
								t.Fatalf("%s: no request met the fault, and yet: %v", what, err)
							}
							break
						}
						if at > 60 {
							t.Fatalf("%s: no end", what)
						}
					}
				}
			}
		}
	}
	if ran < 800 {
		t.Errorf("only %d runs", ran)
	}
}

var downloadTo string

var resuming = &datasink.DownloadOptions{Resume: true}

func mustWrite(t *testing.T, s *datasink.Sink, name string, data []byte) {
	t.Helper()
	if err := write(t, s, name, data); err != nil {
		t.Fatal(err)
	}
}

// onDisk says whether the file is whole, or after an error not there.
func onDisk(t *testing.T, name string, data []byte, failed error) bool {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(downloadTo, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return failed != nil
	}
	return err == nil && bytes.Equal(got, data)
}

// noRest says whether there are no temporary files.
func noRest(t *testing.T) bool {
	t.Helper()
	clean := true
	err := filepath.WalkDir(downloadTo, func(path string, entry fs.DirEntry, err error) error {
		clean = clean && !strings.HasPrefix(entry.Name(), ".")
		return err
	})
	return err == nil && clean
}
