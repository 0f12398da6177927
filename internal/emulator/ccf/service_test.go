package ccf

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

// contains checks that a GET answers 200 with a body that holds the text.
func (n *network) contains(path, want string) {
	n.Helper()
	a := n.do(http.MethodGet, path, nil, "", nil)
	n.want(a, http.StatusOK, "")
	if !strings.Contains(string(a.raw), want) {
		n.Errorf("GET %s: %s lacks %s", path, a.raw, want)
	}
}

func TestServiceReads(t *testing.T) {
	a, user := newParty(t, "a"), newParty(t, "user")
	n := newNetwork(t, a)
	const v = "?api-version=2024-07-01"
	n.contains("/node/network", `"service_status":"Open"`)
	n.contains("/node/version", ccfVersion)
	n.contains("/gov/service/info"+v, `"status":"Open"`)
	n.contains("/gov/service/nodes"+v, `"Trusted"`)
	n.contains("/gov/service/members/"+a.id()+v, `"status":"Active"`)
	n.contains("/gov/members/state-digests/"+a.id()+v, a.id())
	n.contains("/gov/service/transactions/2.1"+v, `"Committed"`)
	n.contains("/gov/service/transactions/1.1"+v, `"Invalid"`)
	n.contains("/gov/service/transactions/commit"+v, `"Committed"`)
	n.contains("/gov/service/constitution"+v, "built in")
	n.contains("/gov/service/javascript-app"+v, `{"endpoints":{}}`)
	n.contains("/gov/service/join-policy"+v, "{}")
	n.contains("/gov/service/jwk"+v, "{}")
	unknown := strings.Repeat("ab", 32)
	for _, kind := range []string{"members", "users"} {
		n.want(n.do(http.MethodGet, "/gov/service/"+kind+"/"+unknown+v, nil, "", nil), http.StatusNotFound, "ResourceNotFound")
		n.want(n.do(http.MethodGet, "/gov/service/"+kind+"/x"+v, nil, "", nil), http.StatusBadRequest, "InvalidResourceName")
	}

	all := []*party{a}
	n.accept(all, "set_user", map[string]any{"cert": user.pem(), "user_data": map[string]any{"tenantId": "tenant-user"}})
	n.contains("/gov/service/users"+v, memberID(user.cert))
	n.contains("/gov/service/users/"+user.id()+v, "tenant-user")
	n.want(n.app(http.MethodGet, "contracts", user, nil), http.StatusOK, "")
	n.want(n.app(http.MethodPut, "contracts/c", user, map[string]any{"data": "d"}), http.StatusUnauthorized, "InvalidAuthenticationInfo")
	n.accept(all, "remove_user", map[string]any{"user_id": user.id()})
	n.want(n.app(http.MethodGet, "contracts", user, nil), http.StatusUnauthorized, "InvalidAuthenticationInfo")

	n.accept(all, "set_js_app", map[string]any{"bundle": map[string]any{
		"metadata": map[string]any{"endpoints": map[string]any{"/contracts": map[string]any{}}},
		"modules":  []any{map[string]any{"name": "/endpoints/contracts.js", "module": "export {}"}},
	}})
	n.contains("/gov/service/javascript-app"+v, `"/contracts"`)
	n.contains("/gov/service/javascript-modules"+v, `"/endpoints/contracts.js"`)
	n.contains("/gov/service/javascript-modules/%2Fendpoints%2Fcontracts.js"+v, "export {}")
}

func TestExceptionsAreShownOnRequest(t *testing.T) {
	a := newParty(t, "a")
	n := newNetwork(t, a)
	broken := func() answer { return n.do(http.MethodPut, "/app/contracts/c", a, "application/json", []byte("{")) }
	silent := broken()
	n.want(silent, http.StatusInternalServerError, "InternalError")
	if silent.Error.Details != nil {
		t.Errorf("details %v before they were asked for", silent.Error.Details)
	}
	n.accept([]*party{a}, "set_js_runtime_options", map[string]any{
		"max_heap_bytes": 104857600, "max_stack_bytes": 1048576, "max_execution_time_ms": 1000, "return_exception_details": true,
	})
	if got := broken(); len(got.Error.Details) != 1 || got.Error.Details[0].Code != "JSException" {
		t.Errorf("details %v", got.Error.Details)
	}
}

// A contract operator's own proposals pass once the members said so.
func TestAutoApproval(t *testing.T) {
	a, o := newParty(t, "a"), newParty(t, "o")
	n := newNetwork(t, a)
	n.accept([]*party{a}, "set_member", map[string]any{"cert": o.pem(), "member_data": map[string]any{"cgsRoles": map[string]any{"contractOperator": "true"}}})
	n.activate(o)
	n.acceptContract([]*party{a}, "c")
	spec := map[string]any{"contractId": "c", "spec": map[string]any{"data": map[string]any{"v": 1}}}
	n.wantState(n.propose(o, "set_deployment_spec", spec), stateOpen)
	const option = "autoapprove-deploymentspec-proposal"
	if got := n.app(http.MethodPost, "runtimeoptions/"+option+"/status", a, nil); got.Status != "disabled" {
		t.Errorf("status %q before", got.Status)
	}
	n.accept([]*party{a}, "set_cgs_runtime_options", map[string]any{"option": option, "status": "enabled"})
	if got := n.app(http.MethodPost, "runtimeoptions/"+option+"/status", a, nil); got.Status != "enabled" {
		t.Errorf("status %q after", got.Status)
	}
	n.want(n.app(http.MethodPost, "runtimeoptions/other/status", a, nil), http.StatusBadRequest, "InvalidOption")
	n.wantState(n.propose(o, "set_deployment_spec", spec), stateAccepted)
	n.wantState(n.propose(a, "set_deployment_spec", spec), stateOpen)
	n.wantState(n.propose(o, "set_deployment_info", map[string]any{"contractId": "c", "info": map[string]any{"data": 1}}), stateOpen)
	if got := n.app(http.MethodPost, "contracts/c/deploymentinfo", nil, nil); !strings.Contains(string(got.raw), `"data":{}`) {
		t.Errorf("info %s", got.raw)
	}
}

