package record

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/internal/wirelog"
)

// Recorder writes the record of one process. It may be used by several
// goroutines.
type Recorder struct {
	party string
	most  int
	wire  *wirelog.Log

	mu               sync.Mutex
	w                io.Writer
	exchanges, facts int
	omitted          int
	closed           bool
	err              error
}

var _ policy.Policy = (*Recorder)(nil)

// Options are the options of [New]. nil works.
type Options struct {
	// MaxEntries bounds the exchanges of a record, and the facts as well; what
	// comes after is counted only. Zero means 10,000 of each.
	MaxEntries int
}

// New makes a recorder that writes JSON lines to w, each in one call of Write.
// party names who acts in this process.
func New(party string, w io.Writer, opts *Options) *Recorder {
	r := &Recorder{party: party, w: w, most: 10_000}
	if opts != nil && opts.MaxEntries > 0 {
		r.most = opts.MaxEntries
	}
	r.wire = wirelog.New(r.exchange)
	return r
}

// Wrap records what goes through base, for clients that take an
// [http.RoundTripper]. Requests and answers pass unchanged.
func (r *Recorder) Wrap(base http.RoundTripper) http.RoundTripper {
	if r == nil {
		return base
	}
	return r.wire.Wrap(base)
}

// Do records a request of an Azure client. Among the PerRetryPolicies of its
// options each attempt is an exchange.
func (r *Recorder) Do(req *policy.Request) (*http.Response, error) {
	if r == nil {
		return req.Next()
	}
	resp, err := r.wire.Observe(req.Raw(), func(out *http.Request) (*http.Response, error) {
		next := req.Clone(out.Context())
		next.Raw().Body = out.Body
		return next.Next()
	})
	if resp == nil && err == nil {
		err = errors.New("record: the client's transport gave neither an answer nor an error")
	}
	return resp, err
}

// Add writes a fact. Its party is the recorder's, and its time now unless it
// is set. Texts are kept up to 2,000 bytes, names up to 200, and the checks of a
// verdict up to 24,000, those that did not pass first.
func (r *Recorder) Add(e Entry) {
	if r != nil {
		r.add(e, &r.facts)
	}
}

func (r *Recorder) exchange(x wirelog.Exchange) {
	e := Exchange{
		Method: x.Method, Host: x.Host, Path: x.Path, Request: x.Request, Response: x.Response, Sent: x.Sent, Received: x.Received,
		Status: x.Status, Duration: x.Duration, NewConnection: x.NewConnection,
	}
	if x.Err != nil {
		e.Failure = failure(x.Err)
	}
	r.add(Entry{Time: x.Start, Exchange: &e}, &r.exchanges)
}

func (r *Recorder) add(e Entry, count *int) {
	e.Party = r.party
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC()
	e.bound()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if *count++; *count > r.most {
		r.omitted++
		return
	}
	r.write(e)
}

func (r *Recorder) write(e Entry) {
	if r.err != nil {
		return
	}
	var line bytes.Buffer
	to := json.NewEncoder(&line)
	to.SetEscapeHTML(false) // a record is no page, and its lines stay short
	err := to.Encode(e)
	if err == nil {
		_, err = r.w.Write(line.Bytes())
	}
	if err != nil {
		r.err = fmt.Errorf("record: write the record of the %s: %w; the run itself goes on", r.party, err)
	}
}

// Close ends the record with the number of entries that were left out, if any,
// and returns the first error of the writer, which it does not close. What is
// recorded afterwards is lost.
func (r *Recorder) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed && r.omitted > 0 {
		r.write(Entry{Time: time.Now().UTC(), Party: r.party, Omitted: r.omitted})
	}
	r.closed = true
	return r.err
}

// failure is the kind of an error. Its text may have the whole address in it,
// and with that a signature.
func failure(err error) string {
	var (
		timeout     net.Error
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		connection  *net.OpError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &name):
		return "name"
	case errors.As(err, &certificate):
		return "certificate"
	case errors.As(err, &connection), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection"
	}
	return "failed"
}
