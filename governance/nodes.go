package governance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxRedirects bounds how often one attempt is sent on. One step leads from a
// backup to the primary; more are seen during an election only.
const maxRedirects = 3

// maxConnect is how long a node may take to let a caller in while there are
// others to ask.
var maxConnect = 10 * time.Second

// nodes are the nodes of one service, as host or host:port, and the one that
// the next call goes to: a node that answered is asked again, so that a caller
// reads what it wrote and keeps one connection.
type nodes struct {
	hosts []string

	mu sync.Mutex
	at string // may be one that a redirect named
}

func newNodes(hosts []string) *nodes { return &nodes{hosts: hosts, at: hosts[0]} }

func (n *nodes) current() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.at
}

func (n *nodes) use(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = host
}

// failed lets the next call begin with another node. A call that failed after
// others moved on changes nothing.
func (n *nodes) failed(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at == host {
		n.at = n.hosts[(slices.Index(n.hosts, host)+1)%len(n.hosts)]
	}
}

// untried is the node to ask after the given ones, "" if there is none, and how
// many there are.
func (n *nodes) untried(tried []string) (host string, left int) {
	for _, h := range append([]string{n.current()}, n.hosts...) {
		if slices.Contains(tried, h) || h == host {
			continue
		}
		if left++; host == "" {
			host = h
		}
	}
	return host, left
}

// round is one attempt at each node.
type round struct {
	tried []string
	errs  []error
	wait  time.Duration
	again bool
}

// failed takes note of an attempt that failed, the number'th of its node.
func (r *round) failed(host string, err error, number int) {
	wait, again := retryAfter(err, number)
	r.tried, r.errs = append(r.tried, host), append(r.errs, err)
	r.wait, r.again = max(r.wait, wait), r.again || again
}

// err is why the round failed. What the service answered says most.
func (r *round) err(op string) error {
	if len(r.errs) == 1 {
		return r.errs[0]
	}
	return &nodesError{op, r.errs}
}

// nodesError is a call that no node answered.
type nodesError struct {
	op   string
	errs []error
}

func (e *nodesError) Error() string {
	prefix := "governance: " + e.op + ": "
	s := fmt.Sprintf("%snone of the %d nodes that were asked did it", prefix, len(e.errs))
	for _, err := range e.errs {
		s += "\n\t" + strings.TrimPrefix(err.Error(), prefix)
	}
	return s
}

func (e *nodesError) Unwrap() []error { return e.errs }

// elsewhere says whether another node may do what this one did not. A server
// that is not part of the service was told nothing, so its place in the list
// can be passed over like a dead one's.
func elsewhere(c call, err error) bool {
	var ce *connectionError
	if errors.As(err, &ce) {
		return true
	}
	var se *ServiceError
	if !errors.As(err, &se) || c.once {
		return false
	}
	switch se.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return se.transient
}

// send asks the node, and the one that it names in its place.
func (w *wire) send(ctx context.Context, c call, host string, left int) (*answer, error) {
	for hop := 0; ; hop++ {
		a, err := w.sendTo(ctx, c, host, left)
		target := redirectTarget(c, err)
		if target == "" || w.plain {
			if err == nil {
				w.nodes.use(host)
			}
			return a, err
		}
		if hop == maxRedirects {
			var se *ServiceError
			errors.As(err, &se)
			se.transient = true
			se.Remedy = "the nodes send the call to one another, as they do while they elect a primary; try again later"
			return nil, se
		}
		host = target
	}
}

// redirectTarget is the node that an answer sends the call on to, "" if it is
// none. Nothing but the node is taken from the answer: it must name the same
// resource, and the request that goes there is the one that was meant.
func redirectTarget(c call, err error) string {
	var se *ServiceError
	if !errors.As(err, &se) || (se.StatusCode != http.StatusTemporaryRedirect && se.StatusCode != http.StatusPermanentRedirect) {
		return ""
	}
	u, err := url.Parse(se.location)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return ""
	}
	if u.EscapedPath() != c.path || (u.RawQuery != "" && u.RawQuery != c.query) {
		return ""
	}
	return hostOf(u)
}

var errNoConnection = errors.New("no connection in time, and there are other nodes")

// connecting is a context that ends if no connection was there in time, or in
// the share of the time that the caller left for this node. The returned
// function gives it up.
func connecting(ctx context.Context, left int) (context.Context, func()) {
	if left == 0 {
		return ctx, func() {}
	}
	limit := maxConnect
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/time.Duration(left+1))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(errNoConnection) })
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { timer.Stop() },
	})
	return ctx, func() { timer.Stop(); cancel(nil) }
}
