package vaultsigner_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/governance/vaultsigner"
)

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// TestMember lets a member found a consortium whose key never was outside the
// vault: it activates itself, proposes, votes, and calls the application with
// its certificate over TLS.
func TestMember(t *testing.T) {
	for _, crv := range []string{"P-256", "P-384", "P-521"} {
		t.Run(crv, func(t *testing.T) {
			v := newVault(t)
			m, err := vaultsigner.Member(t.Context(), v.newCertificate("member", crv), v.conn.Credential(), v.options())
			v.check(err)
			v.check(v.env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: m.CertificatePEM(), Identifier: "member"}))
			client, err := governance.NewClient(v.env.LedgerURL(), m, &governance.ClientOptions{
				ServiceCertificate: v.env.ServiceCertificate(), DialContext: v.conn.DialContext, PollInterval: 5 * time.Millisecond,
			})
			v.check(err)
			defer client.Close()
			ctx := t.Context()
			v.check(client.Activate(ctx))
			p, err := client.Propose(ctx, governance.OpenService(v.env.ServiceCertificate()))
			v.check(err)
			p, err = client.Proposal(p.ID).Vote(ctx, true)
			v.check(err)
			if p.State != governance.ProposalAccepted || !p.FinalVotes[m.ID()] {
				t.Fatalf("proposal is %s, votes %v", p.State, p.FinalVotes)
			}
			v.check(client.WaitReady(ctx))
			if _, err := client.Contract("k").Create(ctx, "data"); err != nil {
				t.Fatal(err)
			}
			// The handshake, two messages to become active, a proposal and a vote.
			if n := v.signatures.Load(); n != 5 {
				t.Errorf("%d signatures, want 5", n)
			}
		})
	}
}

// TestCertificateAnswers has vaults that show another certificate, or name a key
// that is elsewhere: the credential would follow.
func TestCertificateAnswers(t *testing.T) {
	v := newVault(t)
	id := v.newCertificate("member", "P-256")
	other, _, err := vaultsigner.Certificate(t.Context(), v.newCertificate("other", "P-256"), v.conn.Credential(), v.options())
	v.check(err)
	set := func(name string, value any) func(map[string]any) int {
		return func(doc map[string]any) int { doc[name] = value; return 0 }
	}
	asked := 0
	for name, test := range map[string]struct {
		change func(map[string]any) int
		says   string
	}{
		"nothing":             {func(doc map[string]any) int { clear(doc); return 0 }, "another certificate"},
		"another name":        {set("id", v.url+"/certificates/other/1"), "another certificate"},
		"another vault":       {set("id", "https://evil.example/certificates/member/1"), "another certificate"},
		"key elsewhere":       {set("kid", "https://evil.example/keys/member/1"), "none of this vault"},
		"key without version": {set("kid", v.url+"/keys/member"), "none of this vault"},
		"no key":              {set("kid", ""), "none of this vault"},
		"damaged":             {set("cer", "AAAA"), "vaultsigner: read certificate"},
		"not base64":          {set("cer", "*"), "not what a vault sends"},
		"another's":           {set("cer", base64.StdEncoding.EncodeToString(other.Raw)), "does not belong to the certificate"},
		"forbidden":           {refusal(http.StatusForbidden, "Forbidden", "ForbiddenByRbac"), "Key Vault Certificate User"},
		"not found":           {refusal(http.StatusNotFound, "CertificateNotFound", ""), "404 CertificateNotFound"},
		"redirect":            {func(map[string]any) int { return http.StatusTemporaryRedirect }, "the vault answered 307"},
	} {
		t.Run(name, func(t *testing.T) {
			asked++
			v.when("/certificates/", test.change)
			_, err := vaultsigner.Member(t.Context(), id, v.conn.Credential(), v.options())
			wantText(t, err, "vaultsigner: ", test.says)
		})
	}
	if asked != 12 || v.signatures.Load() != 0 {
		t.Errorf("%d cases, %d signatures", asked, v.signatures.Load())
	}
	v.change = nil
	_, err = vaultsigner.Member(t.Context(), v.url+"/certificates/nobody", v.conn.Credential(), v.options())
	wantText(t, err, "404 CertificateNotFound", "remedy check the name")
}
