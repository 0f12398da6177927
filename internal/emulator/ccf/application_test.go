package ccf

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
)

func TestPolicyAddAndRemove(t *testing.T) {
	a := newParty(t, "a")
	all := []*party{a}
	n := newNetwork(t, a)
	n.acceptContract(all, "c")
	set := func(kind string, claims map[string]any) {
		t.Helper()
		n.accept(all, "set_clean_room_policy", map[string]any{"contractId": "c", "type": kind, "claims": claims})
	}
	want := func(policy map[string][]any) {
		t.Helper()
		if got := n.app(http.MethodPost, "contracts/c/cleanroompolicy", a, nil); !reflect.DeepEqual(got.Policy, policy) {
			t.Fatalf("policy %v, want %v", got.Policy, policy)
		}
	}
	set("add", map[string]any{"x-ms-sevsnpvm-hostdata": "aa", "x-ms-sevsnpvm-is-debuggable": true, "x-ms-sevsnpvm-vmpl": []any{0, 1, 1}})
	want(map[string][]any{"x-ms-sevsnpvm-hostdata": {"aa"}, "x-ms-sevsnpvm-is-debuggable": {true}, "x-ms-sevsnpvm-vmpl": {0.0, 1.0}})
	set("add", map[string]any{"x-ms-sevsnpvm-hostdata": []any{"bb", "aa"}, "x-ms-sevsnpvm-is-debuggable": false})
	want(map[string][]any{"x-ms-sevsnpvm-hostdata": {"aa", "bb"}, "x-ms-sevsnpvm-is-debuggable": {false}, "x-ms-sevsnpvm-vmpl": {0.0, 1.0}})
	set("remove", map[string]any{"x-ms-sevsnpvm-hostdata": "aa", "x-ms-sevsnpvm-is-debuggable": true, "x-ms-sevsnpvm-vmpl": []any{0, 1}})
	want(map[string][]any{"x-ms-sevsnpvm-hostdata": {"bb"}})
	p := n.propose(a, "set_clean_room_policy", map[string]any{"contractId": "c", "type": "remove", "claims": map[string]any{"x-ms-sevsnpvm-vmpl": 0}})
	n.want(n.vote(a, p.ProposalID, true), http.StatusInternalServerError, "InternalError")
	want(map[string][]any{"x-ms-sevsnpvm-hostdata": {"bb"}})
}

// agreed is a network with an accepted contract c and a policy for the room.
func agreed(t *testing.T) (*network, []*party, *room) {
	t.Helper()
	a, b := newParty(t, "a"), newParty(t, "b")
	all := []*party{a, b}
	n := newNetwork(t, a, b)
	r := launch(t, "policy")
	n.acceptContract(all, "c")
	n.accept(all, "set_clean_room_policy", policyFor("c", r))
	return n, all, r
}

