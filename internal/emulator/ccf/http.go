package ccf

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxBody bounds a request body.
const maxBody = 8 << 20

// call is one request on its way through the service.
type call struct {
	*Service
	*http.Request
	tx     *tx
	params []string
	body   []byte
	caller caller
	// message is set for governance messages.
	message *signedMessage
	// committed is what was committed when the request came in.
	committed uint64
	// status of a success; 0 means 200. header goes with any answer.
	status int
	header http.Header
}

// ServeHTTP answers one request. A caller's member certificate is read from
// r.TLS.PeerCertificates, so the listener must ask for client certificates.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // the connection is gone; there is nobody to tell
	}
	c := &call{Service: s, Request: r, body: body, header: w.Header()}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.serve(c)
	if err != nil {
		s.writeError(w, c, err)
		return
	}
	writeAnswer(w, c, answer)
}

func (s *Service) serve(c *call) (any, error) {
	if len(c.body) > maxBody {
		return nil, failure(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "The request body is larger than "+strconv.Itoa(maxBody)+" bytes.")
	}
	c.committed = s.store.committed
	s.store.sign()
	c.tx = s.store.begin()
	path := c.URL.EscapedPath()
	if strings.HasPrefix(path, "/app/") && !isOpen(c.tx) {
		return nil, failure(http.StatusNotFound, "FrontendNotOpen", "Frontend is not open.")
	}
	rt, params, notFound := s.router.find(c.Method, path)
	if notFound != nil {
		return nil, notFound
	}
	c.params = params
	if err := c.admit(rt); err != nil {
		return nil, err
	}
	answer, err := rt.handle(c)
	if err != nil {
		return nil, err
	}
	c.tx.commit()
	if !rt.node {
		c.header.Set("x-ms-ccf-transaction-id", transactionID(s.store.seqno))
	}
	return answer, nil
}

// admit checks the api-version and the caller.
func (c *call) admit(rt *route) error {
	if strings.HasPrefix(rt.path, "/gov/members/") || strings.HasPrefix(rt.path, "/gov/service/") {
		if err := c.checkVersion(); err != nil {
			return err
		}
	}
	if rt.signed != "" {
		return c.authenticateSigner(rt)
	}
	return c.authenticate(rt)
}

const supportedVersions = "The supported api-versions are: 2023-06-01-preview, 2024-07-01"

func (c *call) checkVersion() error {
	v, ok := c.query("api-version")
	switch {
	case !ok:
		return badRequest("MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for this request. "+supportedVersions)
	case v != "2024-07-01":
		// The preview is named in the text, as the node names it, but the
		// shapes of its answers are not emulated.
		return badRequest("UnsupportedApiVersionValue", "Unsupported api-version '"+v+"'. "+supportedVersions)
	}
	return nil
}

// query reads a parameter as the application does: split on & and =, nothing
// decoded, text after a second = lost, the last one of a name wins.
func (c *call) query(name string) (string, bool) {
	value, found := "", false
	for part := range strings.SplitSeq(c.URL.RawQuery, "&") {
		fields := strings.Split(part, "=")
		if fields[0] == name && len(fields) > 1 {
			value, found = fields[1], true
		}
	}
	return value, found
}

// json parses the body where the script needs one.
func (c *call) json() (any, error) {
	v, err := parseJSON(c.body)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, throw("TypeError: cannot read property of null")
	}
	return v, nil
}

func writeAnswer(w http.ResponseWriter, c *call, answer any) {
	status := c.status
	if status == 0 {
		status = http.StatusOK
	}
	switch a := answer.(type) {
	case nil:
		w.WriteHeader(status)
	case text:
		if a.contentType == "" {
			w.Header()["Content-Type"] = nil // keep net/http from guessing
		} else {
			w.Header().Set("Content-Type", a.contentType)
		}
		write(w, status, a.body)
	default:
		b, err := encodeJSON(a)
		if err != nil {
			panic("ccf: internal error: " + err.Error())
		}
		w.Header().Set("Content-Type", "application/json")
		write(w, status, b)
	}
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is no matter of ours
}

func (s *Service) writeError(w http.ResponseWriter, c *call, err error) {
	var e *apiError
	if !errors.As(err, &e) {
		e = failure(http.StatusInternalServerError, "InternalError", "Exception thrown while executing.")
		if c.tx != nil && returnsExceptions(c.tx) {
			e.details = []any{obj("code", "JSException", "message", err.Error(), "trace", "")}
		}
	}
	if e.challenge != "" {
		w.Header().Set("WWW-Authenticate", e.challenge)
	}
	if e.allow != "" {
		w.Header().Set("Allow", e.allow)
	}
	b, jsonErr := encodeJSON(e.body())
	if jsonErr != nil {
		panic("ccf: internal error: " + jsonErr.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	write(w, e.status, b)
}
