package ccf

import (
	"net/http"
	"strings"
	"testing"
)

// TestDocumentPaths uses documents through the contract's path, whose contract
// id counts for clean rooms alone.
func TestDocumentPaths(t *testing.T) {
	n, all, r := agreed(t)
	put := func(path string, body any) answer { return n.app(http.MethodPut, path, all[0], body) }
	content := map[string]any{"contractId": "c", "data": "text"}
	n.want(put("contracts/c/memberdocuments/d", map[string]any{"data": "text"}), http.StatusBadRequest, "ContractIdMissing")
	n.want(put("contracts/c/memberdocuments/d", map[string]any{"contractId": "c", "data": 0}), http.StatusBadRequest, "DataMissing")
	n.want(put("contracts/c/memberdocuments/d", content), http.StatusNotFound, "ContractNotFound") // accepted, but never drafted
	n.want(put("contracts/c2", map[string]any{"data": "terms"}), http.StatusOK, "")
	content["contractId"] = "c2"
	n.want(put("contracts/c/memberdocuments/d", content), http.StatusOK, "")
	for _, read := range [][2]string{{http.MethodGet, "memberdocuments/d"}, {http.MethodPost, "contracts/c/memberdocuments/d"}, {http.MethodPost, "contracts/other/memberdocuments/d"}} {
		if a := n.app(read[0], read[1], all[1], nil); a.status != http.StatusOK || !strings.Contains(string(a.raw), `"contractId":"c2"`) {
			t.Errorf("%s: %d %s", read[1], a.status, a.raw)
		}
	}
	for _, list := range []string{"memberdocuments", "contracts/c/memberdocuments"} {
		if a := n.do(http.MethodGet, "/app/"+list, all[1], "text/plain", nil); string(a.raw) != `[{"id":"d"}]` {
			t.Errorf("%s: %s", list, a.raw)
		}
	}
	n.want(n.app(http.MethodPost, "memberdocuments/d", all[0], nil), http.StatusMethodNotAllowed, "UnsupportedHttpVerb")
	n.want(n.app(http.MethodGet, "memberdocuments/d", newParty(t, "stranger"), nil), http.StatusUnauthorized, "InvalidAuthenticationInfo")

	n.accept(all, "set_member_document", map[string]any{"documentId": "d", "document": content})
	n.want(n.app(http.MethodPost, "contracts/c/memberdocuments/accepted/d", nil, r.encrypted()), http.StatusBadRequest, "ContractIdMismatch")
	n.want(n.app(http.MethodPost, "contracts/c/memberdocuments/accepted/x", nil, r.encrypted()), http.StatusNotFound, "DocumentNotFound")
	n.want(n.app(http.MethodPost, "contracts/c2/memberdocuments/accepted/d", nil, r.encrypted()), http.StatusBadRequest, "VerifySnpAttestationFailed")
	n.want(n.app(http.MethodPost, "contracts/c/memberdocuments/accepted/d", nil, map[string]any{}), http.StatusBadRequest, "AttestationMissing")
	n.want(n.app(http.MethodPost, "contracts/c/memberdocuments/accepted/d", nil, map[string]any{"attestation": r.evidence}), http.StatusBadRequest, "EncryptionMissing")
}

// TestDocumentRule is rule 4 of the constitution.
func TestDocumentRule(t *testing.T) {
	n, all, _ := agreed(t)
	document := func(id string) []any {
		return []any{"set_member_document", map[string]any{"documentId": id, "document": map[string]any{"contractId": "c", "data": "text"}}}
	}
	state := func(want string, nameAndArgs ...any) answer {
		t.Helper()
		a := n.propose(all[0], nameAndArgs...)
		n.want(a, http.StatusOK, "")
		n.wantState(a, want)
		return a
	}
	state(stateRejected, append(document("d"), document("d")...)...)
	open := state(stateOpen, append(document("d"), "set_contract_runtime_options_enable_logging", map[string]any{"contractId": "c"})...)
	state(stateRejected, document("d")...)
	state(stateOpen, document("e")...)
	n.wantState(n.vote(all[1], open.ProposalID, false), stateRejected)
	n.accept(all, document("d")...)
	state(stateRejected, document("d")...)
	n.want(n.propose(all[0], "set_member_document", map[string]any{"documentId": 1, "document": nil}), http.StatusBadRequest, "ProposalFailedToValidate")
}
