package skr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/cleanroom-go/sdk/internal/check"
)

// AssertionCredentialOptions are the options of [NewAssertionCredential]. The
// zero value is ready.
type AssertionCredentialOptions struct{ azcore.ClientOptions }

// NewAssertionCredential makes the credential of an identity that trusts a
// foreign token issuer (workload identity federation): assertion yields a token
// of that issuer, which is exchanged at Microsoft Entra for access tokens.
// assertion is called for each exchange, and there is one exchange an hour and
// audience: access tokens are kept until five minutes before they expire, or
// until the service wants them renewed, and callers who come meanwhile wait for
// the same exchange, each no longer than its own context lets it. If a renewal
// fails, the kept token serves while it lasts.
//
// The assertion goes to the authority of ClientOptions.Cloud, zero meaning the
// public one; the environment variable AZURE_AUTHORITY_HOST counts for nothing.
//
// If Entra does not accept the assertion, GetToken's error is a [*DeniedError]
// that names which of issuer, subject and audience no federated credential of
// the identity has, around a [*FederationError] with all that was sent.
func NewAssertionCredential(tenantID, clientID string, assertion func(context.Context) (string, error), opts *AssertionCredentialOptions) (azcore.TokenCredential, error) {
	if assertion == nil {
		return nil, errors.New("skr: assertion credential: no assertion function")
	}
	if !validDirectoryID(tenantID) || !validDirectoryID(clientID) {
		return nil, errors.New("skr: assertion credential: tenant or client is no directory id; give their GUIDs")
	}
	if opts == nil {
		opts = &AssertionCredentialOptions{}
	}
	o := clientOptions(opts.ClientOptions)
	if o.Cloud.ActiveDirectoryAuthorityHost == "" && len(o.Cloud.Services) == 0 {
		// Left zero, the environment would say who gets the assertion.
		o.Cloud = cloud.AzurePublic
	}
	c := &assertionCredential{tenantID: tenantID, clientID: clientID, assertion: assertion, tokens: newTokenKeeper(time.Now)}
	inner, err := azidentity.NewClientAssertionCredential(tenantID, clientID, c.assert, &azidentity.ClientAssertionCredentialOptions{
		ClientOptions: o,
	})
	if err != nil {
		return nil, fmt.Errorf("skr: assertion credential: %w", err)
	}
	c.inner = inner
	return c, nil
}

type assertionCredential struct {
	tenantID, clientID string
	assertion          func(context.Context) (string, error)
	inner              azcore.TokenCredential
	tokens             *tokenKeeper

	mu   sync.Mutex
	last assertionClaims // what the last assertion said, for explanations
}

// assertionClaims are public: they name who asks, and for what.
type assertionClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience any    `json:"aud"`
}

func (c *assertionCredential) assert(ctx context.Context) (string, error) {
	token, err := c.assertion(ctx)
	if err != nil {
		return "", fmt.Errorf("assertion: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = readAssertion(token)
	return token, nil
}

// readAssertion reads the claims without verifying them: Entra does that, and
// here they only serve an explanation.
func readAssertion(token string) (claims assertionClaims) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return assertionClaims{}
	}
	return claims
}

// tokenAudience tells apart what different tokens are for.
func tokenAudience(o policy.TokenRequestOptions) string {
	return fmt.Sprint(strings.Join(o.Scopes, " "), "\x00", o.TenantID, "\x00", o.EnableCAE)
}

// GetToken implements azcore.TokenCredential.
func (c *assertionCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	op := fmt.Sprintf("skr: token of client %s in tenant %s for %s", c.clientID, c.tenantID, strings.Join(o.Scopes, " "))
	// Claims are what a service wants besides after it refused a kept token.
	token, err := c.tokens.get(ctx, tokenAudience(o), o.Claims != "", func() (azcore.AccessToken, error) { return c.inner.GetToken(ctx, o) })
	if err == nil {
		return token, nil
	}
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	if checks := explainFederation(err, c.clientID, last); checks != nil {
		return azcore.AccessToken{}, check.Denied(op, "Microsoft Entra", checks, c.federationError(err, last))
	}
	return azcore.AccessToken{}, fmt.Errorf("%s: %w", op, err)
}

// explainFederation maps Entra's error numbers to the part of the assertion
// that no federated credential has; nil if the refusal is about something else.
func explainFederation(err error, clientID string, last assertionClaims) []Check {
	subject := Check{
		ID: "federation.subject", Want: "the subject of a federated credential of client " + clientID, Got: orAbsent(last.Subject),
		Remedy: "add a federated credential with this issuer and subject to the identity; the subject is the contract id; " + remedyWait,
	}
	issuer := Check{
		ID: "federation.issuer", Want: "the issuer of a federated credential of client " + clientID, Got: orAbsent(last.Issuer),
		Remedy: "set the governance service's issuer URL to the one in the identity's federated credential, without a trailing slash on either; " + remedyWait,
	}
	audience := Check{
		ID: "federation.audience", Want: "api://AzureADTokenExchange", Got: orAbsent(textOf(last.Audience)),
		Remedy: "ask the issuer for the audience that the federated credential names; " + remedyWait,
	}
	signature := Check{
		ID: "federation.signature", Want: "a signature that verifies with the issuer's published keys", Got: "refused",
		Remedy: "publish the current keys below the issuer URL as openid/v1/jwks, and its discovery document beside them",
	}
	tenant := Check{
		ID: "federation.tenant", Want: "a tenant that exists", Got: "unknown",
		Remedy: "give the id of the identity's tenant",
	}
	documents := Check{
		ID: "federation.documents", Want: "a discovery document and keys below " + issuer.Got, Got: "none that Microsoft Entra could read",
		Remedy: "publish both where the public internet can read them, and check that the storage account admits anonymous reads",
	}
	lifetime := Check{
		ID: "federation.time", Want: "an assertion that is valid now", Got: "one that is not",
		Remedy: "set the clocks of the governance service's nodes and of this machine, and make a fresh assertion for each exchange",
	}
	client := Check{
		ID: "federation.client", Want: "an identity of this client id in the tenant", Got: "unknown: " + clientID,
		Remedy: "give the client id of the managed identity, not its object id, and the tenant in which it is; " + remedyWait,
	}
	byCode := map[int]*Check{
		70021: &subject, 700213: &subject, 700211: &issuer, 700212: &audience,
		50027: &signature, 700027: &signature, 90002: &tenant,
		50166: &documents, 700024: &lifetime, 700016: &client,
	}
	for _, code := range entraCodes(err) {
		if c := byCode[code]; c != nil {
			c.Err = errRefused
			return []Check{*c}
		}
	}
	return nil
}

// entraCodes are the AADSTS numbers of a failed token request.
func entraCodes(err error) []int {
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse == nil || failed.RawResponse.Body == nil {
		return nil
	}
	body, err := runtime.Payload(failed.RawResponse)
	if err != nil {
		return nil
	}
	var doc struct {
		Codes []int `json:"error_codes"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return nil
	}
	return doc.Codes
}

func textOf(v any) string {
	s, _ := scalarText(v)
	return s
}

func orAbsent(s string) string {
	if s == "" {
		return absent
	}
	return shorten(s)
}

var _ azcore.TokenCredential = (*assertionCredential)(nil)
