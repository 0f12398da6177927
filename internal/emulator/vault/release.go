package vault

import (
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/keywrap"
	"github.com/cleanroom-go/sdk/internal/redact"
	"github.com/cleanroom-go/sdk/skr"
)

// releaseRequest is the body of POST /keys/{name}/{version}/release.
type releaseRequest struct {
	Target string            `json:"target"`
	Nonce  string            `json:"nonce"`
	Enc    keywrap.Algorithm `json:"enc"`
}

// releaseKey decides in the service's order: the key, the token, the policy.
// It holds no lock while it fetches the authority's documents, which the same
// process may be serving.
func (s *Server) releaseKey(ctx context.Context, c *call) (any, error) {
	in, err := c.readRelease()
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	k, err := s.key(c)
	s.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	if err := k.mayRelease(s.now().Unix()); err != nil {
		return nil, err
	}
	claims, err := s.verifyTarget(ctx, k.policy.parsed, in.Target)
	if err != nil {
		return nil, forbidden("AccessDenied", "Target environment attestation statement cannot be verified. %v", err)
	}
	if x := k.policy.parsed.Explain(claims); !x.Satisfied {
		return nil, forbidden("AccessDenied", "Target environment attestation does not meet key release policy requirements.")
	}
	pub, kid := transferKey(claims)
	if pub == nil {
		return nil, badParameter("Target environment attestation has no RSA encryption key in x-ms-runtime.keys.")
	}
	jws, err := s.signRelease(c, k, in, pub, kid)
	if err != nil {
		return nil, err
	}
	return map[string]string{"value": jws}, nil
}

func (c *call) readRelease() (*releaseRequest, error) {
	in := &releaseRequest{}
	if err := c.read(in); err != nil {
		return nil, err
	}
	if in.Enc == "" {
		in.Enc = keywrap.CKMRSAAES
	}
	switch {
	case !c.hasRelease():
		return nil, badParameter("Key release needs API version 7.3 or later, not %s.", c.apiVersion)
	case in.Target == "":
		return nil, badParameter("Property target is required.")
	case !in.Enc.Valid():
		return nil, badParameter("Property enc has the invalid value '%s'.", in.Enc)
	}
	return in, nil
}

func (k *keyVersion) mayRelease(now int64) error {
	if err := k.mayUse("release", now); err != nil {
		return err
	}
	if !k.exportable() {
		return badParameter("Operation release is not allowed on a key that is not exportable.")
	}
	return nil
}

// verifyTarget accepts an attestation token of one of the policy's authorities.
// No document of any other issuer is ever fetched.
func (s *Server) verifyTarget(ctx context.Context, policy *skr.ReleasePolicy, target string) (skr.Claims, error) {
	t, err := wire.ParseToken(target, jose.RS256)
	if err != nil {
		return nil, err
	}
	issuer := t.Text("iss")
	if !slices.Contains(policy.Authorities(), issuer) {
		return nil, fmt.Errorf("the policy names no authority %q", issuer)
	}
	keys, err := wire.Discover(ctx, s.http, issuer)
	if err != nil {
		return nil, err
	}
	if err := t.Verify(keys); err != nil {
		return nil, err
	}
	if err := t.CheckTimes(s.now()); err != nil {
		return nil, err
	}
	return skr.Claims(t.Claims), nil
}

// transferKey is the first key of the runtime data that is meant for
// encryption.
func transferKey(claims skr.Claims) (*rsa.PublicKey, string) {
	runtime, _ := claims["x-ms-runtime"].(map[string]any)
	keys, _ := runtime["keys"].([]any)
	for _, k := range keys {
		jwk, _ := k.(map[string]any)
		text := func(name string) string { s, _ := jwk[name].(string); return s }
		ops, _ := jwk["key_ops"].([]any)
		encrypts := text("use") == "enc" || text("key_use") == "enc" || slices.Contains(ops, any("encrypt"))
		if !encrypts || text("kty") != "RSA" {
			continue
		}
		if pub := wire.PublicKey(text("n"), text("e")); pub != nil {
			return pub, text("kid")
		}
	}
	return nil, ""
}

// signRelease wraps the private key and signs the answer.
func (s *Server) signRelease(c *call, k *keyVersion, in *releaseRequest, pub *rsa.PublicKey, kid string) (string, error) {
	plain := slices.Clone(k.oct) // octets as they are, other keys as PKCS #8
	if plain == nil {
		var err error
		if plain, err = x509.MarshalPKCS8PrivateKey(k.private); err != nil {
			return "", err
		}
	}
	blob, err := keywrap.WrapRSAAES(pub, in.Enc, plain)
	redact.Clear(plain)
	if err != nil {
		return "", err
	}
	wrapped, err := json.Marshal(map[string]any{
		"schema_version": "1.0",
		"header":         map[string]any{"kid": kid, "alg": "dir", "enc": in.Enc},
		"ciphertext":     wire.Encode64(blob),
	})
	if err != nil {
		return "", err
	}
	released := c.bundle(k)
	released.Key.KeyHSM = wire.Encode64(wrapped)
	request := map[string]any{"api-version": c.apiVersion, "enc": in.Enc, "kid": c.id("keys", c.name, c.version)}
	if in.Nonce != "" {
		request["nonce"] = in.Nonce
	}
	return s.signer.sign(map[string]any{
		"request":  request,
		"response": map[string]any{"key": released},
	})
}

// sign makes the JWS that carries its own certificate chain.
func (g *signer) sign(payload any) (string, error) {
	thumb1, thumb256 := sha1.Sum(g.chain[0]), sha256.Sum256(g.chain[0])
	x5c := make([]string, len(g.chain))
	for i, der := range g.chain {
		x5c[i] = base64.StdEncoding.EncodeToString(der)
	}
	return wire.Sign(g.key, strings.ToUpper(hex.EncodeToString(thumb1[:])), map[jose.HeaderKey]any{
		"x5t":      wire.Encode64(thumb1[:]),
		"x5t#S256": wire.Encode64(thumb256[:]),
		"x5c":      x5c,
	}, payload)
}
