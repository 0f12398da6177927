package wire

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Sign makes a compact RS256 JWS of the payload as JSON. The header holds alg,
// kid, typ "JWT" and what extra adds.
func Sign(key *rsa.PrivateKey, kid string, extra map[jose.HeaderKey]any, payload any) (string, error) {
	opts := (&jose.SignerOptions{}).WithType("JWT")
	for k, v := range extra {
		opts = opts.WithHeader(k, v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, opts)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(body)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Token is a parsed JWT whose signature is not yet verified.
type Token struct {
	KeyID string
	// Claims are unverified until [Token.Verify] returned nil. Numbers are
	// json.Number.
	Claims map[string]any

	jws *jose.JSONWebSignature
}

// ParseToken reads a compact JWT signed with one of the given algorithms.
func ParseToken(raw string, algorithms ...jose.SignatureAlgorithm) (*Token, error) {
	jws, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return nil, err
	}
	t := &Token{KeyID: jws.Signatures[0].Header.KeyID, jws: jws}
	if err := Unmarshal(jws.UnsafePayloadWithoutVerification(), &t.Claims); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return t, nil
}

// Text is a claim as text: a string as it is, a number as its literal, "" for
// anything else and for a claim that is not there.
func (t *Token) Text(claim string) string {
	switch v := t.Claims[claim].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// Verify checks the signature with the key that the header names.
func (t *Token) Verify(keys Keys) error {
	key, ok := keys[t.KeyID]
	if !ok {
		return fmt.Errorf("no key %q among the issuer's %d keys", t.KeyID, len(keys))
	}
	_, err := t.jws.Verify(key)
	return err
}

// Errors of [Token.CheckTimes].
var (
	ErrExpired     = errors.New("token has expired")
	ErrNotYetValid = errors.New("token is not valid yet")
)

// leeway is allowed between two clocks for the start of a validity.
const leeway = 5 * time.Minute

// CheckTimes requires exp and honours nbf. Each may be a number or, as CCF
// writes them, a string of digits.
func (t *Token) CheckTimes(now time.Time) error {
	exp, err := seconds(t.Text("exp"))
	if err != nil {
		return fmt.Errorf("exp: %w", err)
	}
	if !now.Before(exp) {
		return ErrExpired
	}
	if _, present := t.Claims["nbf"]; !present {
		return nil
	}
	nbf, err := seconds(t.Text("nbf"))
	if err != nil {
		return fmt.Errorf("nbf: %w", err)
	}
	if now.Add(leeway).Before(nbf) {
		return ErrNotYetValid
	}
	return nil
}

func seconds(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a number of seconds", text)
	}
	return time.Unix(n, 0), nil
}

// Keys are an issuer's RSA public keys by key id.
type Keys map[string]*rsa.PublicKey

// ParseKeys reads a JSON web key set whose entries carry either n and e, or
// only x5c as MAA's do. Entries of another kind are left out.
func ParseKeys(b []byte) (Keys, error) {
	var set struct {
		Keys []struct {
			Kid, Kty, N, E string
			X5c            []string
		}
	}
	if err := Unmarshal(b, &set); err != nil {
		return nil, err
	}
	keys := Keys{}
	for _, k := range set.Keys {
		if k.Kty != "RSA" {
			continue
		}
		if pub := PublicKey(k.N, k.E); pub != nil {
			keys[k.Kid] = pub
			continue
		}
		if len(k.X5c) == 0 {
			continue
		}
		if pub := certificateKey(k.X5c[0]); pub != nil {
			keys[k.Kid] = pub
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("key set holds no usable RSA key")
	}
	return keys, nil
}

// PublicKey is the RSA key of the members n and e of a JSON web key, nil if
// they do not make a usable one.
func PublicKey(n, e string) *rsa.PublicKey {
	nb, err1 := Decode64(n)
	eb, err2 := Decode64(e)
	if err1 != nil || err2 != nil || len(nb) == 0 || len(eb) == 0 || len(eb) > 4 {
		return nil
	}
	pub := &rsa.PublicKey{N: new(big.Int).SetBytes(nb), E: int(new(big.Int).SetBytes(eb).Int64())}
	if !usable(pub) {
		return nil
	}
	return pub
}

func certificateKey(x5c string) *rsa.PublicKey {
	der, err := base64.StdEncoding.DecodeString(x5c)
	if err != nil {
		return nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || !usable(pub) {
		return nil
	}
	return pub
}

// usable keeps out keys that crypto/rsa would refuse later, or that are so
// large that one signature check would be a denial of service.
func usable(pub *rsa.PublicKey) bool {
	bits := pub.N.BitLen()
	return bits >= 2048 && bits <= 8192 && pub.E >= 3 && pub.E%2 == 1
}

// Discover fetches an issuer's key set through its discovery document. A
// document that states another issuer is refused; stating none is allowed, as
// MAA does not.
func Discover(ctx context.Context, client *http.Client, issuer string) (Keys, error) {
	base := strings.TrimSuffix(issuer, "/")
	body, err := get(ctx, client, base+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("discovery document of %s: %w", issuer, err)
	}
	if doc.Issuer != "" && strings.TrimSuffix(doc.Issuer, "/") != base {
		return nil, fmt.Errorf("discovery document of %s is that of %s", issuer, doc.Issuer)
	}
	if body, err = get(ctx, client, doc.JWKSURI); err != nil {
		return nil, err
	}
	keys, err := ParseKeys(body)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", issuer, err)
	}
	return keys, nil
}

func get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an https URL", address)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := ReadBounded(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", address, res.Status)
	}
	return body, nil
}

// NoRedirect is a copy of the client that answers a redirect instead of
// following it: whoever controls an issuer's host must not send a service
// elsewhere.
func NoRedirect(c *http.Client) *http.Client {
	copied := *c
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied
}
