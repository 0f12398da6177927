package governance_test

import (
	"encoding/json"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

func TestIssuer(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	ctx := t.Context()
	oidc := c.publisher.OIDC()
	info, err := oidc.Info(ctx)
	c.check(err)
	if *info != (governance.IssuerInfo{}) {
		t.Errorf("issuer before: %+v", info)
	}
	_, err = oidc.GenerateSigningKey(ctx)
	wantCode(t, err, "OidcIssuerNotEnabled")
	_, err = oidc.Keys(ctx)
	wantCode(t, err, "SigningKeyNotAvailable")

	c.accept(c.propose(c.consumer, governance.EnableOIDCIssuer("k1")), c.both()...)
	// The answer to the first call is lost: still one key, and one URL.
	lost := &loser{lose: 1}
	unreliable := c.client(c.publisher.Member(), lost.wrap).OIDC()
	kid, err := unreliable.GenerateSigningKey(ctx)
	c.check(err)
	lost.calls.Store(0)
	c.check(unreliable.SetIssuerURL(ctx, "https://host/path"))
	info, err = oidc.Info(ctx)
	c.check(err)
	if want := (governance.IssuerInfo{Enabled: true, TenantID: c.memberData("publisher").TenantID, TenantIssuerURL: "https://host/path"}); *info != want {
		t.Errorf("issuer %+v, want %+v", *info, want)
	}
	same, err := c.consumer.OIDC().GenerateSigningKey(ctx)
	c.check(err)
	if kid != "k1-1" || same != kid {
		t.Errorf("kids %s and %s", kid, same)
	}
	for _, url := range []string{"", "http://host/path", "https://host/path/", "https://host/?q", "https://user@host/p", "ftp://host/p", "host"} {
		if err := oidc.SetIssuerURL(ctx, url); err == nil {
			t.Errorf("issuer URL %q passed", url)
		}
	}
	// A member without a tenant has no issuer of its own.
	id := c.publisher.Member().ID()
	c.accept(c.propose(c.consumer, governance.SetMemberData(id, governance.MemberData{Identifier: "publisher"})), c.both()...)
	wantCode(t, oidc.SetIssuerURL(ctx, "https://host/path"), "NoTenantId")
}

func TestIssuerDocuments(t *testing.T) {
	const issuer = "https://host/path"
	good := json.RawMessage(`{"keys":[{"kty":"RSA","kid":"k","n":"AQ","e":"AQAB"}]}`)
	configuration, jwks, err := governance.IssuerDocuments(issuer, good)
	if err != nil || string(jwks) != string(good) {
		t.Fatalf("%s, %v", jwks, err)
	}
	checkConfiguration(t, configuration, issuer)
	for name, keys := range map[string]string{
		"no JSON":         "x",
		"no keys":         `{"keys":[]}`,
		"private RSA key": `{"keys":[{"kty":"RSA","kid":"k","n":"AQ","e":"AQAB","d":"AQ"}]}`,
		"RSA factor":      `{"keys":[{"kty":"RSA","kid":"k","n":"AQ","e":"AQAB","p":"AQ"}]}`,
		"symmetric key":   `{"keys":[{"kty":"oct","kid":"k","k":"AQ"}]}`,
	} {
		if _, _, err := governance.IssuerDocuments(issuer, json.RawMessage(keys)); err == nil {
			t.Errorf("%s: passed", name)
		}
	}
	if _, _, err := governance.IssuerDocuments("http://host", good); err == nil {
		t.Error("an issuer without TLS passed")
	}
}
