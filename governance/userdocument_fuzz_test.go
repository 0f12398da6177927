package governance

import (
	"encoding/json"
	"testing"
)

func FuzzUserDocument(f *testing.F) {
	for _, s := range []string{
		`{"id":"d","contractId":"k","version":"2.40","state":"Draft","data":"text","proposalId":"","proposerId":""}`,
		`{"id":"d","contractId":"k","version":"2.47","state":"Accepted","data":{"b":1.0},"labels":{"a":"b"},"approvers":[{"approverId":"m","approverIdType":"member"}],"proposalId":"p","proposerId":"q","finalVotes":[{"approverId":"m","ballot":"accepted"},{}]}`,
		`{"labels":{"a":1}}`, `{"approvers":[null]}`, `{"finalVotes":[{"ballot":"Accepted"}]}`, `null`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseUserDocument(b)
		if err != nil {
			return
		}
		if two, _ := ambiguous(b); two != "" || d.ContractID == "" {
			return
		}
		// What was read can be proposed, and is then what the proposal says.
		args, err := json.Marshal(map[string]any{"documentId": d.ID, "document": d.raw})
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range d.checkProposed(&UserProposalContent{setUserDocument, d.Approvers, args}) {
			if !check.OK() {
				t.Errorf("%q: %s", b, check)
			}
		}
	})
}

func FuzzUserProposal(f *testing.F) {
	for _, s := range []string{
		`{"proposerId":"q","state":"Open","ballots":[{"approverId":"m","ballot":"accepted"},{"approverId":"n","ballot":"rejected"}]}`,
		`{"state":"","ballots":[]}`, `{"state":"Open","ballots":[{"ballot":true}]}`, `{"proposalId":"p","name":"set_user_document","approvers":[],"args":{}}`, `null`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseUserProposal("p", b)
		if err == nil && (p.State == "" || p.ID != "p") {
			t.Errorf("%q: %+v", b, p)
		}
		var content UserProposalContent
		_ = json.Unmarshal(b, &content)
	})
}
