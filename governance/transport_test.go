package governance_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// roundTrip is a RoundTripper made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// beforeCall runs do before the nth call to a path with the suffix.
func beforeCall(suffix string, n int64, do func()) func(http.RoundTripper) http.RoundTripper {
	var calls atomic.Int64
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, suffix) && calls.Add(1) == n {
				do()
			}
			return next.RoundTrip(r)
		})
	}
}

// recorder keeps the answers of one client, to give them to another.
type recorder struct{ answers [][]byte }

func (r *recorder) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		r.answers = append(r.answers, body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		return resp, nil
	})
}

func (r *recorder) replay(http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		body := r.answers[0]
		r.answers = r.answers[1:]
		return respond(req, http.StatusOK, nil, string(body)), nil
	})
}

// respond is an answer as a transport gives it.
func respond(r *http.Request, status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}
