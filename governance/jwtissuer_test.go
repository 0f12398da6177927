package governance_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

func TestTrustedIssuers(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	ctx := t.Context()
	list := func(n int) []governance.TrustedIssuer {
		t.Helper()
		got, err := c.publisher.TrustedIssuers(ctx)
		c.check(err)
		if len(got) != n {
			t.Fatalf("issuers %+v, want %d", got, n)
		}
		return got
	}
	list(0)
	p, err := newProvider()
	c.check(err)
	// Keys need an issuer.
	proposal := c.propose(c.consumer, governance.SetJWTKeys(p.issuer, p.jwks))
	_, err = c.consumer.Proposal(proposal.ID).Vote(ctx, true)
	c.check(err)
	_, err = c.publisher.Proposal(proposal.ID).Vote(ctx, true)
	wantText(t, wantCode(t, err, "InternalError"), "cannot be carried out")
	_, err = c.consumer.Proposal(proposal.ID).Withdraw(ctx)
	c.check(err)

	c.accept(c.propose(c.consumer, governance.SetCACertBundle("bundle", c.env.ServiceCertificate())), c.both()...)
	c.accept(c.propose(c.consumer, governance.SetJWTIssuer(governance.JWTIssuer{Issuer: p.issuer, CACertBundleName: "bundle"})), c.both()...)
	if i := list(1)[0]; i.Issuer != p.issuer || i.CACertBundleName != "bundle" || i.AutoRefresh || len(i.Keys) != 0 {
		t.Errorf("issuer %+v", i)
	}
	c.accept(c.propose(c.consumer, governance.SetJWTKeys(p.issuer, p.jwks)), c.both()...)
	i := list(1)[0]
	if len(i.Keys) != 1 || i.Keys[0].ID != "provider-1" || i.Keys[0].Constraint != "" {
		t.Fatalf("issuer %+v", i)
	}
	block, _ := pem.Decode(i.Keys[0].PublicKeyPEM)
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	c.check(err)
	if !p.key.PublicKey.Equal(pub) {
		t.Error("the key is another one")
	}
	c.accept(c.propose(c.consumer, governance.RemoveJWTIssuer(p.issuer), governance.RemoveCACertBundle("bundle")), c.both()...)
	list(0)

	for _, bad := range []governance.JWTIssuer{
		{Issuer: p.issuer, Keys: json.RawMessage(`{"keys":[{"kid":"a"}]}`)},
		{Issuer: p.issuer, Keys: json.RawMessage(`[]`)},
		{Issuer: p.issuer, AutoRefresh: true},
	} {
		_, err := c.consumer.Propose(ctx, governance.SetJWTIssuer(bad))
		wantCode(t, err, "ProposalFailedToValidate")
	}
	for _, body := range []string{`[]`, `{"issuers":[]}`, `{"keys":{"a":{}}}`, `{`} {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) { return respond(r, http.StatusOK, nil, body), nil })
		_, err := client.TrustedIssuers(ctx)
		wantText(t, err, "governance: list trusted issuers: the answer is not what the service sends")
	}
}

// TestTrustedIssuersOfOtherNodes reads what an older node shows, and a key
// whose issuer is not in the list.
func TestTrustedIssuersOfOtherNodes(t *testing.T) {
	client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
		return respond(r, http.StatusOK, nil, `{"issuers":{"b":{"autoRefresh":true}},"keys":{"k2":[{"certificate":"c","issuer":"b"}],"k1":[{"publicKey":"p","issuer":"b","constraint":"x"},{"publicKey":"q","issuer":"a","constraint":null}]},"caCertBundles":{}}`), nil
	})
	list, err := client.TrustedIssuers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Issuer != "a" || len(list[0].Keys) != 1 || list[0].AutoRefresh || !list[1].AutoRefresh || len(list[1].Keys) != 2 ||
		list[1].Keys[0].Constraint != "x" || string(list[1].Keys[1].PublicKeyPEM) != "c" {
		t.Errorf("%+v", list)
	}
}
