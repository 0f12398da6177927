package governance_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

var update = flag.Bool("update", false, "rewrite the golden files of this package")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "review", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")); got != string(want) {
		t.Errorf("%s:\nwant\n%s\ngot\n%s", file, want, got)
	}
}

var versionText = regexp.MustCompile(`version [0-9]+\.[0-9]+`)

// steady replaces what differs from run to run.
func steady(text string, c *consortium, others map[string]string) string {
	names := map[string]string{c.consumer.Member().ID(): "CONSUMER", c.publisher.Member().ID(): "PUBLISHER"}
	for id, name := range others {
		names[id] = name
	}
	for id, name := range names {
		text = strings.ReplaceAll(text, id, "<"+name+">")
		text = strings.ReplaceAll(text, id[:12]+"...", "<"+name+">")
	}
	return versionText.ReplaceAllString(text, "version <n>")
}

func warningIDs(r *governance.Review) []string {
	var ids []string
	for _, w := range r.Warnings {
		ids = append(ids, w.ID)
	}
	return ids
}

const measurement = "5feee30d6d7e1a29f403d70a4198237ddfb13051a2d6976439487c609388ed7f98189887920ab2fa0096903a0c23fca1"

func hostDataOf(policy string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(policy))) }

func templateOf(policy, name string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"resources":[{"name":%q,"properties":{"sku":"Confidential","cpu":1.0,"confidentialComputeProperties":{"ccePolicy":%q}}}]}`,
		name, base64.StdEncoding.EncodeToString([]byte(policy))))
}

// TestReview reviews, in one consortium, proposals of every kind that stay open,
// and compares the text.
func TestReview(t *testing.T) {
	c, base := commonConsortium(t)
	ctx := t.Context()
	accepted := base + "-accepted"
	c.acceptedContract(accepted, "the terms\n")
	full := governance.HostDataPolicy(hostDataOf("accepted"))
	full.Claims[governance.ClaimMeasurement], full.Claims[governance.ClaimVMPL] = measurement, 0
	c.accept(c.propose(c.consumer, governance.SetCleanRoomPolicy(accepted, full)), c.both()...)
	c.accept(c.propose(c.consumer, governance.SetDeploymentSpec(accepted, templateOf("accepted", "room"))), c.both()...)
	bare := base + "-bare"
	c.acceptedContract(bare, "the terms\n")

	newcomer := newMember(t, "newcomer")
	consumer, publisher := c.consumer.Member(), c.publisher.Member()
	publisherData := c.memberData("publisher")
	operator := publisherData
	operator.IsOperator = true
	add := func(id string, claims map[string]any) governance.Action {
		return governance.SetCleanRoomPolicy(id, governance.PolicyUpdate{Type: governance.PolicyAdd, Claims: claims})
	}
	remove := func(id string, claims map[string]any) governance.Action {
		return governance.SetCleanRoomPolicy(id, governance.PolicyUpdate{Type: governance.PolicyRemove, Claims: claims})
	}
	raw := func(name, args string) governance.Action {
		return governance.Action{Name: name, Args: json.RawMessage(args)}
	}
	quote := func(b []byte) string { s, _ := json.Marshal(string(b)); return string(s) }

	block, _ := pem.Decode(publisher.CertificatePEM())
	certText := base64.StdEncoding.EncodeToString(block.Bytes)
	cert, err := x509.ParseCertificate(block.Bytes)
	c.check(err)
	keyText := hostDataOf(string(cert.RawSubjectPublicKeyInfo))

	// A user and an issuer that are there already; they go again at the end.
	user := governance.UserIdentity{ID: "known-user", TenantID: "t1", Identifier: "known@example.org"}
	trusted := governance.SetJWTIssuer(governance.JWTIssuer{Issuer: "https://known.example", Keys: json.RawMessage(`{"keys":[{"kty":"RSA","kid":"review-known","x5c":["` + certText + `"]}]}`)})
	c.accept(c.propose(c.consumer, governance.SetUserIdentity(user), trusted), c.both()...)
	defer func() {
		c.accept(c.propose(c.consumer, governance.RemoveUserIdentity(user.ID), governance.RemoveJWTIssuer("https://known.example")), c.both()...)
	}()
	moved := user
	moved.TenantID, moved.Identifier = "t2", ""
	invite := func(kind string, claims map[string][]string) governance.Action {
		return governance.SetUserInvitation("review-invitation", governance.InvitationUpdate{Type: kind, Claims: claims})
	}
	newKeys := json.RawMessage(`{"keys":[{"kty":"RSA","kid":"review-known","x5c":["` + certText + `"]},{"kty":"RSA","kid":"review-new","x5c":["` + certText + `"]}]}`)
	document := func(args string) governance.Action {
		return raw("set_member_document", fmt.Sprintf(`{"documentId":"%s-document","document":%s}`, base, args))
	}

	tests := []struct {
		name     string
		actions  []governance.Action
		drafts   []*governance.Contract
		warnings string
	}{
		{"contract", []governance.Action{governance.SetContract(base+"-new", map[string]any{"data": "line one\nline two", "version": "2.9"})}, nil, ""},
		{"contract of a changed draft", []governance.Action{governance.SetContract(base+"-draft", map[string]any{"data": "one\ntwo\nthree\n", "version": "2.9"})},
			[]*governance.Contract{{ID: "other"}, {ID: base + "-draft", Version: "2.7", Data: "one\n2\nthree\n"}}, "contract.draft-changed"},
		{"contract that is no text", []governance.Action{governance.SetContract(base+"-object", map[string]any{"data": map[string]any{"b": 1, "a": []any{"x"}}})}, nil, "contract.unversioned"},
		{"contract that plays with the terminal", []governance.Action{governance.SetContract(base+"-esc", map[string]any{"data": "\x1b[2Jproposal accepted\r\n\u202ereversed", "version": "2.9"})}, nil, ""},
		{"two contracts", []governance.Action{governance.SetContract(base+"-1", map[string]any{"data": "1", "version": "2.1"}), governance.SetContract(base+"-2", map[string]any{"data": "2", "version": "2.1"})}, nil, "proposal.mixed"},
		{"policy, complete", []governance.Action{add(bare, full.Claims)}, nil, ""},
		{"policy, usual", []governance.Action{governance.SetCleanRoomPolicy(bare, governance.HostDataPolicy(hostDataOf("x")))}, nil, "policy.launch-measurement policy.vmpl"},
		{"policy, second host data", []governance.Action{add(accepted, map[string]any{governance.ClaimHostData: hostDataOf("second")})}, nil, "policy.host-data-many"},
		{"policy, allow all", []governance.Action{add(bare, map[string]any{governance.ClaimHostData: hostDataOf("package policy\n\napi_svn := \"0.10.0\"\n")}), add(bare, map[string]any{governance.ClaimHostData: []any{allowAll}})}, nil,
			"proposal.mixed policy.launch-measurement policy.vmpl policy.debuggable policy.host-data-many policy.allow-all policy.launch-measurement policy.vmpl policy.debuggable"},
		{"policy, debuggable", []governance.Action{add(accepted, map[string]any{governance.ClaimDebuggable: true})}, nil, "policy.debuggable"},
		{"policy, emptied", []governance.Action{remove(accepted, map[string]any{governance.ClaimHostData: hostDataOf("accepted"), governance.ClaimMeasurement: []any{measurement}})}, nil, "policy.host-data-missing policy.launch-measurement"},
		{"policy, removal that fails", []governance.Action{remove(accepted, map[string]any{governance.ClaimHostData: hostDataOf("unknown"), "x-ms-ver": "2"})}, nil, "policy.fails policy.fails"},
		{"policy, removal of a boolean", []governance.Action{remove(accepted, map[string]any{governance.ClaimDebuggable: true})}, nil, "policy.debuggable"},
		{"policy, impossible values", []governance.Action{add(bare, map[string]any{governance.ClaimHostData: strings.ToUpper(hostDataOf("x")), governance.ClaimDebuggable: "false", "x-ms-policy-hash": "x", governance.ClaimVMPL: 0, governance.ClaimMeasurement: measurement})}, nil,
			"policy.unsatisfiable policy.unsatisfiable policy.unsatisfiable"},
		{"policy of two kinds", []governance.Action{raw("set_clean_room_policy", fmt.Sprintf(`{"contractId":%q,"type":"add","policyType":"jwt","claims":{"oid":"x"}}`, accepted))}, nil, "policy.unsatisfiable"},
		{"policy for tokens", []governance.Action{raw("set_clean_room_policy", fmt.Sprintf(`{"contractId":%q,"type":"add","policyType":"jwt","claims":{"oid":"x"}}`, bare))}, nil, ""},
		{"template, first", []governance.Action{governance.SetDeploymentSpec(bare, templateOf("first", "room"))}, nil, ""},
		{"template, changed", []governance.Action{governance.SetDeploymentSpec(accepted, templateOf("other", "kitchen"))}, nil, "policy.template"},
		{"template, the same", []governance.Action{governance.SetDeploymentSpec(accepted, templateOf("accepted", "room"))}, nil, ""},
		{"template and its policy", []governance.Action{add(accepted, map[string]any{governance.ClaimHostData: hostDataOf("other")}), governance.SetDeploymentSpec(accepted, templateOf("other", "room"))}, nil, "proposal.mixed policy.host-data-many"},
		{"deployment info", []governance.Action{raw("set_deployment_info", fmt.Sprintf(`{"contractId":%q,"info":{"data":{"url":"https://room.example","a b":[1,null]}}}`, bare))}, nil, ""},
		{"options", []governance.Action{governance.EnableLogging(bare), governance.DisableLogging(bare), governance.EnableTelemetry(bare)}, nil, "proposal.mixed"},
		{"service option", []governance.Action{raw("set_cgs_runtime_options", `{"option":"autoapprove-cleanroompolicy-proposal","status":"enabled"}`)}, nil, "service.auto-approve"},
		{"new member", []governance.Action{governance.SetMember(newcomer.CertificatePEM(), governance.MemberData{Identifier: "newcomer", TenantID: "t"})}, nil, ""},
		{"active member again", []governance.Action{governance.SetMember(publisher.CertificatePEM(), publisherData)}, nil, "member.demoted"},
		{"active member as operator", []governance.Action{governance.SetMember(publisher.CertificatePEM(), operator)}, nil, "member.operator-alone member.demoted member.role"},
		{"member data", []governance.Action{raw("set_member_data", fmt.Sprintf(`{"member_id":%q,"member_data":{"identifier":"publisher","tenantId":"another","note":{"x":1}}}`, publisher.ID()))}, nil, ""},
		{"roles for all", []governance.Action{governance.SetMemberData(publisher.ID(), governance.MemberData{Identifier: "publisher", ContractOperator: true}), governance.SetMemberData(consumer.ID(), governance.MemberData{Identifier: "consumer", CGSOperator: true, IsRecoveryOperator: true})}, nil,
			"proposal.mixed member.role member.role member.no-voters"},
		{"data of nobody", []governance.Action{governance.SetMemberData(strings.Repeat("ab", 32), governance.MemberData{Identifier: "nobody"})}, nil, "member.unknown"},
		{"removed member", []governance.Action{governance.RemoveMember(publisher.ID(), publisher.CertificatePEM())}, nil, ""},
		{"removed member without certificate", []governance.Action{governance.EnableLogging(bare), raw("remove_member", fmt.Sprintf(`{"member_id":%q}`, publisher.ID()))}, nil, "proposal.mixed member.remove-without-cert"},
		{"removed member with a foreign certificate", []governance.Action{governance.RemoveMember(publisher.ID(), consumer.CertificatePEM())}, nil, "member.remove-other-cert"},
		{"removed stranger", []governance.Action{governance.RemoveMember(newcomer.ID(), newcomer.CertificatePEM())}, nil, "member.unknown"},
		{"recovery threshold", []governance.Action{governance.SetRecoveryThreshold(2), governance.SetRecoveryThreshold(1)}, nil, "proposal.mixed"},
		{"token issuer", []governance.Action{raw("set_jwt_issuer", `{"issuer":"https://issuer.example","auto_refresh":false,"jwks":{"keys":[{"kty":"RSA","kid":"k","x5c":["`+certText+`"]}]}}`), raw("remove_jwt_issuer", `{"issuer":"https://issuer.example"}`)}, nil, "proposal.mixed jwt.issuer jwt.issuer"},
		{"token keys", []governance.Action{raw("set_jwt_public_signing_keys", `{"issuer":"https://issuer.example","jwks":{"keys":[{"kty":"RSA","kid":"k","x5c":["`+certText+`"]}]}}`)}, nil, "jwt.issuer"},
		{"certificate bundle", []governance.Action{raw("set_ca_cert_bundle", `{"name":"roots","cert_bundle":`+quote(publisher.CertificatePEM())+`}`), raw("remove_ca_cert_bundle", `{"name":"roots"}`)}, nil, "proposal.mixed jwt.issuer jwt.issuer"},
		{"keys of a known token issuer", []governance.Action{governance.SetJWTKeys("https://known.example", newKeys), governance.RemoveJWTIssuer("https://known.example"), governance.RemoveJWTIssuer("https://known.example")}, nil,
			"proposal.mixed jwt.issuer jwt.issuer jwt.issuer"},
		{"known token issuer again", []governance.Action{raw("set_jwt_issuer", `{"issuer":"https://known.example","ca_cert_bundle_name":"roots"}`)}, nil, "jwt.issuer"},
		{"users", []governance.Action{governance.SetUserIdentity(moved), governance.SetUserIdentity(governance.UserIdentity{ID: "new-user", TenantID: "t3"}), governance.RemoveUserIdentity("new-user"), governance.RemoveUserIdentity("nobody")}, nil, "proposal.mixed"},
		{"invitation", []governance.Action{invite("add", map[string][]string{"email": {"a@example.org"}, "tid": {"t1"}}), invite("add", map[string][]string{"email": {"b@example.org"}}), invite("remove", map[string][]string{"tid": {"t1"}, "upn": {"x"}}), governance.RemoveUserInvitation("review-invitation")}, nil,
			"proposal.mixed policy.fails user.tenant"},
		{"document", []governance.Action{document(`{"contractId":"k","version":"2.1","data":"what else was agreed on\n"}`)}, nil, ""},
		{"document that is no text", []governance.Action{document(`{"contractId":"k","data":{"a":1}}`)}, nil, "contract.unversioned"},
		{"constitution", []governance.Action{raw("set_constitution", `{"constitution":"export function resolve() { return \"Accepted\" }\n"}`)}, nil, "service.code"},
		{"application", []governance.Action{raw("set_js_app", `{"bundle":{"metadata":{"endpoints":{"/all":{"get":{"authn_policies":["no_auth"]}}}},"modules":[{"name":"all.js","module":"export {}"}]}}`)}, nil, "service.code"},
		{"opening of another service", []governance.Action{governance.OpenService(publisher.CertificatePEM())}, nil, "service.identity"},
		{"issuer", []governance.Action{governance.EnableOIDCIssuer("kid"), raw("set_oidc_issuer_url", `{"issuer_url":"https://issuer.example"}`), raw("enable_ca", fmt.Sprintf(`{"contractId":%q}`, bare))}, nil, "proposal.mixed"},
		{"actions that are not known", []governance.Action{raw("set_js_runtime_options", `{"max_heap_bytes":1,"max_stack_bytes":12345678,"max_execution_time_ms":3}`), raw("trigger_snapshot", `"now"`)}, nil, "proposal.mixed action.raw action.raw"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := c.consumer.Propose(ctx, test.actions...)
			c.check(err)
			defer func() {
				if _, err := c.consumer.Proposal(p.ID).Withdraw(ctx); err != nil {
					t.Error(err)
				}
			}()
			r, err := c.publisher.Proposal(p.ID).Review(ctx, &governance.ReviewOptions{Drafts: test.drafts})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(warningIDs(r), " "); got != test.warnings {
				t.Errorf("warnings %s\nwant     %s", got, test.warnings)
			}
			for _, w := range r.Warnings {
				if w.Remedy == "" || w.Text == "" || w.Action >= len(r.Changes) {
					t.Errorf("warning %+v", w)
				}
				seenWarnings[w.ID] = true
			}
			if len(r.Changes) != len(test.actions) {
				t.Errorf("%d changes of %d actions", len(r.Changes), len(test.actions))
			}
			golden(t, strings.ReplaceAll(strings.ReplaceAll(test.name, ",", ""), " ", "-"), strings.NewReplacer(quote(publisher.CertificatePEM()), `"<PEM>"`, certText, "<DER>", keyText, "<KEY>").Replace(steady(r.String(), c, map[string]string{p.ID: "PROPOSAL", newcomer.ID(): "NEWCOMER"})))
		})
	}
	if len(tests) != 48 {
		t.Errorf("%d cases", len(tests))
	}
	t.Run("lies", reviewOfLies)
	for _, id := range governance.WarningIDs() {
		if !seenWarnings[id] {
			t.Errorf("no case has the warning %s", id)
		}
	}
}

// allowAll is the host data of upstream's policy that allows everything.
const allowAll = "73973b78d70cc68353426de188db5dfc57e5b766e399935fb73a61127ea26d20"

// seenWarnings are the kinds that a test provoked.
var seenWarnings = map[string]bool{}

// reviewOfLies lets the service's answers differ from what it does, as a
// service would that was taken over.
func reviewOfLies(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	version, err := c.consumer.Contract(id).Create(ctx, "the terms\n")
	c.check(err)
	p, err := c.consumer.Contract(id).Propose(ctx, version)
	c.check(err)
	other := strings.Repeat("cd", 32)
	tests := []struct {
		name, suffix, old, new string
		warning                string
	}{
		{"empty", "/actions", "", `{"actions":[]}`, "proposal.empty"},
		{"other text", "/app/contracts/" + id, "the terms", "other terms", "contract.shown"},
		{"other proposal", "/app/contracts/" + id, p.ID, other, "contract.other"},
		{"accepted", "/app/contracts/" + id, `"Proposed"`, `"Accepted"`, "contract.accepted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := c.client(c.publisher.Member(), func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(req *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(req)
					if err != nil || !strings.HasSuffix(req.URL.Path, test.suffix) {
						return resp, err
					}
					defer resp.Body.Close()
					body, err := io.ReadAll(resp.Body)
					if err != nil {
						return nil, err
					}
					text := test.new
					if test.old != "" {
						text = strings.ReplaceAll(string(body), test.old, test.new)
					}
					return respond(req, http.StatusOK, nil, text), nil
				})
			})
			r, err := client.Proposal(p.ID).Review(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(warningIDs(r), []string{test.warning}) {
				t.Errorf("warnings %q, want %s", warningIDs(r), test.warning)
			}
			seenWarnings[test.warning] = true
		})
	}

	// What a person kept of the draft, the same and with the version alone changed.
	kept := &governance.Contract{ID: id, Version: version, Data: "the terms\n"}
	r, err := c.publisher.Proposal(p.ID).Review(ctx, &governance.ReviewOptions{Drafts: []*governance.Contract{nil, kept}})
	c.check(err)
	if len(r.Warnings) != 0 {
		t.Errorf("warnings %+v", r.Warnings)
	}
	later, err := c.consumer.Contract(id).Update(ctx, "other terms\n", version)
	c.check(err)
	kept = &governance.Contract{ID: id, Version: later, Data: "other terms\n"}
	r, err = c.publisher.Proposal(p.ID).Review(ctx, &governance.ReviewOptions{Drafts: []*governance.Contract{kept}})
	c.check(err)
	if len(r.Warnings) != 1 || r.Warnings[0].ID != "contract.draft-changed" || r.Changes[0].DraftDiff != "@@ -1 +1 @@\n-other terms\n+the terms\n" {
		t.Errorf("%+v", r)
	}
}

func TestReviewRefused(t *testing.T) {
	c, k := withContract(t)
	ctx := t.Context()
	p, err := k.ProposeLogging(ctx)
	c.check(err)
	c.accept(p, c.both()...)
	_, err = c.publisher.Proposal(p.ID).Review(ctx, nil)
	wantText(t, wantDenied(t, err, "proposal.state"), "governance: review proposal ", "wanted Open", "got    Accepted")
	_, err = c.publisher.Proposal(strings.Repeat("00", 32)).Review(ctx, nil)
	wantCode(t, err, "ProposalNotFound")
	_, err = c.publisher.Proposal("x").Review(ctx, nil)
	wantText(t, err, "governance: proposal id")
	p, err = c.consumer.Propose(ctx, governance.Action{Name: "enable_oidc_issuer", Args: json.RawMessage(`{"kid":"a","Kid":"b"}`)})
	c.check(err)
	_, err = c.publisher.Proposal(p.ID).Review(ctx, nil)
	wantDenied(t, err, "proposal.names")
	_, err = c.consumer.Proposal(p.ID).Withdraw(ctx)
	c.check(err)
}
