package ccf

import (
	"net/http"
	"testing"
)

// TestSignRefusals goes through the checks in their order.
func TestSignRefusals(t *testing.T) {
	n, all, r := agreed(t)
	sign := func(change func(map[string]any)) answer {
		body := r.encrypted()
		body["payload"] = "cGF5bG9hZA=="
		change(body)
		return n.app(http.MethodPost, "contracts/c/signing/sign", nil, body)
	}
	none := func(map[string]any) {}
	n.want(sign(none), http.StatusMethodNotAllowed, "SigningKeyNotAvailable")
	n.want(n.app(http.MethodPost, "signing/generateSigningKey", all[0], nil), http.StatusMethodNotAllowed, "SigningNotEnabled")
	n.accept(all, "signing_enable_rotate_signing_key", nil) // changes nothing yet
	n.accept(all, "enable_signing", map[string]any{"kid": "k"})
	n.accept(all, "enable_signing", map[string]any{"kid": "other"}) // nor this any more
	a := n.app(http.MethodPost, "signing/generateSigningKey", all[0], nil)
	n.want(a, http.StatusOK, "")
	if string(a.raw) != `{"reqId":"1","kid":"k-1"}` {
		t.Errorf("key %s", a.raw)
	}
	n.want(sign(none), http.StatusOK, "")
	for _, tc := range []struct {
		code   string
		change func(map[string]any)
	}{
		{"AttestationMissing", func(m map[string]any) { clear(m) }},
		{"EncryptionMissing", func(m map[string]any) { delete(m, "encrypt"); delete(m, "payload") }},
		{"PayloadMissing", func(m map[string]any) { delete(m, "payload") }},
		{"PayloadMissing", func(m map[string]any) { m["payload"] = "" }},
		{"PayloadInvalid", func(m map[string]any) { m["payload"] = 5 }},
		{"PayloadInvalid", func(m map[string]any) { m["payload"] = "abcde"; m["platform"] = "tpm" }},
		{"UnsupportedPlatform", func(m map[string]any) { m["platform"] = "tpm" }},
		{"VerifySnpAttestationFailed", func(m map[string]any) { m["attestation"] = map[string]any{} }},
		{"ReportDataMismatch", func(m map[string]any) { m["encrypt"] = map[string]any{} }},
	} {
		n.want(sign(tc.change), http.StatusBadRequest, tc.code)
	}
	n.want(n.app(http.MethodPost, "signing/info", nil, nil), http.StatusUnauthorized, "InvalidAuthenticationInfo")
	n.want(n.propose(all[0], "enable_signing", map[string]any{}), http.StatusBadRequest, "ProposalFailedToValidate")
}