func TestSecretRelease(t *testing.T) {
	n, all, r := agreed(t)
	put := n.app(http.MethodPut, "contracts/c/secrets/db", all[0], map[string]any{"value": "hush"})
	n.want(put, http.StatusOK, "")
	path := "contracts/c/secrets/" + all[0].id() + "_db"
	get := n.app(http.MethodPost, path, nil, r.encrypted())
	n.want(get, http.StatusOK, "")
	if got := r.unwrap(t, get); got != "hush" {
		t.Errorf("secret %q", got)
	}
	refused := func(name, code string, change func(body map[string]any)) {
		t.Helper()
		body := r.encrypted()
		change(body)
		if a := n.app(http.MethodPost, path, nil, body); a.status != http.StatusBadRequest || a.Error.Code != code {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	refused("no attestation", "AttestationMissing", func(b map[string]any) { delete(b, "attestation") })
	refused("empty attestation", "VerifySnpAttestationFailed", func(b map[string]any) { b["attestation"] = map[string]any{} })
	refused("no key", "EncryptionMissing", func(b map[string]any) { delete(b, "encrypt") })
	refused("empty key", "ReportDataMismatch", func(b map[string]any) { b["encrypt"] = map[string]any{} })
	refused("another key", "ReportDataMismatch", func(b map[string]any) {
		b["encrypt"] = map[string]any{"publicKey": base64.StdEncoding.EncodeToString([]byte("other"))}
	})
	refused("unknown platform", "UnsupportedPlatform", func(b map[string]any) { b["platform"] = "tpm" })
	refused("other evidence", "VerifySnpAttestationFailed", func(b map[string]any) { b["platform"] = "snp-cvm" })
	refused("wrong host data", "VerifySnpAttestationFailed", func(b map[string]any) { b["attestation"] = launch(t, "another policy").evidence })
	refused("debuggable", "VerifySnpAttestationFailed", func(b map[string]any) {
		m, err := machine()
		if err != nil {
			t.Fatal(err)
		}
		b["attestation"] = newRoom(t, m.LaunchDebuggable([]byte("policy"))).evidence
	})
	refused("another machine", "VerifySnpAttestationFailed", func(b map[string]any) {
		m, err := snpmachine.New()
		if err != nil {
			t.Fatal(err)
		}
		b["attestation"] = newRoom(t, m.Launch([]byte("policy"))).evidence
	})
	refused("one bit of the report", "VerifySnpAttestationFailed", func(b map[string]any) {
		b["attestation"] = map[string]any{
			"evidence":     flip(t, r.evidence["evidence"].(string), 0x30),
			"endorsements": r.evidence["endorsements"],
		}
	})
	n.want(n.app(http.MethodPost, "contracts/c/secrets/nothing", nil, r.encrypted()), http.StatusNotFound, "SecretNotFound")
	n.want(n.app(http.MethodPost, "contracts/other/secrets/x", nil, r.encrypted()), http.StatusBadRequest, "VerifySnpAttestationFailed")
}

func flip(t *testing.T, encoded string, at int) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	return base64.StdEncoding.EncodeToString(b)
}

// A policy value of another type or letter case does not match.
func TestPolicyMatchIsStrict(t *testing.T) {
	r := launch(t, "policy")
	for name, claims := range map[string]map[string]any{
		"upper case": {"x-ms-sevsnpvm-hostdata": strings.ToUpper(r.hostData)},
		"text":       {"x-ms-sevsnpvm-is-debuggable": "false"},
		"number":     {"x-ms-sevsnpvm-is-debuggable": 0},
		"version":    {"x-ms-ver": 2},
		"underived":  {"x-ms-compliance-status": "azure-compliant-uvm"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newParty(t, "a")
			n := newNetwork(t, a)
			n.acceptContract([]*party{a}, "c")
			n.accept([]*party{a}, "set_clean_room_policy", map[string]any{"contractId": "c", "type": "add", "claims": claims})
			n.want(n.app(http.MethodPost, "contracts/c/secrets/x", nil, r.encrypted()), http.StatusBadRequest, "VerifySnpAttestationFailed")
		})
	}
}

func TestSecretSize(t *testing.T) {
	a := newParty(t, "a")
	n := newNetwork(t, a)
	put := func(value string) answer {
		return n.app(http.MethodPut, "contracts/c/secrets/s", a, map[string]any{"value": value})
	}
	n.want(put(""), http.StatusBadRequest, "ValueMissing")
	n.want(put(strings.Repeat("é", maxSecret)), http.StatusOK, "")
	n.want(put(strings.Repeat("x", maxSecret+1)), http.StatusBadRequest, "ValueTooLarge")
	n.want(put(strings.Repeat("𝄞", maxSecret/2)), http.StatusOK, "") // two code units each
	n.want(put(strings.Repeat("𝄞", maxSecret/2)+"x"), http.StatusBadRequest, "ValueTooLarge")
}

func TestExecutionConsent(t *testing.T) {
	n, all, r := agreed(t)
	status := func(want string) {
		t.Helper()
		body := map[string]any{"attestation": r.evidence}
		if a := n.app(http.MethodPost, "contracts/c/runtimeoptions/execution/status", nil, body); a.Status != want {
			t.Errorf("status %q, want %q: %s", a.Status, want, a.raw)
		}
	}
	set := func(p *party, verb string) {
		t.Helper()
		n.want(n.app(http.MethodPost, "contracts/c/runtimeoptions/execution/"+verb, p, nil), http.StatusOK, "")
	}
	status("enabled")
	set(all[1], "disable")
	status("disabled")
	set(all[0], "enable")
	status("disabled")
	// Consent to execution does not keep secrets back.
	n.want(n.app(http.MethodPut, "contracts/c/secrets/db", all[0], map[string]any{"value": "hush"}), http.StatusOK, "")
	n.want(n.app(http.MethodPost, "contracts/c/secrets/"+all[0].id()+"_db", nil, r.encrypted()), http.StatusOK, "")
	set(all[1], "enable")
	status("enabled")
}

