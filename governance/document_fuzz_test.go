package governance

import (
	"encoding/json"
	"testing"
)

func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		`{"id":"d","contractId":"k","state":"Draft","version":"2.40","data":"text","proposalId":""}`,
		`{"id":"d","contractId":"k","state":"Accepted","version":"2.47","data":{"b":1.0,"a":[1e400]},"proposalId":"aa","finalVotes":[{"memberId":"bb","vote":true},{}]}`,
		`{"contractId":null,"data":"\ud800"}`, `{"contractId":[]}`, `{"contractId":"a","ContractId":"b"}`, `null`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDocument(b)
		if err != nil {
			return
		}
		if two, _ := ambiguous(b); two != "" || d.ContractID == "" {
			return // neither can be voted for
		}
		// What was read can be proposed, and is then what the proposal says.
		text, err := json.Marshal(SetMemberDocument(d.ID, d.raw))
		if err != nil {
			t.Fatal(err)
		}
		var action Action
		if err := json.Unmarshal(text, &action); err != nil {
			t.Fatal(err)
		}
		for _, check := range d.checkProposed([]Action{action}) {
			if !check.OK() {
				t.Errorf("%q: %s", b, check)
			}
		}
	})
}
