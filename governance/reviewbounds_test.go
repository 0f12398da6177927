package governance_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// reviewOf reviews actions that a service shows, which has the members, what is
// stored (paths and bodies by turns) and nothing else.
func reviewOf(t *testing.T, members, actions string, stored ...string) *governance.Review {
	t.Helper()
	id := strings.Repeat("0", 64)
	client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
		switch path := r.URL.Path; {
		case strings.HasSuffix(path, "/actions"):
			return respond(r, http.StatusOK, nil, `{"actions":[`+actions+`]}`), nil
		case strings.HasSuffix(path, "/proposals/"+id):
			return respond(r, http.StatusOK, nil, fmt.Sprintf(`{"proposalId":%q,"proposalState":"Open"}`, id)), nil
		case strings.HasSuffix(path, "/members"):
			return respond(r, http.StatusOK, nil, `{"value":[`+members+`]}`), nil
		case path == "/app/contracts/k":
			return respond(r, http.StatusNotFound, nil, `{"error":{"code":"ContractNotFound"}}`), nil
		}
		for i := 0; i < len(stored); i += 2 {
			if r.URL.EscapedPath() == stored[i] {
				return respond(r, http.StatusOK, nil, stored[i+1]), nil
			}
		}
		return respond(r, http.StatusOK, nil, `{}`), nil
	})
	review, err := client.Proposal(id).Review(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return review
}

// TestReviewOfBombs: a text that another member signed is not multiplied by what
// is written around its parts.
func TestReviewOfBombs(t *testing.T) {
	leaves := strings.TrimSuffix(strings.Repeat("1,", 3000), ",")
	deep := strings.Repeat("[", 3000) + leaves + strings.Repeat("]", 3000)
	long := `{"` + strings.Repeat("n", 20000) + `":[` + leaves + `]}`
	deepest := strings.Repeat(`{"a":`, 3000) + "[" + leaves + "]" + strings.Repeat("}", 3000)
	for name, action := range map[string]string{
		"template": `{"name":"set_deployment_spec","args":{"contractId":"k","spec":{"data":%s}}}`,
		"contract": `{"name":"set_contract","args":{"contractId":"k","contract":{"data":%s}}}`,
		"member":   `{"name":"set_member_data","args":{"member_id":"m","member_data":{"x":%s}}}`,
		"unknown":  `{"name":"whatever","args":{"x":%s}}`,
	} {
		for kind, bomb := range map[string]string{"lists": deep, "objects": deepest, "name": long} {
			review := reviewOf(t, "", fmt.Sprintf(action, bomb))
			n := len(review.String())
			for _, c := range review.Changes {
				for _, d := range c.Differences {
					n += len(d.Path) + len(d.Before) + len(d.After)
				}
			}
			// Twice the text, some characters around each number, and the long
			// name once more for each.
			if limit := 8*len(bomb) + 3000*2*(256+40); n > limit {
				t.Errorf("%s of deep %s: %d bytes of %d, more than %d", name, kind, n, len(bomb), limit)
			}
		}
	}
}

// TestReviewOfUnusableIDs: an id that no path carries hides neither its own
// action nor the others.
func TestReviewOfUnusableIDs(t *testing.T) {
	for _, action := range []string{
		`{"name":"set_contract","args":{"contractId":"../k\n","contract":{"data":"HIDDEN"}}}`,
		`{"name":"set_member_document","args":{"documentId":"","document":{"data":"HIDDEN"}}}`,
		`{"name":"set_clean_room_policy","args":{"contractId":"a b","type":"add","claims":{"x":"HIDDEN"}}}`,
		`{"name":"set_deployment_spec","args":{"contractId":".","spec":{"data":"HIDDEN"}}}`,
		`{"name":"enable_ca","args":{"contractId":"a?b","HIDDEN":1}}`,
		`{"name":"set_cgs_runtime_options","args":{"option":"a/b","status":"HIDDEN"}}`,
		`{"name":"set_user_invitation_by_jwt_claims","args":{"invitationId":"%2e","claims":{"HIDDEN":1}}}`,
		`{"name":"set_contract_runtime_options_enable_logging","args":{"contractId":"` + strings.Repeat("a", 257) + `","HIDDEN":1}}`,
	} {
		review := reviewOf(t, "", action+`,{"name":"set_contract","args":{"contractId":"k","contract":{"data":"SEEN","version":"2.1"}}}`)
		text := review.String()
		if review.Changes[0].Known || !slices.Contains(warningIDs(review), "action.raw") || !strings.Contains(text, "HIDDEN") || !strings.Contains(text, "SEEN") {
			t.Errorf("%s:\n%s", action, text)
		}
	}
}

// TestReviewOfTemplateNames: Azure takes a container policy under any spelling.
func TestReviewOfTemplateNames(t *testing.T) {
	review := reviewOf(t, "", strings.ReplaceAll(fmt.Sprintf(`{"name":"set_deployment_spec","args":{"contractId":"k","spec":{"data":%s}}}`, templateOf("p", "n")), "ccePolicy", "CCEPolicy"))
	if text := review.String(); !strings.Contains(text, hostDataOf("p")) {
		t.Error(text)
	}
}