func (n *network) withToken(method, path, token string, body string) answer {
	n.Helper()
	r := httptest.NewRequest(method, "/app/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	n.ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
}

func TestTokenUsers(t *testing.T) {
	a := newParty(t, "a")
	all := []*party{a}
	n := newNetwork(t, a)
	key, err := roomKey()
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{Subject: pkix.Name{CommonName: "issuer"}}
	cert, err := testpki.Sign(tmpl, key.Public(), tmpl, key)
	if err != nil {
		t.Fatal(err)
	}
	token := func(alg, claims string) string {
		b64 := base64.RawURLEncoding.EncodeToString
		input := b64([]byte(`{"alg":"`+alg+`","kid":"k"}`)) + "." + b64([]byte(claims))
		digest := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + b64(signature)
	}
	exp := time.Now().Add(time.Hour).Unix()
	good := token("RS256", fmt.Sprintf(`{"iss":"https://issuer.example","exp":%d,"oid":"u","tid":"t"}`, exp))
	status := func(name, token string, want int) {
		t.Helper()
		if got := n.withToken(http.MethodGet, "contracts", token, ""); got.status != want {
			t.Errorf("%s: status %d, want %d: %s", name, got.status, want, got.raw)
		}
	}
	status("unknown key", good, 401)
	n.accept(all, "set_jwt_issuer", map[string]any{"issuer": "https://issuer.example"})
	certified := map[string]any{"kid": "k", "kty": "RSA", "x5c": []any{base64.StdEncoding.EncodeToString(cert.Raw)}}
	numbers := map[string]any{"kid": "k", "kty": "RSA", "n": base64.RawURLEncoding.EncodeToString([]byte{1, 0, 1}), "e": "AQAB", "x5c": certified["x5c"]}
	keys := func(list ...any) map[string]any {
		return map[string]any{"issuer": "https://issuer.example", "jwks": map[string]any{"keys": list}}
	}
	n.accept(all, "set_jwt_public_signing_keys", keys(numbers))
	status("numbers before the certificate", good, 401)
	n.accept(all, "set_jwt_public_signing_keys", keys(certified, numbers))
	status("unknown user", good, 403)
	n.accept(all, "set_user_identity", map[string]any{"id": "u", "accountType": "microsoft", "data": map[string]any{"tenantId": "t"}})
	status("registered user", good, 200)
	status("not a token", "x", 401)
	status("other algorithm", token("HS256", fmt.Sprintf(`{"iss":"https://issuer.example","exp":%d,"oid":"u","tid":"t"}`, exp)), 401)
	status("other issuer", token("RS256", fmt.Sprintf(`{"iss":"https://other.example","exp":%d,"oid":"u","tid":"t"}`, exp)), 401)
	status("not yet valid", token("RS256", fmt.Sprintf(`{"iss":"https://issuer.example","nbf":%d,"exp":%d,"oid":"u","tid":"t"}`, exp, exp)), 401)
	status("no expiry", token("RS256", `{"iss":"https://issuer.example","oid":"u","tid":"t"}`), 401)
	status("list as tenant", token("RS256", fmt.Sprintf(`{"iss":"https://issuer.example","exp":%d,"oid":"u","tid":[]}`, exp)), 403)

	// An event by token needs a policy that names the token's claims.
	n.acceptContract(all, "c")
	event := `{"sign":{"x":1},"timestamp":"1","data":"e30="}`
	if got := n.withToken(http.MethodPut, "contracts/c/events", good, event); !strings.Contains(string(got.raw), "VerifyJwtAttestationFailed") {
		t.Errorf("event without policy: %s", got.raw)
	}
	n.accept(all, "set_clean_room_policy", map[string]any{"contractId": "c", "type": "add", "policyType": "jwt", "claims": map[string]any{"oid": "u"}})
	if got := n.withToken(http.MethodPut, "contracts/c/events", good, event); !strings.Contains(string(got.raw), "SignatureMismatch") {
		t.Errorf("event with policy and without signature: %s", got.raw)
	}
	n.accept(all, "remove_user_identity", map[string]any{"id": "u"})
	status("removed user", good, 403)
	n.accept(all, "remove_jwt_issuer", map[string]any{"issuer": "https://issuer.example"})
	status("removed issuer", good, 401)
}

func TestBase64IsLenient(t *testing.T) {
	for in, want := range map[string]string{"aGVsbG8=": "hello", "aGVs bG8": "hello", "-_8=": "\xfb\xff", "+/8": "\xfb\xff", "***": "", "": ""} {
		if got, err := decodeBase64(in); err != nil || string(got) != want {
			t.Errorf("decodeBase64(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := decodeBase64("aGVsb"); err == nil {
		t.Error("a remainder of one letter decodes")
	}
}
