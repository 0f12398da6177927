package governance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxBody bounds every answer: the largest that the service sends is a
// contract or a deployment template, far below this.
const maxBody = 8 << 20

// call is one request. Its path and query are sent as they stand, because the
// service does not decode them; build them from checked ids only.
type call struct {
	op          string // for errors: "read contract collab1"
	method      string
	path        string
	query       string
	body        []byte
	contentType string
	// once forbids retries, for questions where a 503 is an answer.
	once bool
}

// answer is a 2xx answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	// repeated says that an earlier attempt may have been executed.
	repeated bool
}

func (c call) withJSON(v any) (call, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return c, fmt.Errorf("governance: %s: %w", c.op, err)
	}
	c.body, c.contentType = b, "application/json"
	return c, nil
}

// do sends the call, again where that can help. Every other status than 2xx is
// a *ServiceError.
func (w *wire) do(ctx context.Context, c call) (*answer, error) {
	var repeated bool
	for number := 1; ; number++ {
		r, a := w.ask(ctx, c, number, repeated)
		if a != nil {
			return a, nil
		}
		err := r.err(c.op)
		if !r.again || c.once || ctx.Err() != nil {
			return nil, err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Now().Add(r.wait).After(deadline) {
			return nil, fmt.Errorf("%w\n\tcause  no time is left for another attempt: %w", err, context.DeadlineExceeded)
		}
		if perr := w.pause(ctx, r.wait); perr != nil {
			return nil, fmt.Errorf("%w\n\tcause  %w", err, perr)
		}
		repeated = true
	}
}

// ask tries one node after the other until one has an answer about the request.
func (w *wire) ask(ctx context.Context, c call, number int, repeated bool) (*round, *answer) {
	r := &round{}
	for {
		host, left := w.nodes.untried(r.tried)
		if host == "" {
			return r, nil
		}
		start := time.Now()
		a, err := w.send(ctx, c, host, left-1)
		w.logCall(ctx, c, host, number, start, a, err)
		if err == nil {
			a.repeated = repeated
			return nil, a
		}
		var se *ServiceError
		if errors.As(err, &se) {
			se.repeated = repeated
		}
		if ctx.Err() != nil || !elsewhere(c, err) {
			// What the others said no longer matters.
			r = &round{}
			r.failed(host, err, number)
			return r, nil
		}
		r.failed(host, err, number)
		w.nodes.failed(host)
		repeated = true
	}
}

// sendTo sends the call to one node and does not follow where that points.
func (w *wire) sendTo(ctx context.Context, c call, host string, left int) (*answer, error) {
	target := "https://" + host + c.path
	if w.plain {
		target = "http://" + host + c.path
	}
	if c.query != "" {
		target += "?" + c.query
	}
	if w.pin != nil {
		pinning, release := connecting(ctx, left)
		err := w.pin.ready(pinning, c.op, host)
		release()
		if err != nil {
			return nil, err
		}
	}
	limited, release := connecting(ctx, left)
	defer release()
	req, err := http.NewRequestWithContext(limited, c.method, target, bytes.NewReader(c.body))
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", c.op, err)
	}
	if c.body == nil {
		req.Body, req.GetBody = http.NoBody, nil
	}
	if c.contentType != "" {
		req.Header.Set("Content-Type", c.contentType)
	}
	if w.authorize != nil {
		if err := w.authorize(ctx, req); err != nil {
			return nil, fmt.Errorf("governance: %s: %w", c.op, err)
		}
	}
	traced, end := w.tracer.Request(req.Context(), c.method, host, c.op)
	resp, err := w.http.Do(req.WithContext(traced))
	if err != nil {
		end(0, err)
	} else {
		end(resp.StatusCode, nil)
	}
	if err != nil {
		if ctx.Err() == nil && limited.Err() != nil {
			err = context.Cause(limited)
		}
		return nil, newConnectionError(c.op, host, err)
	}
	defer resp.Body.Close()
	body, err := readBounded(resp.Body, maxBody)
	if errors.Is(err, errTooLong) {
		return nil, fmt.Errorf("governance: %s: %s: the answer is longer than %d bytes", c.op, host, maxBody)
	}
	if err != nil {
		return nil, newConnectionError(c.op, host, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, newServiceError(c.op, resp, body)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// json reads the answer as JSON into v.
func (a *answer) json(op string, v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("governance: %s: the answer is not what the service sends: %w", op, err)
	}
	return nil
}

// get sends a call without body and reads its JSON answer.
func (w *wire) get(ctx context.Context, op, path string, v any) error {
	return w.read(ctx, call{op: op, method: http.MethodGet, path: path}, v)
}

// post is the read form of this generation: POST without a body.
func (w *wire) post(ctx context.Context, op, path string, v any) error {
	return w.read(ctx, call{op: op, method: http.MethodPost, path: path}, v)
}

func (w *wire) read(ctx context.Context, c call, v any) error {
	a, err := w.do(ctx, c)
	if err != nil {
		return err
	}
	return a.json(c.op, v)
}

// reader is read or readCommitted.
type reader func(context.Context, call, any) error

var errTooLong = errors.New("too long")

func readBounded(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, errTooLong
	}
	return b, nil
}

// logCall writes what was asked and how it went; never a body, a query or a
// header, since those carry secrets and evidence.
func (w *wire) logCall(ctx context.Context, c call, host string, attempt int, start time.Time, a *answer, err error) {
	status, code := 0, ""
	var se *ServiceError
	switch {
	case a != nil:
		status = a.status
	case errors.As(err, &se):
		status, code = se.StatusCode, se.Code
	}
	w.log.DebugContext(ctx, "governance call", "op", c.op, "method", c.method, "host", host, "path", c.path,
		"attempt", attempt, "status", status, "code", code, "duration", time.Since(start))
}
