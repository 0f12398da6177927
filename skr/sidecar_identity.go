package skr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/cleanroom-go/sdk/internal/check"
)

// SidecarCredentialOptions are the options of [NewSidecarCredential]. The zero
// value is ready.
type SidecarCredentialOptions struct {
	SidecarOptions
	// ManagedIdentityForm asks on the route that imitates the metadata service
	// of a virtual machine, /metadata/identity/{tenant}/{client}/oauth2/token
	// with a resource, and not on /metadata/identity/oauth2/token with a scope.
	// The tokens are the same; older sidecars may have only one of the routes.
	ManagedIdentityForm bool
}

// sidecarCredential is an identity behind the identity sidecar.
type sidecarCredential struct {
	*sidecarClient
	tenantID, clientID string
	managed            bool
	tokens             *tokenKeeper
}

// NewSidecarCredential makes the credential of one of the identities that the
// identity sidecar at endpoint was set up with, [IdentitySidecarURL] if the
// endpoint is empty. A token is kept and asked for once per audience, renewed
// five minutes before it ends or when the sidecar said that it should be, and
// callers that come meanwhile wait for the same answer. It is safe for
// concurrent use.
//
// If Microsoft Entra does not accept the sidecar's assertion, GetToken's error
// is a [*DeniedError] as that of [NewAssertionCredential].
func NewSidecarCredential(endpoint, tenantID, clientID string, opts *SidecarCredentialOptions) (azcore.TokenCredential, error) {
	if endpoint == "" {
		endpoint = IdentitySidecarURL
	}
	if opts == nil {
		opts = &SidecarCredentialOptions{}
	}
	// Without a client the sidecar would use whatever identity it finds.
	if !validDirectoryID(tenantID) || !validDirectoryID(clientID) {
		return nil, errors.New("skr: sidecar credential: tenant or client is no directory id; give their GUIDs")
	}
	c, err := newSidecarClient("identity sidecar", endpoint, &opts.SidecarOptions)
	if err != nil {
		return nil, err
	}
	return &sidecarCredential{
		sidecarClient: c, tenantID: tenantID, clientID: clientID, managed: opts.ManagedIdentityForm, tokens: newTokenKeeper(time.Now),
	}, nil
}

var _ azcore.TokenCredential = (*sidecarCredential)(nil)

// GetToken implements azcore.TokenCredential.
func (c *sidecarCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	op := fmt.Sprintf("skr: token of client %s in tenant %s for %s", c.clientID, c.tenantID, shorten(strings.Join(o.Scopes, " ")))
	switch {
	case len(o.Scopes) != 1 || !strings.HasSuffix(o.Scopes[0], "/.default"):
		return azcore.AccessToken{}, fmt.Errorf("%s: the sidecar gives tokens for one scope that ends in /.default", op)
	case o.TenantID != "" && !strings.EqualFold(o.TenantID, c.tenantID):
		return azcore.AccessToken{}, fmt.Errorf("%s: the service asks for a token of tenant %s; the resource is another tenant's, or the identity is", op, shorten(o.TenantID))
	case o.Claims != "":
		return azcore.AccessToken{}, fmt.Errorf("%s: the service does not take the token and asks for one with other claims, which the sidecar cannot give", op)
	}
	token, err := c.tokens.get(ctx, o.Scopes[0], false, func() (azcore.AccessToken, error) { return c.fetch(ctx, o.Scopes[0]) })
	if err == nil {
		return token, nil
	}
	var refused *SidecarError
	if errors.As(err, &refused) {
		if checks := explainFederation(refused.federation(), c.clientID, assertionClaims{}); checks != nil {
			return azcore.AccessToken{}, check.Denied(op, "Microsoft Entra", checks, err)
		}
	}
	return azcore.AccessToken{}, fmt.Errorf("%s: %w", op, err)
}

func (c *sidecarCredential) fetch(ctx context.Context, scope string) (azcore.AccessToken, error) {
	path := "/metadata/identity/oauth2/token?" + url.Values{
		"scope": {scope}, "tenantId": {c.tenantID}, "clientId": {c.clientID}, "apiVersion": {"2018-02-01"},
	}.Encode()
	if c.managed {
		// The sidecar puts /.default behind the resource.
		path = "/metadata/identity/" + c.tenantID + "/" + c.clientID + "/oauth2/token?" + url.Values{
			"resource": {strings.TrimSuffix(scope, "/.default")}, "apiVersion": {"2018-02-01"},
		}.Encode()
	}
	asked := c.tokens.now()
	o, err := c.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	token, err := readSidecarToken(o, asked)
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("the answer of the %s: %w", c.name, err)
	}
	return token, nil
}

// readSidecarToken reads either form. Times are texts or numbers: the sidecar
// writes numbers where a virtual machine's metadata service writes texts.
func readSidecarToken(o map[string]json.RawMessage, asked time.Time) (azcore.AccessToken, error) {
	text, err := textMember(o, "token")
	if err != nil {
		text, err = textMember(o, "access_token")
	}
	if err != nil {
		return azcore.AccessToken{}, errors.New("it has neither a token nor an access_token")
	}
	t := azcore.AccessToken{Token: text, ExpiresOn: timeMember(o, "expiresOn", "expires_on"), RefreshOn: timeMember(o, "refreshOn")}
	if t.ExpiresOn.IsZero() {
		if seconds, ok := numberMember(o["expires_in"]); ok {
			t.ExpiresOn = asked.Add(time.Duration(seconds) * time.Second)
		}
	}
	if !t.ExpiresOn.After(asked) {
		return azcore.AccessToken{}, errors.New("it does not say when the token ends, or it has ended")
	}
	return t, nil
}

// timeMember is the first of the members that is a time.
func timeMember(o map[string]json.RawMessage, names ...string) time.Time {
	for _, name := range names {
		if seconds, ok := numberMember(o[name]); ok {
			return time.Unix(seconds, 0)
		}
		var s string
		if json.Unmarshal(o[name], &s) == nil {
			if t, err := time.Parse(time.RFC3339, s); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// maxSeconds bounds what is believed: times until the year 2400.
const maxSeconds = 1 << 34

func numberMember(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	return n, err == nil && n >= 0 && n < maxSeconds
}

// federation is the refusal in the form in which azidentity has it, for the one
// explanation that both ways share. The sidecar passes on the text alone.
func (e *SidecarError) federation() error {
	body, err := json.Marshal(map[string]any{"error_codes": e.codes})
	if err != nil || len(e.codes) == 0 {
		return e
	}
	return &azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: http.StatusUnauthorized, Body: io.NopCloser(bytes.NewReader(body))}}
}

// Format names the identity.
func (c *sidecarCredential) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, "credential of client ", c.clientID, " by the ", c.name)
}

var _ fmt.Formatter = (*sidecarCredential)(nil)
