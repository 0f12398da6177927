package governance_test

import (
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
