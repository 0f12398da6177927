package governance

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cleanroom-go/sdk/internal/check"
)

const (
	// maxAttempts bounds the attempts that get no answer.
	maxAttempts = 5
	// maxBusyAttempts bounds those that are told to come again later. With the
	// delays below they take some 13 seconds: a network elects another primary
	// when the old one was silent for five (election_timeout of CCF), and the
	// election itself may need a second round.
	maxBusyAttempts = 12
	firstDelay      = 50 * time.Millisecond
	maxDelay        = 2 * time.Second
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
	// The server may have written a part of it, for instance the names in a
	// certificate that nobody vouches for.
	s := fmt.Sprintf("governance: %s: %s: %s", e.op, e.host, check.Printable(e.err.Error()))
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
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.fatal = true
		e.remedy = "compare the clock of this machine with that of the service; if it is right, the operator of the service must renew the node's certificate"
	case errors.As(err, &verify):
		e.fatal = true
		e.remedy = "the server is not part of the service whose certificate was given; compare the certificate with the one the operator hands out, through another channel"
	}
	return e
}

// retryAfter says whether another attempt makes sense after err, and when.
// A 4xx is an answer about the request and stays one however often it is sent.
func retryAfter(err error, attempt int) (time.Duration, bool) {
	delay := min(firstDelay<<(attempt-1), maxDelay)
	delay += time.Duration(rand.Int64N(int64(delay)/4 + 1))
	var ce *connectionError
	if errors.As(err, &ce) {
		return delay, !ce.fatal && attempt < maxAttempts
	}
	var se *ServiceError
	if !errors.As(err, &se) {
		return 0, false
	}
	if se.transient {
		return delay, attempt < maxBusyAttempts
	}
	switch se.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if se.retryAfter <= maxDelay {
			return max(delay, se.retryAfter), attempt < maxBusyAttempts
		}
		// Whoever names a long wait says that this is not soon over.
		return min(se.retryAfter, maxRetryAfter), attempt < maxAttempts
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
