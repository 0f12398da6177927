package ccf

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/cleanroom-go/sdk/internal/cose"
)

// FuzzGovernance feeds arbitrary bytes to the endpoints that take signed
// messages. None may panic; none may succeed, as the only signatures in the
// seeds were made by a stranger or were tampered with.
func FuzzGovernance(f *testing.F) {
	a, stranger := newParty(f, "a"), newParty(f, "stranger")
	n := newNetwork(f, a)
	payload := actionsJSON(f, "set_recovery_threshold", map[string]any{"recovery_threshold": 1})
	for i, kind := range []string{cose.TypeProposal, cose.TypeBallot, cose.TypeWithdrawal, cose.TypeStateDigest, cose.TypeAck} {
		f.Add(uint8(i), n.signed(stranger, cose.Header{Type: kind, ProposalID: a.id()}, payload))
		f.Add(uint8(i), n.signed(stranger, cose.Header{Type: kind, ProposalID: a.id(), KeyID: a.id()}, payload))
		tampered := n.signed(a, cose.Header{Type: kind, ProposalID: a.id()}, payload)
		clear(tampered[len(tampered)-32:]) // more than a fuzzer finds back
		f.Add(uint8(i), tampered)
	}
	f.Add(uint8(0), []byte{0xd2, 0x84, 0x40, 0xa0, 0xf6, 0x40})
	f.Add(uint8(0), []byte("plain"))
	paths := []string{
		"proposals:create", "proposals/" + a.id() + "/ballots/" + a.id() + ":submit", "proposals/" + a.id() + ":withdraw",
		"state-digests/" + a.id() + ":update", "state-digests/" + a.id() + ":ack",
	}
	f.Fuzz(func(t *testing.T, endpoint uint8, message []byte) {
		got := (&network{TB: t, Service: n.Service}).gov(paths[int(endpoint)%len(paths)], message)
		if got.status != http.StatusUnauthorized {
			t.Fatalf("status %d for a message that no member signed: %s", got.status, got.raw)
		}
	})
}

// FuzzRequest sends arbitrary paths and bodies to everything else.
func FuzzRequest(f *testing.F) {
	a := newParty(f, "a")
	n := newNetwork(f, a)
	r := launch(f, "policy")
	n.acceptContract([]*party{a}, "c")
	n.accept([]*party{a}, "set_clean_room_policy", policyFor("c", r))
	body, err := json.Marshal(r.signedBody(f, `{"value":"v"}`, "1700000000000"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"contracts/c", "contracts/c/events", "contracts/c/secrets/s", "contracts/c/runtimeoptions/execution/status", "oidc/setIssuerUrl", "contracts/c/oauth/token", "contracts/c/ca/generateEndorsedCert",
		"contracts/c/memberdocuments/accepted/d", "contracts/c/userdocuments/d/runtimeoptions/execution/status", "users/proposals/p"} {
		f.Add(true, path, "from_seqno=1&exp=1&iat=1&jti=1&sub=1&tid=1&aud=1", body)
		f.Add(false, path, "", []byte(`{"data":[1,{"2":null}],"value":"x","url":"https://x"}`))
	}
	f.Fuzz(func(t *testing.T, put bool, path, query string, body []byte) {
		method := http.MethodPost
		if put {
			method = http.MethodPut
		}
		req, err := http.NewRequest(method, "https://ledger.example/app/"+path+"?"+query, nil)
		if err != nil {
			return
		}
		got := (&network{TB: t, Service: n.Service}).do(method, req.URL.RequestURI(), nil, "application/json", body)
		if got.status < 200 || got.status > 599 {
			t.Fatalf("status %d", got.status)
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"b":[1e400,-0,"\ud800"],"1":null,"0":{"a":true,"a":false}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseJSON(b)
		if err != nil {
			return
		}
		once, err := encodeJSON(v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseJSON(once)
		if err != nil {
			t.Fatalf("%v in %s", err, once)
		}
		if twice, err := encodeJSON(again); err != nil || string(twice) != string(once) {
			t.Fatalf("%s became %s: %v", once, twice, err)
		}
	})
}
