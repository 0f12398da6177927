package governance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/cleanroom-go/sdk/governance"
)

// FuzzReview reviews what another member may have signed, and what a service
// may answer. The review must end, and its text must be fit for a terminal.
func FuzzReview(f *testing.F) {
	f.Add(`{"actions":[{"name":"set_contract","args":{"contractId":"k","contract":{"data":"x","version":"2.1"}}}]}`, `{"id":"k","state":"Accepted","data":{"a":[1]}}`)
	f.Add(`{"actions":[{"name":"set_clean_room_policy","args":{"contractId":"k","type":"remove","claims":{"x-ms-ver":["1",true,null]}}}]}`, `{"policy":{"x-ms-ver":["1",{}]}}`)
	f.Add(`{"actions":[{"name":"set_deployment_spec","args":{"contractId":"k","spec":{"data":[{"ccePolicy":"QQ=="},[]]}}}]}`, `{"data":{"a":{"b":[]}}}`)
	f.Add(`{"actions":[{"name":"set_member_data","args":{"member_id":"x","member_data":[]}},{"name":"remove_member","args":{}}]}`, `[]`)
	f.Add(`{"actions":[{"name":"set_js_app","args":{"bundle":{"modules":[1,{"name":"\u001b[2J"}]}}},{"name":"\u202e","args":1e999}]}`, `{"endpoints":{"/":null}}`)
	f.Add(`{"actions":[{"name":"set_jwt_issuer","args":null},{"name":"set_cgs_runtime_options","args":{"option":"a/b"}}]}`, `null`)
	id := strings.Repeat("0", 64)
	f.Fuzz(func(t *testing.T, signed, stored string) {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
			switch path := r.URL.Path; {
			case strings.HasSuffix(path, "/actions"):
				return respond(r, http.StatusOK, nil, signed), nil
			case strings.HasSuffix(path, "/proposals/"+id):
				return respond(r, http.StatusOK, nil, fmt.Sprintf(`{"proposalId":%q,"proposalState":"Open"}`, id)), nil
			case strings.HasSuffix(path, "/members"):
				return respond(r, http.StatusOK, nil, `{"value":[]}`), nil
			}
			return respond(r, http.StatusOK, nil, stored), nil
		})
		review, err := client.Proposal(id).Review(t.Context(), nil)
		if err != nil {
			return
		}
		var doc struct{ Actions []json.RawMessage }
		if json.Unmarshal([]byte(signed), &doc) == nil && len(doc.Actions) != len(review.Changes) {
			t.Errorf("%d changes of %d actions", len(review.Changes), len(doc.Actions))
		}
		for _, r := range review.String() {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Fatalf("the text has %U", r)
			}
		}
	})
}

// TestReviewPassesRefusalsOn ends with the service's own refusal if a read fails in
// the middle.
func TestReviewPassesRefusalsOn(t *testing.T) {
	c, k := withContract(t)
	p, err := k.ProposeLogging(t.Context())
	c.check(err)
	for _, suffix := range []string{"/members", "/actions", "/runtimeoptions/logging/status"} {
		client := c.client(c.publisher.Member(), func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, suffix) {
					return respond(r, http.StatusNotFound, nil, `{"error":{"code":"ResourceNotFound","message":"Gone."}}`), nil
				}
				return next.RoundTrip(r)
			})
		})
		r, err := client.Proposal(p.ID).Review(t.Context(), nil)
		var se *governance.ServiceError
		if r != nil || !errors.As(err, &se) || se.Code != "ResourceNotFound" {
			t.Errorf("%s: %v, %v", suffix, r, err)
		}
	}
}
