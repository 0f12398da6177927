package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// OIDCClient acts on the service's token issuer, which gives clean rooms the
// identity that Entra exchanges for a cloud identity.
type OIDCClient struct{ c *Client }

// OIDC gives the handle.
func (c *Client) OIDC() *OIDCClient { return &OIDCClient{c} }

// IssuerInfo is the state of the issuer as the calling member sees it.
type IssuerInfo struct {
	// Enabled says that a proposal of [EnableOIDCIssuer] was accepted.
	Enabled bool
	// IssuerURL is the issuer for tenants without one of their own; often empty.
	IssuerURL string
	// TenantID and TenantIssuerURL are those of the caller's tenant, empty
	// until a member of it sets the URL.
	TenantID, TenantIssuerURL string
}

// Info reads the state of the issuer.
func (o *OIDCClient) Info(ctx context.Context) (_ *IssuerInfo, err error) {
	ctx, end := o.c.wire.tracer.Start(ctx, "OIDC.Info")
	defer end(&err)
	var doc struct {
		Enabled    bool   `json:"enabled"`
		IssuerURL  string `json:"issuerUrl"`
		TenantData struct {
			TenantID  string `json:"tenantId"`
			IssuerURL string `json:"issuerUrl"`
		} `json:"tenantData"`
	}
	if err := o.c.wire.post(ctx, "read issuer info", "/app/oidc/issuerInfo", &doc); err != nil {
		return nil, err
	}
	return &IssuerInfo{doc.Enabled, doc.IssuerURL, doc.TenantData.TenantID, doc.TenantData.IssuerURL}, nil
}

// GenerateSigningKey makes the issuer's key inside the service and returns its
// id. Doing it again returns the same.
func (o *OIDCClient) GenerateSigningKey(ctx context.Context) (kid string, err error) {
	ctx, end := o.c.wire.tracer.Start(ctx, "OIDC.GenerateSigningKey")
	defer end(&err)
	return o.c.wire.generateKey(ctx, "generate the issuer's signing key", "/app/oidc/generateSigningKey")
}

// generateKey has the service make one of its keys, and returns the key's id.
func (w *wire) generateKey(ctx context.Context, op, path string) (kid string, err error) {
	a, _, err := w.write(ctx, call{op: op, method: http.MethodPost, path: path})
	if err != nil {
		return "", err
	}
	var doc struct {
		KID string `json:"kid"`
	}
	if err := a.json(op, &doc); err != nil {
		return "", err
	}
	return doc.KID, nil
}

// Keys reads the public keys as a JWK set, over the pinned connection. Publish
// these, not what another address shows; [CheckIssuerDocuments] compares them
// with what others published.
func (o *OIDCClient) Keys(ctx context.Context) (_ json.RawMessage, err error) {
	ctx, end := o.c.wire.tracer.Start(ctx, "OIDC.Keys")
	defer end(&err)
	var raw json.RawMessage
	if err := o.c.wire.get(ctx, "read the issuer's keys", "/app/oidc/keys", &raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// SetIssuerURL sets the issuer of the member's tenant: the https URL where a
// member of it publishes the documents of [IssuerDocuments].
func (o *OIDCClient) SetIssuerURL(ctx context.Context, issuerURL string) (err error) {
	ctx, end := o.c.wire.tracer.Start(ctx, "OIDC.SetIssuerURL")
	defer end(&err)
	const op = "set issuer URL"
	if _, err := parseIssuer(issuerURL); err != nil {
		return fmt.Errorf("governance: %s: %w", op, err)
	}
	c, err := call{op: op, method: http.MethodPost, path: "/app/oidc/setIssuerUrl"}.withJSON(map[string]string{"url": issuerURL})
	if err != nil {
		return err
	}
	_, _, err = o.c.wire.write(ctx, c)
	return err
}

func parseIssuer(issuerURL string) (*url.URL, error) {
	u, err := url.Parse(issuerURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(u.Path, "/") {
		return nil, fmt.Errorf("issuer URL %q must be https://host/path without query, fragment and final slash", u.Redacted())
	}
	return u, nil
}

// Places of the two documents below the issuer's URL.
const (
	ConfigurationPath = "/.well-known/openid-configuration"
	KeysPath          = "/openid/v1/jwks"
)

// IssuerDocuments makes the two documents to publish below the issuer's URL:
// the configuration at [ConfigurationPath] and the key set at [KeysPath]. The
// keys are those of [OIDCClient.Keys].
func IssuerDocuments(issuerURL string, keys json.RawMessage) (configuration, jwks []byte, err error) {
	if _, err := parseIssuer(issuerURL); err != nil {
		return nil, nil, fmt.Errorf("governance: issuer documents: %w", err)
	}
	if err := checkKeys(keys); err != nil {
		return nil, nil, fmt.Errorf("governance: issuer documents: %w", err)
	}
	configuration, err = json.Marshal(struct {
		Issuer        string   `json:"issuer"`
		JWKSURI       string   `json:"jwks_uri"`
		ResponseTypes []string `json:"response_types_supported"`
		SubjectTypes  []string `json:"subject_types_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	}{
		Issuer:        issuerURL,
		JWKSURI:       issuerURL + KeysPath,
		ResponseTypes: []string{"id_token"},
		SubjectTypes:  []string{"public"},
		// The service signs PS256 and announces RS256; Entra is content with
		// what it has always been told.
		Algorithms: []string{"RS256"},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("governance: issuer documents: %w", err)
	}
	return configuration, keys, nil
}

// privateParameters of keys (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
var privateParameters = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// checkKeys refuses a set without keys, and one with a private key in it.
func checkKeys(keys json.RawMessage) error {
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(keys, &set); err != nil {
		return fmt.Errorf("key set: %w", err)
	}
	if len(set.Keys) == 0 {
		return errors.New("key set: no key; generate the signing key first")
	}
	for _, k := range set.Keys {
		for _, name := range privateParameters {
			if _, private := k[name]; private {
				return errors.New("key set: it holds a private key")
			}
		}
	}
	return nil
}
