package sidecar

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// ErrUnknownClient is that of a client id that the identity sidecar was not set
// up with.
var ErrUnknownClient = errors.New("not configured")

// Identity emulates the identity sidecar: tokens of the room's identities on
// GET /metadata/identity/oauth2/token by scope, and on GET and POST
// /metadata/identity/{tenant}/{client}/oauth2/token by resource. As the genuine
// one it makes a new credential for every call, so that nothing is kept, and
// tells every failure as a 500. It is an [http.Handler].
type Identity struct {
	credential func(tenantID, clientID string) (azcore.TokenCredential, error)
	mux        *http.ServeMux
}

// NewIdentity makes a sidecar; credential fails with [ErrUnknownClient].
func NewIdentity(credential func(tenantID, clientID string) (azcore.TokenCredential, error)) *Identity {
	s := &Identity{credential: credential, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /metadata/identity/oauth2/token", s.byScope)
	s.mux.HandleFunc("GET /metadata/identity/{tenant}/{client}/oauth2/token", s.byResource)
	s.mux.HandleFunc("POST /metadata/identity/{tenant}/{client}/oauth2/token", s.byResource)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	s.mux.ServeHTTP(w, r)
}

func (s *Identity) byScope(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var absent []string
	for _, name := range []string{"scope", "tenantId"} {
		if q.Get(name) == "" {
			absent = append(absent, name)
		}
	}
	if absent != nil {
		missing(w, absent...)
		return
	}
	token, ok := s.token(w, r, q.Get("tenantId"), q.Get("clientId"), q.Get("scope"))
	if !ok {
		return
	}
	answer := map[string]any{"token": token.Token, "expiresOn": token.ExpiresOn.UTC().Format("2006-01-02T15:04:05-07:00"), "tokenType": nil}
	if !token.RefreshOn.IsZero() {
		answer["refreshOn"] = token.RefreshOn.UTC().Format("2006-01-02T15:04:05-07:00")
	}
	objects(w, http.StatusOK, answer)
}

func (s *Identity) byResource(w http.ResponseWriter, r *http.Request) {
	resource := r.FormValue("resource")
	if resource == "" {
		missing(w, "resource")
		return
	}
	token, ok := s.token(w, r, r.PathValue("tenant"), r.PathValue("client"), resource+"/.default")
	if !ok {
		return
	}
	objects(w, http.StatusOK, map[string]any{
		"access_token": token.Token, "refresh_token": "", "expires_in": int64(time.Until(token.ExpiresOn).Seconds()), "expires_on": token.ExpiresOn.Unix(),
	})
}

func (s *Identity) token(w http.ResponseWriter, r *http.Request, tenantID, clientID, scope string) (azcore.AccessToken, bool) {
	cred, err := s.credential(tenantID, clientID)
	if errors.Is(err, ErrUnknownClient) {
		exception(w, "InvalidClientId", "Invalid client ID specified: "+clientID)
		return azcore.AccessToken{}, false
	}
	var token azcore.AccessToken
	if err == nil {
		token, err = cred.GetToken(r.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
	}
	if err != nil {
		exception(w, "MsalServiceException", entraText(err))
		return azcore.AccessToken{}, false
	}
	return token, true
}

// entraText is what Microsoft Entra said, which is all that the sidecar tells.
func entraText(err error) string {
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse == nil {
		return err.Error()
	}
	var doc struct {
		Description string `json:"error_description"`
	}
	if body, err := runtime.Payload(failed.RawResponse); err == nil && json.Unmarshal(body, &doc) == nil && doc.Description != "" {
		return doc.Description
	}
	return err.Error()
}
