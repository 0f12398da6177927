package ccf

import (
	"net/http"
	"testing"
)

func TestDelegateRefusals(t *testing.T) {
	n, all, r := agreed(t)
	const path = "contracts/c/cleanroompolicy/delegates/events/writer"
	put := func(body any) answer { return n.app(http.MethodPut, path, nil, body) }
	data := func(text string) map[string]any { return r.signedBody(t, text, "1") }
	good := `{"type":"add","claims":{"x-ms-sevsnpvm-hostdata":"aa"}}`
	without := func(name string) map[string]any {
		b := data(good)
		delete(b, name)
		return b
	}
	for _, tc := range []struct {
		body any
		code string
	}{
		{without("attestation"), "AttestationMissing"},
		{without("encrypt"), "ReportDataMismatch"},
		{without("sign"), "SignatureMismatch"},
	} {
		n.want(put(tc.body), http.StatusBadRequest, tc.code)
	}
	for _, bad := range []string{
		`{"claims":{}}`, `{"type":"set","claims":{}}`, `{"type":"add"}`, `{"type":"add","claims":{"pcr0":"x"}}`, `{"type":"add","policyType":"jwt","claims":{"oid":"x"}}`,
		`{"type":"remove","claims":{"x-ms-sevsnpvm-hostdata":"aa"}}`, `null`, `{`,
	} {
		n.want(put(data(bad)), http.StatusInternalServerError, "InternalError")
	}
	// A member's certificate gives no right to it.
	n.want(n.app(http.MethodPut, path, all[0], map[string]any{}), http.StatusBadRequest, "AttestationMissing")
	if a := n.app(http.MethodGet, "contracts/c/cleanroompolicy/delegates", all[0], nil); string(a.Value) != "[]" {
		t.Errorf("refused updates left %s", a.Value)
	}
	n.want(put(data(good)), http.StatusOK, "")
	n.want(n.app(http.MethodPost, path, nil, nil), http.StatusUnauthorized, "InvalidAuthenticationInfo")
	n.want(n.app(http.MethodGet, "contracts/c/cleanroompolicy/delegates", nil, nil), http.StatusUnauthorized, "InvalidAuthenticationInfo")
	if a := n.app(http.MethodPost, path, all[0], nil); string(a.raw) != `{"claims":{"x-ms-sevsnpvm-hostdata":["aa"]}}` {
		t.Errorf("policy %s", a.raw)
	}
	// Names are joined as CGS joins them: contract c, type events and contract
	// c_events meet.
	if a := n.app(http.MethodPost, "contracts/c_events/cleanroompolicy/delegates/writer/x", all[0], nil); string(a.raw) != `{"claims":{}}` {
		t.Errorf("policy %s", a.raw)
	}
	n.want(n.app(http.MethodPut, "contracts/c/cleanroompolicy/delegates/events/writer_x", nil, data(good)), http.StatusOK, "")
	if a := n.app(http.MethodPost, "contracts/c_events/cleanroompolicy/delegates/writer/x", all[0], nil); string(a.raw) != `{"claims":{"x-ms-sevsnpvm-hostdata":["aa"]}}` {
		t.Errorf("policy %s", a.raw)
	}
}
