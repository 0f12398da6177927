package ccf

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
)

// authPolicy is one way to be known to an application endpoint.
type authPolicy string

const (
	memberCert authPolicy = "member_cert"
	userCert   authPolicy = "user_cert"
	bearerJWT  authPolicy = "jwt"
	noAuth     authPolicy = "no_auth"
)

// caller is who an application endpoint was called by. The zero value is
// nobody.
type caller struct {
	kind authPolicy
	id   string
	// claims are those of a token.
	claims any
}

// tokenUser is a registered user who calls with a bearer token.
type tokenUser struct {
	accountType  string
	invitationID any
	data         any
}

var (
	certUserTable  = table[certUser]("users")
	tokenUserTable = table[tokenUser]("user_identities")
	tokenKeyTable  = table[tokenKey]("jwt_keys")
)

type certUser struct {
	certificate string
	data        any
}

// tokenKey is a key that signs callers' tokens, under the key id.
type tokenKey struct {
	issuer string
	public crypto.PublicKey
}

func memberID(cert *x509.Certificate) string {
	d := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(d[:])
}

// authenticate tries the endpoint's policies in order; the first success wins.
func (c *call) authenticate(rt *route) error {
	if len(rt.auth) == 0 {
		return nil
	}
	var details []any
	challenge := ""
	for _, p := range rt.auth {
		reason := ""
		switch p {
		case memberCert:
			reason = c.callerByCertificate(p, "member", func(id string) bool {
				_, ok := memberTable.get(c.tx, id)
				return ok
			})
		case userCert:
			reason = c.callerByCertificate(p, "user", func(id string) bool {
				_, ok := certUserTable.get(c.tx, id)
				return ok
			})
		case bearerJWT:
			claims, why := c.bearerToken()
			if why == "" {
				return c.callerByToken(rt, claims)
			}
			reason, challenge = why, `Bearer realm="JWT bearer token access", error="invalid_token"`
		case noAuth:
			return nil
		}
		if reason == "" {
			return nil
		}
		details = append(details, obj("auth_policy", string(p), "code", "InvalidAuthenticationInfo", "message", reason))
	}
	return &apiError{
		status: http.StatusUnauthorized, code: "InvalidAuthenticationInfo",
		message: "Invalid authentication credentials.", details: details, challenge: challenge,
	}
}

func (c *call) callerByCertificate(p authPolicy, kind string, known func(id string) bool) string {
	if c.TLS == nil || len(c.TLS.PeerCertificates) == 0 {
		return "No caller " + kind + " certificate"
	}
	id := memberID(c.TLS.PeerCertificates[0])
	if !known(id) {
		return "Could not find matching " + kind + " certificate"
	}
	c.caller = caller{kind: p, id: id}
	return ""
}

// bearerToken verifies the token of the request and returns its claims, or
// why there are none.
func (c *call) bearerToken() (claims any, reason string) {
	authorization := c.Header.Get("Authorization")
	if authorization == "" {
		return nil, "Missing Authorization header"
	}
	raw, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok {
		return nil, "'authorization' header only accepts bearer tokens"
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, "Malformed JWT"
	}
	header, okHeader := tokenPart(parts[0])
	claims, okClaims := tokenPart(parts[1])
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if !okHeader || !okClaims || err != nil {
		return nil, "Malformed JWT"
	}
	kid, _ := textField(header, "kid")
	key, ok := tokenKeyTable.get(c.tx, kid)
	if !ok {
		return nil, "JWT signing key not found"
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	pub, ok := key.public.(*rsa.PublicKey)
	if field(header, "alg") != "RS256" || !ok || rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], signature) != nil {
		return nil, "Signature verification failed"
	}
	now := float64(c.now().Unix())
	if nbf, ok := field(claims, "nbf").(float64); ok && now < nbf {
		return nil, "JWT token is not yet valid"
	}
	if exp, ok := field(claims, "exp").(float64); !ok || now > exp {
		return nil, "JWT token has expired"
	}
	if field(claims, "iss") != key.issuer {
		return nil, "Kid " + kid + " failed issuer constraint validation"
	}
	return claims, ""
}

func tokenPart(s string) (any, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, false
	}
	v, err := parseJSON(b)
	return v, err == nil
}

// callerByToken is the application's own check of a token's user.
func (c *call) callerByToken(rt *route, claims any) error {
	oid, ok := textField(claims, "oid")
	if !ok && !rt.anyToken {
		return throw("Error: OID claim is not present in the JWT token. Cannot get caller ID.")
	}
	c.caller = caller{bearerJWT, oid, claims}
	if rt.anyToken {
		return nil
	}
	user, ok := tokenUserTable.get(c.tx, oid)
	if !ok {
		return failure(http.StatusForbidden, "CallerNotAuthorized", "User "+oid+" is not authorized to invoke this endpoint.")
	}
	got, want := field(claims, "tid"), field(user.data, "tenantId")
	if !strictEqual(got, want) {
		return failure(http.StatusForbidden, "CallerTenantNotAuthorized", "Tenant "+display(got)+" is not authorized to invoke this endpoint. Expected tenant ID is "+display(want)+".")
	}
	return nil
}

// callerTenant is the tenant id in the caller's data, if it has one.
func (c *call) callerTenant() (string, bool) {
	var data any
	switch c.caller.kind {
	case memberCert:
		m, _ := memberTable.get(c.tx, c.caller.id)
		data = m.data
	case userCert:
		u, _ := certUserTable.get(c.tx, c.caller.id)
		data = u.data
	case bearerJWT:
		u, _ := tokenUserTable.get(c.tx, c.caller.id)
		data = u.data
	}
	id, _ := textField(data, "tenantId")
	return id, id != ""
}
