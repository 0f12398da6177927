// Package blob emulates Azure Blob Storage.
package blob

import "net/http"

// Options of a [Server].
type Options struct {
	// Verify checks a bearer token for the audience and says whose it is.
	// Nil refuses every token.
	Verify func(token, audience string) (tenantID, clientID string, err error)
}

// Role is what a client may do on an account's data.
type Role string

// The built-in roles on blob data that are emulated.
const (
	Reader      Role = "Storage Blob Data Reader"
	Contributor Role = "Storage Blob Data Contributor"
)

// Server serves every account under *.blob.core.windows.net and *.z6.web.core.windows.net.
type Server struct{}

// New makes a server without accounts: an account exists once it is granted.
func New(opts Options) *Server { return &Server{} }

// Grant gives the application a role on the account's data.
func (s *Server) Grant(account, clientID string, role Role) {}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
