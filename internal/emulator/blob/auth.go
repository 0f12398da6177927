package blob

import (
	"net/http"
	"strings"
)

// Audience is what an access token for blob data must be made out to.
const Audience = "https://storage.azure.com"

// authorize is asked before anything else is looked at, so that a stranger
// does not learn which containers exist.
func (s *Server) authorize(c *call) error {
	token, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return s.challenge(c, "NoAuthenticationInformation", "Server failed to authenticate the request: no bearer token.")
	}
	if s.verify == nil {
		return s.challenge(c, "InvalidAuthenticationInfo", "This server accepts no token.")
	}
	_, clientID, err := s.verify(token, Audience)
	if err != nil {
		return s.challenge(c, "InvalidAuthenticationInfo", "Server failed to authenticate the request: "+err.Error())
	}
	action := Write
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		action = Read
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.grants[grant{c.account, clientID, action}] {
		return failure(http.StatusForbidden, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
	}
	return nil
}

func (s *Server) challenge(c *call, code, message string) error {
	c.w.Header().Set("WWW-Authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize resource_id="+Audience)
	return failure(http.StatusUnauthorized, code, message)
}
