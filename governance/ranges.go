package governance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// rangeReader reads a historical range page by page. The service answers 202
// while it fetches the range from its ledger.
type rangeReader struct {
	wire *wire
	call call // path; the query is made of the rest
	// fixed is the part of the query that each page repeats, without "&".
	fixed    []string
	from, to int64
	pageSize int64
}

// maxFetch bounds the wait for one page or receipt, whatever the context allows.
const maxFetch = time.Minute

func (r *rangeReader) query() string {
	q := make([]string, 0, 5)
	if r.from > 0 {
		q = append(q, "from_seqno="+strconv.FormatInt(r.from, 10))
	}
	if r.to > 0 {
		q = append(q, "to_seqno="+strconv.FormatInt(r.to, 10))
	}
	q = append(q, r.fixed...)
	if r.pageSize > 0 {
		q = append(q, "max_seqno_per_page="+strconv.FormatInt(r.pageSize, 10))
	}
	return strings.Join(q, "&")
}

// latest asks for the last entry alone, which needs no range.
func (r *rangeReader) latest() call {
	c := r.call
	c.query = strings.Join(r.fixed, "&")
	return c
}

// page reads the current page into v.
func (r *rangeReader) page(ctx context.Context, v any) error {
	c := r.call
	c.query = r.query()
	a, err := r.wire.fetched(ctx, c)
	if err != nil {
		return err
	}
	return a.json(c.op, v)
}

// fetched asks until the service has fetched from its ledger what the call is
// about, which it answers 202 before.
func (w *wire) fetched(ctx context.Context, c call) (*answer, error) {
	// The service says "a second" whatever it knows, and is usually ready after
	// a few milliseconds: ask early, then at the pace it names.
	b := newBackoff(w.poll)
	start, paused := time.Now(), time.Duration(0)
	for {
		a, err := w.do(ctx, c)
		switch {
		case err == nil && a.status != http.StatusAccepted:
			return a, nil
		case err == nil:
			if after := parseRetryAfter(a.header, time.Now()); after > 0 {
				b.ceiling = min(after, maxRetryAfter)
			}
			err = fmt.Errorf("governance: %s: the service is still fetching it from its ledger", c.op)
		case !endNotCommitted(err):
			return nil, err
		}
		d := b.step()
		if paused += d; max(paused, time.Since(start)) > maxFetch {
			return nil, err
		}
		if perr := w.pause(ctx, d); perr != nil {
			return nil, fmt.Errorf("%w: %w", err, perr)
		}
	}
}

// endNotCommitted recognises a range that ends at a write which is not
// committed yet: the service throws instead of answering 202.
func endNotCommitted(err error) bool {
	var se *ServiceError
	return errors.As(err, &se) && se.Code == "InternalError" && se.mentions("End of range must be committed")
}

// next takes the bounds of the next page out of the link. It follows nothing
// else of it, and insists on progress, so that a link cannot lead elsewhere or
// in a circle. An empty link means the end.
func (r *rangeReader) next(link string) (more bool, err error) {
	if link == "" {
		return false, nil
	}
	u, err := url.Parse(link)
	if err != nil || u.Path != r.call.path {
		return false, fmt.Errorf("governance: %s: the next link leads elsewhere", r.call.op)
	}
	from, err1 := seqno(u.Query().Get("from_seqno"))
	to, err2 := seqno(u.Query().Get("to_seqno"))
	if err := errors.Join(err1, err2); err != nil {
		return false, fmt.Errorf("governance: %s: next link: %w", r.call.op, err)
	}
	if from <= r.from || from > to || (r.to > 0 && to > r.to) {
		return false, fmt.Errorf("governance: %s: the next link makes no progress", r.call.op)
	}
	r.from, r.to = from, to
	return true, nil
}

func seqno(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no sequence number", cut(s, 40))
	}
	return n, nil
}
