package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// tokenLifetime is what the service gives managed identities and applications
// by default, in whole seconds one less than an hour.
const tokenLifetime = 3599 * time.Second

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// serveToken is the client credentials grant.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request, tenantID string) error {
	r.Body = http.MaxBytesReader(w, r.Body, wire.MaxBody)
	if err := r.ParseForm(); err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", 9000410, "Malformed form: %v", err)
	}
	clientID := r.PostForm.Get("client_id")
	if clientID == "" {
		return missing("client_id")
	}
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "client_credentials":
	case "":
		return missing("grant_type")
	default:
		return refuse(http.StatusBadRequest, "unsupported_grant_type", 70003, "The grant type '%s' is not supported.", grant)
	}
	audience, err := audience(r.PostForm.Get("scope"))
	if err != nil {
		return err
	}
	c, ok := s.lookup(tenantID, clientID)
	if !ok {
		return refuse(http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory '%s'.", clientID, tenantID)
	}
	if err := s.authenticate(r, c); err != nil {
		return err
	}
	token, err := s.issue(tenantID, clientID, audience)
	if err != nil {
		return err
	}
	wire.JSON(w, http.StatusOK, map[string]any{
		"token_type":     "Bearer",
		"expires_in":     int(tokenLifetime.Seconds()),
		"ext_expires_in": int(tokenLifetime.Seconds()),
		"access_token":   token,
	})
	return nil
}

func missing(parameter string) error {
	return refuse(http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: '%s'.", parameter)
}

// audience is the resource of the one scope that ends in /.default. Clients add
// the OpenID scopes, which mean nothing in this grant.
func audience(scope string) (string, error) {
	var found []string
	for _, s := range strings.Fields(scope) {
		if resource, ok := strings.CutSuffix(s, "/.default"); ok && resource != "" {
			found = append(found, resource)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", refuse(http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope '%s' is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.", scope)
	}
	return "", refuse(http.StatusBadRequest, "invalid_scope", 70011, "The provided value for scope '%s' names more than one resource.", scope)
}

func (s *Server) authenticate(r *http.Request, c client) error {
	assertion, secret := r.PostForm.Get("client_assertion"), r.PostForm.Get("client_secret")
	switch {
	case assertion != "" && secret != "":
		return refuse(http.StatusBadRequest, "invalid_request", 90023, "A request must not authenticate with both 'client_assertion' and 'client_secret'.")
	case assertion != "":
		if t := r.PostForm.Get("client_assertion_type"); t != assertionType {
			return refuse(http.StatusBadRequest, "invalid_request", 90023, "The client assertion type '%s' is not supported.", t)
		}
		return s.checkAssertion(r.Context(), c, assertion)
	case secret == "":
		return invalidClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case !c.hasSecret(secret):
		return invalidClient(7000215, "Invalid client secret provided. The value itself must be sent, not the id of the secret.")
	}
	return nil
}

// checkAssertion accepts the assertion of a federated issuer. Only documents of
// a registered issuer are ever fetched. The algorithm may be PS256 although the
// issuer labels its key RS256: CCF signs so, and the service accepts it.
func (s *Server) checkAssertion(ctx context.Context, c client, raw string) error {
	t, err := wire.ParseToken(raw, jose.RS256, jose.PS256)
	if err != nil {
		return invalidClient(50027, "JWT token is invalid or malformed: %v", err)
	}
	issuer, subject, audience := t.Text("iss"), t.Text("sub"), t.Text("aud")
	if err := c.match(issuer, subject, audience); err != nil {
		return err
	}
	keys, err := wire.Discover(ctx, s.http, issuer)
	if err != nil {
		return invalidClient(50166, "Request to external OIDC endpoint failed: %v", err)
	}
	if err := t.Verify(keys); err != nil {
		return invalidClient(700027, "The client assertion failed signature validation: %v", err)
	}
	if err := t.CheckTimes(s.now()); err != nil {
		return invalidClient(700024, "Client assertion is not within its valid time range: %v", err)
	}
	return nil
}

// match finds a federated credential, and says which of the three values kept
// the nearest one from matching.
func (c client) match(issuer, subject, audience string) error {
	if len(c.federations) == 0 {
		return invalidClient(70021, "No matching federated identity record found for presented assertion: the application has none.")
	}
	issuerKnown, subjectKnown := false, false
	for _, f := range c.federations {
		if f.issuer != issuer {
			continue
		}
		issuerKnown = true
		if f.subject != subject {
			continue
		}
		subjectKnown = true
		if f.audience == audience {
			return nil
		}
	}
	switch {
	case !issuerKnown:
		return invalidClient(700211, "No matching federated identity record found for presented assertion issuer '%s'.", issuer)
	case !subjectKnown:
		return invalidClient(700213, "No matching federated identity record found for presented assertion subject '%s'.", subject)
	}
	return invalidClient(700212, "No matching federated identity record found for presented assertion audience '%s'.", audience)
}

// claims of an access token, version 1.0.
type claims struct {
	Audience  string `json:"aud"`
	Issuer    string `json:"iss"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	AppID     string `json:"appid"`
	ObjectID  string `json:"oid"`
	Subject   string `json:"sub"`
	TenantID  string `json:"tid"`
	Version   string `json:"ver"`
}

func tokenIssuer(tenantID string) string { return "https://sts.windows.net/" + tenantID + "/" }

func (s *Server) issue(tenantID, clientID, audience string) (string, error) {
	now := s.now()
	oid := objectID(tenantID, clientID)
	return wire.Sign(s.key, s.kid, nil, claims{
		Audience: audience,
		Issuer:   tokenIssuer(tenantID),
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(tokenLifetime).Unix(),
		AppID: clientID, ObjectID: oid, Subject: oid, TenantID: tenantID,
		Version: "1.0",
	})
}

// ErrAudience is the cause of [Server.Verify] for a token of another audience.
var ErrAudience = errors.New("token is for another audience")

// Verify accepts an access token that this authority issued for the audience
// and that has not expired. A trailing slash of either audience is ignored.
func (s *Server) Verify(token, audience string) (Principal, error) {
	p, err := s.verify(token, audience)
	if err != nil {
		return Principal{}, fmt.Errorf("entra: verify access token: %w", err)
	}
	return p, nil
}

func (s *Server) verify(token, audience string) (Principal, error) {
	t, err := wire.ParseToken(token, jose.RS256)
	if err != nil {
		return Principal{}, err
	}
	if err := t.Verify(wire.Keys{s.kid: &s.key.PublicKey}); err != nil {
		return Principal{}, err
	}
	if err := t.CheckTimes(s.now()); err != nil {
		return Principal{}, err
	}
	if got := t.Text("aud"); strings.TrimSuffix(got, "/") != strings.TrimSuffix(audience, "/") {
		return Principal{}, fmt.Errorf("%w: %s, not %s", ErrAudience, got, audience)
	}
	return Principal{TenantID: t.Text("tid"), ClientID: t.Text("appid"), ObjectID: t.Text("oid")}, nil
}
