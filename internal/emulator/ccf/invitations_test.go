package ccf

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

// tokens makes the members trust issuers, and returns what posts with a token
// of the claims.
func (n *network) tokens(all []*party, issuers ...string) func(path string, claims map[string]any) answer {
	n.Helper()
	key, err := roomKey()
	if err != nil {
		n.Fatal(err)
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "issuer"}}
	cert, err := testpki.Sign(template, key.Public(), template, key)
	if err != nil {
		n.Fatal(err)
	}
	for _, issuer := range issuers {
		n.accept(all, "set_jwt_issuer", map[string]any{"issuer": issuer, "jwks": map[string]any{"keys": []any{map[string]any{
			"kid": issuer, "kty": "RSA", "x5c": []any{base64.StdEncoding.EncodeToString(cert.Raw)},
		}}}})
	}
	return func(path string, claims map[string]any) answer {
		n.Helper()
		part := func(v any) string {
			b, err := json.Marshal(v)
			if err != nil {
				n.Fatal(err)
			}
			return base64.RawURLEncoding.EncodeToString(b)
		}
		claims["exp"] = time.Now().Unix() + 60
		input := part(map[string]any{"alg": "RS256", "kid": claims["iss"]}) + "." + part(claims)
		digest := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			n.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/app/"+path, nil)
		r.TLS = &tls.ConnectionState{}
		r.Header.Set("Authorization", "Bearer "+input+"."+base64.RawURLEncoding.EncodeToString(signature))
		w := httptest.NewRecorder()
		n.ServeHTTP(w, r)
		a := answer{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
		if len(a.raw) > 0 {
			if err := json.Unmarshal(a.raw, &a); err != nil {
				n.Fatal(err)
			}
		}
		return a
	}
}

// TestInvitedByUPN lets upn stand in for the name in old tokens of Entra alone.
func TestInvitedByUPN(t *testing.T) {
	a := newParty(t, "a")
	all := []*party{a}
	n := newNetwork(t, a)
	const common, sts, own, other = "https://login.microsoftonline.com/common/v2.0", "https://sts.windows.net/t/", "https://login.microsoftonline.com/t/v2.0", "https://other.example"
	post := n.tokens(all, common, sts, own, other)
	for i, tc := range []struct {
		iss, ver, tid string
		status        int
		code          string
	}{
		{common, "1.0", "x", http.StatusOK, ""},
		{sts, "1.0", "t", http.StatusOK, ""},
		{own, "1.0", "t", http.StatusOK, ""},
		{sts, "1.0", "x", http.StatusForbidden, "TokenClaimMissing"},
		{own, "1.0", "x", http.StatusForbidden, "TokenClaimMissing"},
		{sts, "2.0", "t", http.StatusForbidden, "TokenClaimMissing"},
		{other, "1.0", "t", http.StatusForbidden, "TokenClaimMissing"},
	} {
		id := string(rune('a' + i))
		n.accept(all, "set_user_invitation_by_jwt_claims", map[string]any{"invitationId": id, "type": "add", "accountType": "microsoft", "claims": map[string]any{"preferred_username": "u@t"}})
		got := post("users/invitations/"+id+"/accept", map[string]any{"iss": tc.iss, "ver": tc.ver, "tid": tc.tid, "oid": "o", "upn": "u@t"})
		if got.status != tc.status || got.Error.Code != tc.code {
			t.Errorf("%+v: %d %s", tc, got.status, got.raw)
		}
	}
}

func TestInvitationRefusals(t *testing.T) {
	a := newParty(t, "a")
	all := []*party{a}
	n := newNetwork(t, a)
	post := n.tokens(all, "https://issuer.example")
	set := func(change func(map[string]any)) answer {
		args := map[string]any{"invitationId": "i", "type": "add", "accountType": "microsoft", "claims": map[string]any{"tid": "t"}}
		change(args)
		return n.propose(a, "set_user_invitation_by_jwt_claims", args)
	}
	for _, change := range []func(map[string]any){
		func(m map[string]any) { delete(m, "invitationId") },
		func(m map[string]any) { m["type"] = "set" },
		func(m map[string]any) { m["accountType"] = "google" },
		func(m map[string]any) { m["claims"] = map[string]any{"oid": "x"} },
		func(m map[string]any) { delete(m, "claims") },
	} {
		n.want(set(change), http.StatusBadRequest, "ProposalFailedToValidate")
	}
	claims := func() map[string]any {
		return map[string]any{"iss": "https://issuer.example", "tid": "t", "oid": "o"}
	}
	n.accept(all, "set_user_invitation_by_jwt_claims", map[string]any{"invitationId": "i", "type": "add", "accountType": "microsoft", "claims": map[string]any{"tid": "t"}})
	// Neither a member nor nobody can accept it.
	n.want(n.app(http.MethodPost, "users/invitations/i/accept", a, nil), http.StatusUnauthorized, "InvalidAuthenticationInfo")
	n.want(n.app(http.MethodPost, "users/identities/self/status", a, nil), http.StatusUnauthorized, "InvalidAuthenticationInfo")
	// One without claims is for nobody.
	n.accept(all, "set_user_invitation_by_jwt_claims", map[string]any{"invitationId": "i", "type": "remove", "accountType": "microsoft", "claims": map[string]any{"tid": "t"}})
	n.want(post("users/invitations/i/accept", claims()), http.StatusInternalServerError, "InternalError")
	n.accept(all, "remove_user_invitation_by_jwt_claims", map[string]any{"invitationId": "i"})
	n.want(post("users/invitations/i/accept", claims()), http.StatusNotFound, "InvitationNotFound")
	n.want(post("users/invitations/i", claims()), http.StatusNotFound, "InvitationNotFound")
	n.want(post("users/identities/x", claims()), http.StatusForbidden, "CallerNotAuthorized")
	n.want(n.app(http.MethodPost, "users/identities/x", a, nil), http.StatusNotFound, "UserIdentityNotFound")
}
