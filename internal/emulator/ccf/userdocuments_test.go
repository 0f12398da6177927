package ccf

import (
	"net/http"
	"testing"
)

// TestUserProposalRefusals goes through the checks in their order.
func TestUserProposalRefusals(t *testing.T) {
	n, all, r := agreed(t)
	put := func(id string, body any) answer { return n.app(http.MethodPut, "users/proposals/"+id, all[0], body) }
	approvers := []any{map[string]any{"approverId": all[0].id(), "approverIdType": "member"}}
	args := func(document any) map[string]any {
		return map[string]any{"documentId": document, "document": map[string]any{"contractId": "c", "data": "text"}}
	}
	proposal := func(document any) map[string]any {
		return map[string]any{"name": "set_user_document", "approvers": approvers, "args": args(document)}
	}
	without := func(name string, value ...any) map[string]any {
		p := proposal("d")
		delete(p, name)
		if len(value) > 0 {
			p[name] = value[0]
		}
		return p
	}
	for _, tc := range []struct {
		body   any
		status int
		code   string
	}{
		{without("approvers"), http.StatusBadRequest, "ApproversMissing"},
		{without("approvers", nil), http.StatusInternalServerError, "InternalError"},
		{without("approvers", []any{}), http.StatusBadRequest, "EmptyApprovers"},
		{without("name"), http.StatusBadRequest, "InvalidProposalType"},
		{without("name", "set_contract"), http.StatusBadRequest, "InvalidProposalType"},
		{without("args"), http.StatusInternalServerError, "InternalError"},
		{without("args", map[string]any{}), http.StatusBadRequest, "InvalidUserDocumentId"},
	} {
		n.want(put("p", tc.body), tc.status, tc.code)
	}
	// No draft is needed.
	n.want(put("p", proposal("d")), http.StatusOK, "")
	n.want(put("p", proposal("e")), http.StatusConflict, "ProposalAlreadyExists")
	n.want(put("q", proposal("d")), http.StatusConflict, "UserDocumentAlreadyProposed")
	// What no engine could compare is compared here without a panic.
	n.want(put("list", proposal([]any{"d"})), http.StatusOK, "")
	n.want(put("list2", proposal([]any{"d"})), http.StatusOK, "")

	ballot := func(p *party, value any) answer {
		return n.app(http.MethodPost, "users/proposals/p/ballots/submit", p, map[string]any{"ballot": value})
	}
	n.want(ballot(newParty(t, "stranger"), "accepted"), http.StatusUnauthorized, "InvalidAuthenticationInfo")
	n.want(ballot(all[1], "accepted"), http.StatusForbidden, "NotProposalApprover")
	n.want(ballot(all[0], "yes"), http.StatusBadRequest, "InvalidBallotValue")
	n.want(ballot(all[0], "accepted"), http.StatusOK, "")
	n.want(ballot(all[0], "accepted"), http.StatusConflict, "ProposalNotOpen")
	n.want(put("q", proposal("d")), http.StatusMethodNotAllowed, "UserDocumentAlreadyAccepted")
	n.want(n.app(http.MethodPut, "userdocuments/d", all[0], map[string]any{}), http.StatusMethodNotAllowed, "UserDocumentAlreadyAccepted")
	for _, path := range []string{"users/proposals/x", "users/proposals/x/status", "users/proposals/x/withdraw", "users/proposals/x/ballots/submit"} {
		n.want(n.app(http.MethodPost, path, all[0], nil), http.StatusNotFound, "ProposalNotFound")
	}

	n.want(n.app(http.MethodPost, "contracts/c2/userdocuments/accepted/d", nil, r.encrypted()), http.StatusBadRequest, "VerifySnpAttestationFailed")
	n.want(n.app(http.MethodPost, "contracts/c/userdocuments/accepted/x", nil, r.encrypted()), http.StatusNotFound, "UserDocumentNotFound")
	n.want(n.app(http.MethodPost, "contracts/c/userdocuments/accepted/d", nil, r.encrypted()), http.StatusOK, "")
	n.want(n.app(http.MethodPost, "contracts/c2/userdocuments/d", all[1], nil), http.StatusOK, "")
	option := "contracts/c/userdocuments/d/runtimeoptions/execution/status"
	n.want(n.app(http.MethodPost, option, nil, map[string]any{}), http.StatusBadRequest, "AttestationMissing")
	n.want(n.app(http.MethodPost, option, nil, nil), http.StatusInternalServerError, "InternalError")
	n.want(n.app(http.MethodPost, option, nil, map[string]any{"attestation": r.evidence}), http.StatusOK, "")
}

func TestLabelSelector(t *testing.T) {
	n, all, _ := agreed(t)
	n.want(n.app(http.MethodPut, "contracts/k", all[0], map[string]any{"data": "terms"}), http.StatusOK, "")
	for id, labels := range map[string]any{"one": map[string]any{"a": "1", "b": "2"}, "two": map[string]any{"a": "1"}} {
		n.want(n.app(http.MethodPut, "userdocuments/"+id, all[0], map[string]any{"contractId": "k", "data": "x", "labels": labels}), http.StatusOK, "")
	}
	n.want(n.app(http.MethodPut, "userdocuments/none", all[0], map[string]any{"contractId": "k", "data": "x"}), http.StatusOK, "")
	for query, want := range map[string]string{
		"":                         `[{"id":"none"},{"id":"one","labels":{"a":"1","b":"2"}},{"id":"two","labels":{"a":"1"}}]`,
		"?labelSelector=a:1":       `[{"id":"one","labels":{"a":"1","b":"2"}},{"id":"two","labels":{"a":"1"}}]`,
		"?labelSelector=a:1,b:2":   `[{"id":"one","labels":{"a":"1","b":"2"}}]`,
		"?labelSelector=a:1,b:3":   `[]`,
		"?labelSelector=missing:1": `[]`,
	} {
		if a := n.app(http.MethodGet, "userdocuments"+query, all[0], nil); string(a.Value) != want {
			t.Errorf("%q: %s, want %s", query, a.Value, want)
		}
	}
	for _, bad := range []string{"a", ":", "a:", ":1", "a:1,", "a:1,,b:2"} {
		n.want(n.app(http.MethodGet, "userdocuments?labelSelector="+bad, all[0], nil), http.StatusBadRequest, "InvalidParameter")
	}
}
