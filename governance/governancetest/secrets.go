package governancetest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// secrets has what members store for rooms.
func (s *suite) secrets(ctx context.Context, t *testing.T) {
	mine, theirs := s.founder.Contract(s.contract), s.newcomer.Contract(s.contract)
	var ids []string
	for _, k := range []struct {
		contract *governance.ContractClient
		member   *governance.Client
	}{{mine, s.founder}, {theirs, s.newcomer}} {
		for range 2 { // the second value replaces the first
			id, err := k.contract.PutSecret(ctx, "dbconfig", "value")
			check(t, err)
			equal(t, "id of a secret", id, governance.SecretID(k.member.Member().ID(), "dbconfig"))
			ids = append(ids, id)
		}
	}
	id, err := mine.PutSecret(ctx, "largest", strings.Repeat("x", governance.MaxSecret))
	check(t, err)
	ids = append(ids, id)
	list, err := theirs.Secrets(ctx)
	check(t, err)
	slices.Sort(list)
	slices.Sort(ids)
	if !slices.Equal(list, slices.Compact(ids)) {
		t.Errorf("secrets %q, want %q", list, ids)
	}

	_, err = mine.PutSecret(ctx, "large", strings.Repeat("x", governance.MaxSecret+1))
	s.refuses(t, err, "ValueTooLarge")
	_, err = mine.PutSecret(ctx, "empty", "")
	s.refuses(t, err, "ValueMissing")
	for _, name := range []string{"a/b", "a%2Fb", "a b", "..", "?"} {
		_, err = mine.PutSecret(ctx, name, "value")
		s.refuses(t, err, "InvalidResourceName")
	}
	_, err = s.stranger.Contract(s.contract).PutSecret(ctx, "name", "value")
	s.refuses(t, err, "AttestationMissing")
	_, err = s.stranger.Contract(s.contract).Secrets(ctx)
	s.refuses(t, err, "InvalidAuthenticationInfo")
	again, err := theirs.Secrets(ctx)
	check(t, err)
	equal(t, "secrets after the refusals", len(again), len(list))
}

// issuer has the token issuer, up to the documents that a party publishes.
func (s *suite) issuer(ctx context.Context, t *testing.T) {
	oidc := s.founder.OIDC()
	info, err := oidc.Info(ctx)
	check(t, err)
	if s.withIssuer = info.Enabled; !s.withIssuer {
		_, err := oidc.GenerateSigningKey(ctx)
		s.refuses(t, err, "OidcIssuerNotEnabled")
		_, err = oidc.Keys(ctx)
		s.refuses(t, err, "SigningKeyNotAvailable")
	}
	// Once it is enabled, another proposal changes nothing.
	accept(ctx, t, propose(ctx, t, s.founder, governance.EnableOIDCIssuer(strings.Repeat("0", 32))), s.both()...)
	kid, err := oidc.GenerateSigningKey(ctx)
	check(t, err)
	again, err := s.newcomer.OIDC().GenerateSigningKey(ctx)
	check(t, err)
	equal(t, "key id the second time", again, kid)
	keys, err := oidc.Keys(ctx)
	check(t, err)
	var set struct {
		Keys []struct {
			KID string `json:"kid"`
			KTY string `json:"kty"`
		} `json:"keys"`
	}
	check(t, json.Unmarshal(keys, &set))
	if len(set.Keys) != 1 || set.Keys[0].KID != kid || set.Keys[0].KTY != "RSA" {
		t.Errorf("key set %s, want key %s", keys, kid)
	}

	issuerURL := "https://issuer.example/" + s.id
	s.refuses(t, s.newcomer.OIDC().SetIssuerURL(ctx, issuerURL), "NoTenantId")
	check(t, oidc.SetIssuerURL(ctx, issuerURL))
	info, err = oidc.Info(ctx)
	check(t, err)
	equal(t, "issuer of the tenant", info.TenantIssuerURL, issuerURL)
	equal(t, "tenant", info.TenantID, s.tenant)
	equal(t, "issuer enabled", info.Enabled, true)
	_, jwks, err := governance.IssuerDocuments(issuerURL, keys)
	check(t, err)
	equal(t, "published keys", string(jwks), string(keys))
}