func TestToken(t *testing.T) {
	n, all, r := agreed(t)
	query := "contracts/c/oauth/token?&nbf=1&exp=2&iat=1&jti=j&sub=c&tid=tenant-a&aud=api://AzureADTokenExchange"
	n.want(n.app(http.MethodPost, query, nil, r.encrypted()), http.StatusMethodNotAllowed, "SigningKeyNotAvailable")
	n.accept(all, "enable_oidc_issuer", map[string]any{"kid": "k"})
	n.want(n.app(http.MethodPost, "oidc/generateSigningKey", all[0], nil), http.StatusOK, "")
	n.want(n.app(http.MethodPost, query, nil, r.encrypted()), http.StatusMethodNotAllowed, "IssuerUrlNotSet")
	n.want(n.app(http.MethodPost, "oidc/setIssuerUrl", all[0], map[string]any{}), http.StatusBadRequest, "InvalidUrl")
	n.want(n.app(http.MethodPost, "oidc/setIssuerUrl", all[0], map[string]any{"url": "https://issuer.example"}), http.StatusOK, "")
	a := n.app(http.MethodPost, query, nil, r.encrypted())
	n.want(a, http.StatusOK, "")
	parts := strings.Split(r.unwrap(t, a), ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"aud":"api://AzureADTokenExchange","exp":"2","iss":"https://issuer.example","jti":"j","nbf":"1","sub":"c","iat":"1"}`; string(payload) != want {
		t.Errorf("claims %s, want %s", payload, want)
	}
	n.want(n.app(http.MethodPost, strings.Replace(query, "sub=c", "sub=", 1), nil, r.encrypted()), http.StatusBadRequest, "InvalidInput")
	// A rotation takes the old key away once the new one is made.
	n.accept(all, "oidc_issuer_enable_rotate_signing_key", nil)
	n.want(n.app(http.MethodPost, "oidc/generateSigningKey", all[0], nil), http.StatusOK, "")
	if keys := n.app(http.MethodGet, "oidc/keys", nil, nil); !strings.Contains(string(keys.raw), `"kid":"k-2"`) || strings.Contains(string(keys.raw), "k-1") {
		t.Errorf("keys %s", keys.raw)
	}
}

func TestTenantNeeded(t *testing.T) {
	a := newParty(t, "a")
	n := newNetwork(t, a)
	n.accept([]*party{a}, "set_member_data", map[string]any{"member_id": a.id(), "member_data": map[string]any{"identifier": "a"}})
	n.want(n.app(http.MethodPost, "oidc/setIssuerUrl", a, map[string]any{"url": "https://issuer.example"}), http.StatusBadRequest, "NoTenantId")
}

type eventList struct {
	Value []struct {
		Seqno uint64
		Data  map[string]any
	}
	NextLink string
}

func events(t *testing.T, a answer) eventList {
	t.Helper()
	var l eventList
	if err := json.Unmarshal(a.raw, &l); err != nil {
		t.Fatalf("%v in %s", err, a.raw)
	}
	return l
}

func TestEventRanges(t *testing.T) {
	n, all, r := agreed(t)
	for i := range 5 {
		body := r.signedBody(t, fmt.Sprintf(`{"n":%d}`, i), "1700000000000")
		n.want(n.app(http.MethodPut, "contracts/c/events", nil, body), http.StatusNoContent, "")
	}
	const path = "contracts/c/events?from_seqno=1"
	list := func(path string) answer { return n.app(http.MethodGet, path, all[0], nil) }
	n.want(list(path), http.StatusInternalServerError, "InternalError") // the last write is not committed yet
	first := list(path)
	n.want(first, http.StatusAccepted, "")
	if first.header.Get("Retry-After") != "1" {
		t.Error("202 without retry-after")
	}
	whole := events(t, list(path))
	if len(whole.Value) != 5 || whole.NextLink != "" {
		t.Fatalf("whole range: %d events, next %q", len(whole.Value), whole.NextLink)
	}
	// Pages of one transaction more than the number given; a page may be empty.
	var got []any
	next := fmt.Sprintf("contracts/c/events?from_seqno=%d", whole.Value[0].Seqno)
	pages := 0
	for next != "" && pages < 20 {
		n.want(list(next+"&max_seqno_per_page=2"), http.StatusAccepted, "")
		page := events(t, list(next+"&max_seqno_per_page=2"))
		for _, e := range page.Value {
			got = append(got, e.Data["n"])
		}
		next = strings.TrimPrefix(page.NextLink, "/app/")
		pages++
	}
	if want := []any{0.0, 1.0, 2.0, 3.0, 4.0}; !reflect.DeepEqual(got, want) || pages != 3 {
		t.Errorf("%d pages with %v, want 3 with %v", pages, got, want)
	}
	for _, bad := range []string{"from_seqno=0", "from_seqno=x", "from_seqno=9&to_seqno=2", "from_seqno=1&to_seqno=999999", "from_seqno=1&max_seqno_per_page=-1"} {
		n.want(list("contracts/c/events?"+bad), http.StatusInternalServerError, "InternalError")
	}
	// Contract c with scope d and contract c-d share one map, as in CGS.
	body := r.signedBody(t, `{"scoped":true}`, "1700000000000")
	n.want(n.app(http.MethodPut, "contracts/c/events?id=run&scope=d", nil, body), http.StatusNoContent, "")
	if l := events(t, list("contracts/c-d/events?id=run")); len(l.Value) != 1 {
		t.Errorf("%d events in contract c-d, want 1", len(l.Value))
	}
}

func TestEventRefusals(t *testing.T) {
	n, all, r := agreed(t)
	for name, tc := range map[string]struct {
		status int
		code   string
		body   func() map[string]any
	}{
		"no signature": {400, "SignatureMissing", func() map[string]any { return r.encrypted() }},
		"no time": {400, "TimestampMissing", func() map[string]any {
			b := r.signedBody(t, "{}", "1")
			delete(b, "timestamp")
			return b
		}},
		"time too large":   {400, "TimestampTooLarge", func() map[string]any { return r.signedBody(t, "{}", "10000000000000") }},
		"time as a number": {500, "InternalError", func() map[string]any { return r.signedBody(t, "{}", 1) }},
		"not JSON":         {500, "InternalError", func() map[string]any { return r.signedBody(t, "plain", "1") }},
		"other data": {400, "SignatureMismatch", func() map[string]any {
			b := r.signedBody(t, "{}", "1")
			b["data"] = base64.StdEncoding.EncodeToString([]byte("[]"))
			return b
		}},
	} {
		if a := n.app(http.MethodPut, "contracts/c/events", nil, tc.body()); a.status != tc.status || a.Error.Code != tc.code {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	// A member's certificate counts for nothing here.
	n.want(n.app(http.MethodPut, "contracts/c/events", all[0], map[string]any{}), http.StatusBadRequest, "AttestationMissing")
}

// What a JavaScript engine does to JSON on its way through.
func TestContractDataReserialised(t *testing.T) {
	a := newParty(t, "a")
	n := newNetwork(t, a)
	body := []byte(`{"data":{"b":1.0,"10":9007199254740993,"2":-0,"a":"<&>"}}`)
	n.want(n.do(http.MethodPut, "/app/contracts/c", a, "text/plain", body), http.StatusOK, "")
	got := n.app(http.MethodPost, "contracts/c", a, nil)
	if want := `"data":{"2":0,"10":9007199254740992,"b":1,"a":"<&>"}`; !strings.Contains(string(got.raw), want) {
		t.Errorf("%s lacks %s", got.raw, want)
	}
}

func TestTransactionIDIsVersion(t *testing.T) {
	a := newParty(t, "a")
	n := newNetwork(t, a)
	put := n.app(http.MethodPut, "contracts/c", a, map[string]any{"data": "d"})
	id := put.header.Get("x-ms-ccf-transaction-id")
	for _, want := range []string{"Pending", "Committed"} {
		if got := n.app(http.MethodGet, "tx?transaction_id="+id, nil, nil); got.Status != want {
			t.Errorf("status of %s: %q, want %q", id, got.Status, want)
		}
	}
	if got := n.app(http.MethodPost, "contracts/c", a, nil); !strings.Contains(string(got.raw), `"version":"`+id+`"`) {
		t.Errorf("%s lacks version %s", got.raw, id)
	}
	n.want(n.app(http.MethodPut, "contracts/c", a, map[string]any{"data": "e", "version": "2.1"}), http.StatusPreconditionFailed, "PreconditionFailed")
	n.want(n.app(http.MethodPut, "contracts/c", a, map[string]any{"data": "e", "version": id}), http.StatusOK, "")
}
