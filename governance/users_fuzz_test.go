package governance

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func FuzzObjectID(f *testing.F) {
	for _, s := range []string{"e30.eyJvaWQiOiJ1c2VyLTEifQ.c2ln", "a.b.c", "..", "", "e30.e30.e30", "e30.eyJvaWQiOjF9.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, err := objectID(token)
		if (id == "") != (err != nil) {
			t.Errorf("%q: %q, %v", token, id, err)
		}
		if err != nil && len(token) > 60 && strings.Contains(err.Error(), token) {
			t.Errorf("%q is in %v", token, err)
		}
	})
}

func FuzzUsers(f *testing.F) {
	for _, s := range []string{
		`{"id":"u","accountType":"microsoft","invitationId":null,"data":{"tenantId":"t","identifier":"a@b.example"}}`,
		`{"invitationId":"i","accountType":"microsoft","claims":{"tid":["t"]},"userInfo":{"userId":"u","data":{"tenantId":"t"}},"status":"Accepted"}`,
		`{"issuers":{"b":{"autoRefresh":true}},"keys":{"k":[{"publicKey":"p","issuer":"b","constraint":null}]},"caCertBundles":{}}`,
		`{"status":"Accepted"}`, `{"claims":{"tid":"t"}}`, `{"keys":{"k":null}}`, `null`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var u, again UserIdentity
		if json.Unmarshal(b, &u) == nil {
			// What was read can be proposed, and is then the same user.
			text, err := json.Marshal(SetUserIdentity(u).Args)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			if u.AccountType == "" {
				u.AccountType = accountMicrosoft
			}
			if u != again {
				t.Errorf("%q: %+v, then %+v", b, u, again)
			}
		}
		var i Invitation
		if json.Unmarshal(b, &i) == nil {
			if u, err := i.Identity("x"); err == nil && (u.ID == "" || i.Status != InvitationAccepted) {
				t.Errorf("%q: %+v", b, u)
			}
		}
		list, err := parseTrustedIssuers(b)
		if err == nil && !slices.IsSortedFunc(list, func(a, b TrustedIssuer) int { return bytes.Compare([]byte(a.Issuer), []byte(b.Issuer)) }) {
			t.Errorf("%q: %+v", b, list)
		}
	})
}
