package skr

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"
)

// verify checks a token in two steps: its signature, where the first failure
// ends it because nothing behind can be believed; then every claim, so that a
// denial lists all that is wrong at once. Nil runtimeData is not compared.
func (c *MAAClient) verify(ctx context.Context, raw, nonce string, runtimeData []byte) (*AttestationToken, error) {
	op := "skr: verify token of " + c.host
	l := checklist{make([]Check, 0, 16)}
	claims, err := c.verifySignature(ctx, &l, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	var expires time.Time
	if claims != nil {
		expires = c.verifyClaims(&l, claims, nonce, runtimeData)
	}
	if err := l.denied(op, "this program"); err != nil {
		return nil, err
	}
	return &AttestationToken{raw: func() string { return raw }, claims: claims, expires: expires, checks: l.checks}, nil
}

// verifySignature returns nil claims if a check failed; an error only if the
// key set could not be fetched.
func (c *MAAClient) verifySignature(ctx context.Context, l *checklist, raw string) (Claims, error) {
	sig := l.parseJWS("token", raw, maxTokenBytes)
	if sig == nil {
		return nil, nil
	}
	// The address of the keys is ours, never the token's. A token that names
	// another one was made by, or for, somebody else.
	if !l.equal("token.jku", c.endpoint+"/certs", sig.text("jku"), "configure the attestation service that issued the token, if you trust it") {
		return nil, nil
	}
	kid := sig.text("kid")
	pub, err := c.key(ctx, kid)
	if err != nil {
		return nil, err
	}
	if !l.that("token.kid", "a key of "+c.endpoint+"/certs", kid,
		"do not trust this token: its key is not one of the service's", refuseIf(pub == nil)) {
		return nil, nil
	}
	err = sig.verify(pub)
	if !l.that("token.signature", "a valid signature", describe(err, "a valid signature"),
		"do not trust this token: it was changed or not made by the service", err) {
		return nil, nil
	}
	claims, err := decodeObjectStrict(sig.payload)
	if !l.that("token.claims", "a JSON object", describe(err, "a JSON object"), "ask who operates the service", err) {
		return nil, nil
	}
	return claims, nil
}

func (c *MAAClient) verifyClaims(l *checklist, claims Claims, nonce string, runtimeData []byte) (expires time.Time) {
	now := c.now()
	l.equal("token.issuer", c.endpoint, claims.textOrAbsent(claimIssuer), "use tokens of the configured attestation service only")

	expires, err := claims.time(claimExpires)
	if err == nil && !now.Before(expires.Add(c.leeway)) {
		err = errRefused
	}
	l.that("token.expiry", "after "+stamp(now), stampOr(expires, claims.textOrAbsent(claimExpires)), "attest again, and compare the guest's clock with the service's", err)

	if _, present := claims[claimNotBefore]; present {
		from, err := claims.time(claimNotBefore)
		if err == nil && now.Add(c.leeway).Before(from) {
			err = errRefused
		}
		l.that("token.not-before", "before "+stamp(now), stampOr(from, claims.textOrAbsent(claimNotBefore)), "compare the guest's clock with the service's", err)
	}
	if nonce != "" {
		l.equal("token.nonce", nonce, claims.textOrAbsent(claimNonce), "do not trust this token: it answers another request")
	}
	l.equal("token.type", typeSEVSNP, claims.textOrAbsent(claimType), remedyFor(claimType))
	// A debuggable guest has no secrets from its host, whatever a policy forgot
	// to say. The check wants the claim, so that its absence fails too.
	l.equal("token.debuggable", "false", claims.textOrAbsent(claimDebuggable), remedyFor(claimDebuggable))
	if runtimeData != nil {
		verifyRuntime(l, claims, runtimeData)
	}
	return expires
}

// verifyRuntime checks that the token speaks of exactly the bytes we bound.
func verifyRuntime(l *checklist, claims Claims, runtimeData []byte) {
	want := reportDataFor(runtimeData)
	l.equal("token.report-data", hex.EncodeToString(want[:]), claims.textOrAbsent(claimReportData), "do not trust this token: its report was made for other runtime data")
	sent, err := decodeStrict(runtimeData)
	if err == nil && !equalJSON(sent, claims[claimRuntime]) {
		err = errRefused
	}
	got := "equal"
	if err != nil {
		got = "other runtime data"
	}
	l.that("token.runtime", "equal", got, "do not trust this token: a vault would encrypt to a key that is not ours", err)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func stampOr(t time.Time, text string) string {
	if t.IsZero() {
		return text
	}
	return stamp(t)
}
