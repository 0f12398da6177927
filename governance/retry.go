package governance

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	maxAttempts = 5
	firstDelay  = 50 * time.Millisecond
	maxDelay    = 2 * time.Second
	// maxRetryAfter bounds how long the service can make a caller wait who set
	// no deadline.
	maxRetryAfter = time.Minute
)

// connectionError is a request that got no complete answer. Whether the service
// executed it is unknown.
type connectionError struct {
	op, host string
	err      error
	fatal    bool
	remedy   string
}

func (e *connectionError) Error() string {
	s := fmt.Sprintf("governance: %s: %s: %v", e.op, e.host, e.err)
	if e.remedy != "" {
		s += "\n\tremedy " + e.remedy
	}
	return s
}

func (e *connectionError) Unwrap() error { return e.err }

func newConnectionError(op, host string, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // without the URL, which says the same at length
	}
	e := &connectionError{op: op, host: host, err: err}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		e.fatal = true
		e.remedy = "the server is not part of the service whose certificate was given; compare the certificate with the one the operator hands out, through another channel"
	}
	return e
}

// retryAfter says whether another attempt makes sense after err, and when.
// A 4xx is an answer about the request and stays one however often it is sent.
func retryAfter(err error, attempt int) (time.Duration, bool) {
	if attempt >= maxAttempts {
		return 0, false
	}
	delay := min(firstDelay<<(attempt-1), maxDelay)
	delay += time.Duration(rand.Int64N(int64(delay)/4 + 1))
	var ce *connectionError
	if errors.As(err, &ce) {
		return delay, !ce.fatal
	}
	var se *ServiceError
	if !errors.As(err, &se) {
		return 0, false
	}
	if se.transient {
		return delay, true
	}
	switch se.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if se.retryAfter > 0 {
			delay = min(se.retryAfter, maxRetryAfter)
		}
		return delay, true
	}
	return 0, false
}

// parseRetryAfter reads both forms of the header (RFC 9110, section 10.2.3);
// zero when it is absent or makes no sense.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

// backoff grows from a few milliseconds, because a local service commits at
// once, to a ceiling that is polite towards a real one.
type backoff struct{ next, ceiling time.Duration }

func newBackoff(ceiling time.Duration) *backoff {
	return &backoff{next: min(2*time.Millisecond, ceiling), ceiling: ceiling}
}

func (b *backoff) step() time.Duration {
	d := b.next
	b.next = min(b.next*2, b.ceiling)
	return d
}
