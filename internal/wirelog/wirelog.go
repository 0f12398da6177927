// Package wirelog watches HTTP exchanges without their secrets. Of a body it
// keeps the shape alone: names and kinds, never a value. So nothing that a
// service or this module puts into a body can reach a log through it.
package wirelog

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxShaped is the largest body of which a shape is made; a longer one is
// passed through untouched.
const maxShaped = 1 << 20

// shownQuery are the query parameters whose values are shown.
var shownQuery = []string{"api-version", "comp", "restype", "prefix", "transaction_id", "from_seqno", "to_seqno"}

// Exchange is one request and its answer.
type Exchange struct {
	Method, Host, Path string
	// Request and Response are shapes such as {"value":string(344)}; empty
	// for no body, and a size for a body that is not JSON.
	Request, Response string
	// Status is 0 when no answer came; Err says why.
	Status   int
	Err      error
	Start    time.Time
	Duration time.Duration
	// Sent and Received are the sizes of the bodies as their senders declare
	// them; negative where they do not.
	Sent, Received int64
	// NewConnection is true when the exchange opened a connection.
	NewConnection bool
}

// String is the exchange on one line.
func (e Exchange) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%s", e.Method, e.Host, e.Path)
	if e.Request != "" {
		b.WriteString(" " + e.Request)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, " -> failed: %v", e.Err)
	} else {
		fmt.Fprintf(&b, " -> %d", e.Status)
	}
	if e.Response != "" {
		b.WriteString(" " + e.Response)
	}
	fmt.Fprintf(&b, " (%s", e.Duration.Round(100*time.Microsecond))
	if e.NewConnection {
		b.WriteString(", new connection")
	}
	b.WriteString(")")
	return b.String()
}

// Log counts exchanges and hands each to a function.
type Log struct {
	mu          sync.Mutex
	exchanges   int
	connections map[string]int
	emit        func(Exchange)
}

// New makes a log. emit may be nil, to count only; it is called from several
// goroutines, one call at a time.
func New(emit func(Exchange)) *Log {
	return &Log{emit: emit, connections: map[string]int{}}
}

// Count is the number of exchanges so far.
func (l *Log) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.exchanges
}

// Connections is the number of connections opened so far, by host.
func (l *Log) Connections() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(map[string]int, len(l.connections))
	for host, n := range l.connections {
		c[host] = n
	}
	return c
}

// Wrap watches what goes through base.
func (l *Log) Wrap(base http.RoundTripper) http.RoundTripper { return &roundTripper{l, base} }

type roundTripper struct {
	log  *Log
	base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.log.Observe(req, t.base.RoundTrip)
}

// Observe watches one exchange: send is called once, with a request that says
// the same and must be sent instead of req.
func (l *Log) Observe(req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	e := Exchange{Method: req.Method, Host: req.URL.Host, Path: path(req), Start: time.Now(), Sent: max(req.ContentLength, -1), Received: -1}
	if req.Body == nil || req.Body == http.NoBody {
		e.Sent = 0
	}
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { e.NewConnection = !info.Reused }}
	out := req.Clone(httptrace.WithClientTrace(req.Context(), trace))
	var err error
	if l.emit != nil {
		if e.Request, out.Body, err = shape(req.Header, req.ContentLength, req.Body); err != nil {
			e.Err = err
			l.add(e)
			return nil, err
		}
	}
	resp, err := send(out)
	e.Duration, e.Err = time.Since(e.Start), err
	if err == nil {
		e.Status, e.Received = resp.StatusCode, max(resp.ContentLength, -1)
		if l.emit != nil {
			if e.Response, resp.Body, err = shape(resp.Header, resp.ContentLength, resp.Body); err != nil {
				e.Err = err
				resp = nil
			}
		}
	}
	l.add(e)
	return resp, err
}

func (l *Log) add(e Exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exchanges++
	if e.NewConnection {
		l.connections[e.Host]++
	}
	if l.emit != nil {
		l.emit(e)
	}
}

// path is the path with the names of all and the values of a few query
// parameters.
func path(req *http.Request) string {
	p := req.URL.EscapedPath()
	if p == "" {
		p = "/"
	}
	var terms []string
	for _, term := range strings.Split(req.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(term, "=")
		switch {
		case name == "":
		case slices.Contains(shownQuery, name):
			terms = append(terms, term)
		default:
			terms = append(terms, name+"=...")
		}
	}
	if len(terms) == 0 {
		return p
	}
	return p + "?" + strings.Join(terms, "&")
}

// shape describes a body and gives it back to be read again.
func shape(h http.Header, length int64, body io.ReadCloser) (string, io.ReadCloser, error) {
	if body == nil || body == http.NoBody || length == 0 {
		return "", body, nil
	}
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if !strings.HasSuffix(kind, "json") || length > maxShaped {
		if length < 0 {
			return "(" + kind + ")", body, nil
		}
		return fmt.Sprintf("(%s, %d bytes)", kind, length), body, nil
	}
	head, err := io.ReadAll(io.LimitReader(body, maxShaped+1))
	if err != nil {
		_ = body.Close() // the read error is the one to report
		return "", nil, err
	}
	again := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), body), body}
	if len(head) > maxShaped {
		return "(json, long)", again, nil
	}
	return Shape(head), again, nil
}
