package ccf

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// issueToken answers an attested clean room with a token of the OIDC issuer.
// Nothing of its content is checked, dates included: they are copied from the
// query as text.
func (c *call) issueToken() (any, error) {
	body, err := c.encryptedCall()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"exp", "iat", "jti", "sub", "tid", "aud"} {
		if v, ok := c.query(name); v == "" {
			if !ok {
				v = "undefined"
			}
			return nil, badRequest("InvalidInput", "Value for "+name+" '"+v+"' is invalid.")
		}
	}
	subject, _ := c.query("sub")
	key, err := c.attestedKey(body, c.params[0], delegate{"oauth-federation-subjects", subject})
	if err != nil {
		return nil, err
	}
	signer, ok := issuerKeyTable.get(c.tx, "")
	if !ok {
		return nil, errNoSigningKey
	}
	iss, err := c.tokenIssuer()
	if err != nil {
		return nil, err
	}
	token, err := signer.sign(c.claims(iss))
	if err != nil {
		return nil, throw("Error: %v", err)
	}
	return wrapped(key, []byte(token))
}

// tokenIssuer is the issuer that the caller names, else the one of the tenant,
// members' before users', else the global one.
func (c *call) tokenIssuer() (string, error) {
	if iss, _ := c.query("iss"); iss != "" {
		return iss, nil
	}
	tenant, _ := c.query("tid")
	for _, kind := range []authPolicy{memberCert, bearerJWT} {
		if url, ok := tenantURLTable.get(c.tx, tenantKey(kind, tenant)); ok {
			return url, nil
		}
	}
	if url := issuerOf(c.tx).url; url != "" {
		return url, nil
	}
	return "", failure(http.StatusMethodNotAllowed, "IssuerUrlNotSet", "Issuer url has not been supplied nor configured for tenant "+tenant+". Either pass in the 'iss' value or propose set_oidc_issuer_url or set the issuer at the tenant level.")
}

// claims are the token's, in the order in which CGS writes them.
func (c *call) claims(iss string) *object {
	claims := obj()
	for _, name := range []string{"aud", "exp", "iss", "jti", "nbf", "sub", "iat"} {
		if name == "iss" {
			claims.set(name, iss)
		} else if v, ok := c.query(name); ok {
			claims.set(name, v)
		}
	}
	return claims
}

func (k issuerKey) sign(claims *object) (string, error) {
	header, err := encodeJSON(obj("alg", "PS256", "typ", "JWT", "kid", k.kid))
	if err != nil {
		return "", err
	}
	payload, err := encodeJSON(claims)
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPSS(rand.Reader, k.key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
