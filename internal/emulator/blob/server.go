package blob

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a [Server].
type Options struct {
	// Verify checks a bearer token for an audience and says whose it is.
	// Nil refuses every token.
	Verify func(token, audience string) (tenantID, clientID string, err error)
}

// The actions of [Server.Grant], after the data actions of the built-in roles
// Storage Blob Data Reader and Contributor.
const (
	Read  = "read"
	Write = "write"
)

// blobSuffix is the domain below which accounts have their blob endpoint.
const blobSuffix = ".blob.core.windows.net"

var webHost = regexp.MustCompile(`^([a-z0-9]+)\.z[0-9]+\.web\.core\.windows\.net$`)

// Server is an [http.Handler] for all accounts; the host of a request selects
// the account. It is safe for concurrent use.
type Server struct {
	verify   func(token, audience string) (tenantID, clientID string, err error)
	sequence atomic.Uint64 // of ETags and request ids

	mu     sync.RWMutex
	grants map[grant]bool
	// containers are keyed by account and name.
	containers map[[2]string]*container
}

type grant struct{ account, clientID, action string }

// New makes a server without containers or grants.
func New(opts Options) *Server {
	return &Server{verify: opts.Verify, grants: map[grant]bool{}, containers: map[[2]string]*container{}}
}

// Grant allows the application the actions [Read] and [Write] on the blobs of
// an account. An action does not imply another.
func (s *Server) Grant(account, clientID string, actions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range actions {
		s.grants[grant{account, clientID, a}] = true
	}
}

// Revoke takes back everything that the application was granted.
func (s *Server) Revoke(account, clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range s.grants {
		if g.account == account && g.clientID == clientID {
			delete(s.grants, g)
		}
	}
}

// call is one request, taken apart.
type call struct {
	w               http.ResponseWriter
	r               *http.Request
	query           url.Values
	account         string
	container, blob string
}

// ServeHTTP answers one request of either endpoint.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if m := webHost.FindStringSubmatch(host); m != nil {
		s.serveWeb(w, r, m[1])
		return
	}
	c := &call{w: w, r: r, query: r.URL.Query()}
	s.stamp(c)
	account, ok := strings.CutSuffix(host, blobSuffix)
	if !ok || account == "" || strings.Contains(account, ".") {
		c.fail(failure(http.StatusBadRequest, "InvalidUri", "no storage account has the host name "+host))
		return
	}
	c.account = account
	if err := s.serveBlob(c); err != nil {
		c.fail(err)
	}
}

var versionFormat = regexp.MustCompile(`^20[0-9]{2}-[01][0-9]-[0-3][0-9]$`)

func (s *Server) serveBlob(c *call) error {
	if v := c.r.Header.Get("x-ms-version"); v != "" && !versionFormat.MatchString(v) {
		return invalidHeader("x-ms-version", "not a date")
	}
	if err := c.splitPath(); err != nil {
		return err
	}
	if err := s.authorize(c); err != nil {
		return err
	}
	route, ok := routes[c.operation()]
	if !ok {
		return failure(http.StatusNotImplemented, "NotEmulated", "this environment does not emulate "+c.operation())
	}
	return route(s, c)
}

// splitPath takes the container and the blob from the escaped path, so that a
// blob name may hold any character.
func (c *call) splitPath() error {
	escaped, blob, hasBlob := strings.Cut(strings.TrimPrefix(c.r.URL.EscapedPath(), "/"), "/")
	var err error
	if c.container, err = url.PathUnescape(escaped); err != nil {
		return failure(http.StatusBadRequest, "InvalidUri", "container name cannot be decoded")
	}
	if c.blob, err = url.PathUnescape(blob); err != nil {
		return failure(http.StatusBadRequest, "InvalidUri", "blob name cannot be decoded")
	}
	if hasBlob && len(c.blob) > 1024 {
		return failure(http.StatusBadRequest, "InvalidUri", "blob name is longer than 1024")
	}
	return nil
}

// operation names the request by its method, what it is about and its comp.
func (c *call) operation() string {
	subject := "account"
	switch {
	case c.blob != "":
		subject = "blob"
	case c.container != "":
		subject = "container"
	}
	op := c.r.Method + " " + subject
	if comp := c.query.Get("comp"); comp != "" {
		op += " " + comp
	}
	if subject == "container" && c.query.Get("restype") != "container" {
		op += " without restype"
	}
	return op
}

var routes = map[string]func(*Server, *call) error{
	"PUT container":      (*Server).createContainer,
	"GET container":      (*Server).containerProperties,
	"HEAD container":     (*Server).containerProperties,
	"DELETE container":   (*Server).deleteContainer,
	"GET container list": (*Server).listBlobs,
	"PUT blob":           (*Server).putBlob,
	"PUT blob block":     (*Server).putBlock,
	"PUT blob blocklist": (*Server).putBlockList,
	"GET blob blocklist": (*Server).getBlockList,
	"PUT blob metadata":  (*Server).setMetadata,
	"GET blob metadata":  (*Server).headBlob,
	"HEAD blob metadata": (*Server).headBlob,
	"GET blob":           (*Server).getBlob,
	"HEAD blob":          (*Server).headBlob,
	"DELETE blob":        (*Server).deleteBlob,
}

// stamp sets the headers that every answer has.
func (s *Server) stamp(c *call) {
	h := c.w.Header()
	h.Set("x-ms-request-id", "local-"+strconv.FormatUint(s.sequence.Add(1), 10))
	h.Set("Server", "Local blob emulator - not Azure")
	for _, name := range []string{"x-ms-version", "x-ms-client-request-id"} {
		if v := c.r.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
}

// stampTime is the resolution of the service's times.
func stampTime() time.Time { return time.Now().UTC().Truncate(time.Second) }
