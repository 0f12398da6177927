package ccf

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
)

// issuer is the state of the OIDC issuer.
type issuer struct {
	enabled bool
	// kid and request are what the next key is named by.
	kid     string
	request int
	// url is the global issuer URL, if any.
	url string
}

// issuerKey is the one current key; its name holds the request it was made for.
type issuerKey struct {
	kid string
	key *rsa.PrivateKey
}

var (
	issuerTable    = table[issuer]("oidc_issuer")
	issuerKeyTable = table[issuerKey]("oidc_signing_key")
	// tenantURLTable holds issuer URLs by tenantKey.
	tenantURLTable = table[string]("oidc_tenant_urls")
)

// tenantKey keeps the URLs that members set apart from those of users.
func tenantKey(kind authPolicy, tenant string) string {
	if kind == memberCert {
		return "member/" + tenant
	}
	return "user/" + tenant
}

func issuerOf(x *tx) issuer {
	i, _ := issuerTable.get(x, "")
	return i
}

func applyEnableIssuer(a *applying, args any) error {
	i := issuerOf(a.tx)
	if !i.enabled {
		i.enabled, i.request = true, 1
		i.kid, _ = textField(args, "kid")
		issuerTable.put(a.tx, "", i)
	}
	return nil
}

func applyRotateIssuer(a *applying, _ any) error {
	if i := issuerOf(a.tx); i.enabled {
		i.request++
		issuerTable.put(a.tx, "", i)
	}
	return nil
}

func applyIssuerURL(a *applying, args any) error {
	i := issuerOf(a.tx)
	i.url, _ = textField(args, "issuer_url")
	issuerTable.put(a.tx, "", i)
	return nil
}

func (c *call) discovery() (any, error) {
	url := issuerOf(c.tx).url
	if url == "" {
		url = "{placeholder}"
	}
	return obj("issuer", url, "jwks_uri", url+"/keys",
		"response_types_supported", []any{"id_token"},
		"id_token_signing_alg_values_supported", []any{"RS256"}), nil
}

var errNoSigningKey = failure(http.StatusMethodNotAllowed, "SigningKeyNotAvailable", "Propose enable_oidc_issuer and generate signing key before attempting to fetch it.")

// issuerKeys says RS256 although tokens are signed PS256, as CGS does.
func (c *call) issuerKeys() (any, error) {
	k, ok := issuerKeyTable.get(c.tx, "")
	if !ok {
		return nil, errNoSigningKey
	}
	e := base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes())
	n := base64.RawURLEncoding.EncodeToString(k.key.N.Bytes())
	return obj("keys", []any{obj("alg", "RS256", "use", "sig", "kty", "RSA", "kid", k.kid, "e", e, "n", n)}), nil
}

// generateIssuerKey makes at most one key for each request id.
func (c *call) generateIssuerKey() (any, error) {
	i := issuerOf(c.tx)
	if !i.enabled {
		return nil, failure(http.StatusMethodNotAllowed, "OidcIssuerNotEnabled", "Oidc issuer support has not been enabled.")
	}
	kid := fmt.Sprintf("%s-%d", i.kid, i.request)
	if k, ok := issuerKeyTable.get(c.tx, ""); !ok || k.kid != kid {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, throw("Error: %v", err)
		}
		issuerKeyTable.put(c.tx, "", issuerKey{kid, key})
	}
	return obj("reqId", fmt.Sprint(i.request), "kid", kid), nil
}

func (c *call) setIssuerURL() (any, error) {
	body, err := c.json()
	if err != nil {
		return nil, err
	}
	url := display(field(body, "url"))
	scheme, _, _ := strings.Cut(url, ":")
	if scheme != "http" && scheme != "https" {
		return nil, badRequest("InvalidUrl", "Url should have http or https as its scheme but scheme is "+scheme+".")
	}
	tenant, ok := c.callerTenant()
	if !ok {
		return nil, badRequest("NoTenantId", "Tenant id has not been set for "+c.caller.id+".")
	}
	tenantURLTable.put(c.tx, tenantKey(c.caller.kind, tenant), url)
	return nil, nil
}

func (c *call) issuerInfo() (any, error) {
	i := issuerOf(c.tx)
	info := obj("enabled", i.enabled)
	if i.url != "" {
		info.set("issuerUrl", i.url)
	}
	if tenant, ok := c.callerTenant(); ok {
		if url, ok := tenantURLTable.get(c.tx, tenantKey(c.caller.kind, tenant)); ok {
			info.set("tenantData", obj("tenantId", tenant, "issuerUrl", url))
		}
	}
	return info, nil
}