// TestReviewOfStrangeCertificates: a certificate that this program cannot read
// may be one that the service can. It still tells who is meant.
func TestReviewOfStrangeCertificates(t *testing.T) {
	strange := []byte("not what crypto/x509 reads")
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: strange}))
	id := fmt.Sprintf("%x", sha256.Sum256(strange))
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	members := fmt.Sprintf(`{"memberId":%q,"status":"Active","memberData":{"identifier":"victim"},"certificate":%s}`, id, quoted)
	twice, err := json.Marshal(text + "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, cert := range []string{string(quoted), string(twice)} {
		review := reviewOf(t, members, fmt.Sprintf(`{"name":"set_member","args":{"cert":%s,"member_data":{"isOperator":1}}}`, cert))
		if ids := warningIDs(review); !slices.Contains(ids, "member.demoted") || !slices.Contains(ids, "member.operator-alone") || !strings.Contains(review.String(), "victim") {
			t.Errorf("%s", review)
		}
		review = reviewOf(t, members, fmt.Sprintf(`{"name":"remove_member","args":{"cert":%s,"member_id":%q}}`, cert, id))
		if ids := warningIDs(review); slices.Contains(ids, "member.remove-without-cert") || !strings.Contains(review.String(), "victim") {
			t.Errorf("%s", review)
		}
	}
}

// TestReviewOfModules shows what becomes of each module, whichever of its two
// spellings the proposal has.
func TestReviewOfModules(t *testing.T) {
	const modules = "/gov/service/javascript-modules"
	review := reviewOf(t, "",
		`{"name":"set_js_app","args":{"bundle":{"metadata":{"endpoints":{"/a":{"get":{"mode":"readonly"}}}},"modules":[{"name":"same.js","module":"1"},{"name":"/changed.js","module":"2"},{"name":"new.js","module":"3"}]}}}`,
		"/gov/service/javascript-app", `{"endpoints":{"/a":{"get":{"mode":"readwrite"}}}}`,
		modules, `{"value":[{"moduleName":"/same.js"},{"moduleName":"/changed.js"},{"moduleName":"/gone.js"}]}`,
		modules+"/%2Fsame.js", "1", modules+"/%2Fchanged.js", "one", modules+"/%2Fgone.js", "gone")
	sum := func(s string) string { return `"sha256:` + hostDataOf(s) + `"` }
	want := []governance.Difference{
		{Path: `endpoints["/a"].get.mode`, Before: `"readwrite"`, After: `"readonly"`},
		{Path: "module /changed.js", Before: sum("one"), After: sum("2")},
		{Path: "module /gone.js", Before: sum("gone")},
		{Path: "module /new.js", After: sum("3")},
	}
	if got := review.Changes[0].Differences; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// TestReviewOfKeys: no key of an issuer hides behind another one.
func TestReviewOfKeys(t *testing.T) {
	block, _ := pem.Decode(newMember(t, "m").CertificatePEM())
	good := base64.StdEncoding.EncodeToString(block.Bytes)
	block, _ = pem.Decode(newMember(t, "evil").CertificatePEM())
	evil := base64.StdEncoding.EncodeToString(block.Bytes)
	for name, keys := range map[string][2]string{
		"same id":                     {`{"kid":"a","x5c":["` + good + `"]}`, `{"kid":"a","x5c":["` + evil + `"]},{"kid":"a","x5c":["` + good + `"]}`},
		"number beside a certificate": {`{"kid":"a","x5c":["` + good + `"]}`, `{"kid":"a","n":"Ag","e":"AQAB","x5c":["` + good + `"]}`},
		"point beside a certificate":  {`{"kid":"a","x5c":["` + good + `"]}`, `{"kid":"a","crv":"P-256","x":"AQ","y":"AQ","x5c":["` + good + `"]}`},
		"no certificate":              {`{"kid":"a","n":"AQ","e":"AQAB"}`, `{"kid":"a","n":"Ag","e":"AQAB"}`},
		"constraint":                  {`{"kid":"a","x5c":["` + good + `"]}`, `{"kid":"a","issuer":"https://evil.example","x5c":["` + good + `"]}`},
	} {
		set := func(keys string) string {
			return `{"name":"set_jwt_public_signing_keys","args":{"issuer":"https://i.example","jwks":{"keys":[` + keys + `]}}}`
		}
		review := reviewOf(t, "", set(keys[0])+","+set(keys[1]))
		if len(review.Changes[1].Differences) == 0 {
			t.Errorf("%s: nothing changes:\n%s", name, review)
		}
	}
}

// TestReviewOfOneKey: the forms of one key are one key.
func TestReviewOfOneKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	x5c, n := base64.StdEncoding.EncodeToString(der), base64.RawURLEncoding.EncodeToString(key.N.Bytes())
	set := func(fields string) string {
		return `{"name":"set_jwt_public_signing_keys","args":{"issuer":"https://i.example","jwks":{"keys":[{"kid":"a",` + fields + `}]}}}`
	}
	review := reviewOf(t, "", set(`"x5c":["`+x5c+`"]`)+","+set(`"n":"`+n+`","e":"AQAB"`)+","+set(`"n":"`+n+`","e":"AQAB","x5c":["`+x5c+`"]`))
	if len(review.Changes[0].Differences) != 1 || len(review.Changes[1].Differences)+len(review.Changes[2].Differences) != 0 {
		t.Errorf("%s", review)
	}
}
