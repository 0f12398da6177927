package governance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzActions(f *testing.F) {
	for _, s := range []string{
		`{"actions":[{"name":"set_contract","args":{"contractId":"k","contract":{"id":"k","state":"Draft","version":"2.31","data":"x","proposalId":""}}}]}`,
		`{"actions":[{"name":"set_clean_room_policy","args":{"contractId":"k","type":"add","claims":{"x-ms-sevsnpvm-hostdata":"aa"},"Claims":{}}}]}`,
		`{"actions":[],"Actions":[]}`, `{"Actions":[]}`, `{"actions":[{"name":"x","args":null},{"name":"y"}]}`, `{"actions":[{"args":{}}]}`,
		`{"actions":[{"name":"x","\u212aey":1,"key":2}]}`, `[[[[[[[[]]]]]]]]`, `{"a":{"a":{"a":{"a":{"a":{"b":1,"B":2}}}}}}`, `null`, `{`, `{} {}`, "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		actions, err := parseActions("fuzz", b)
		if err != nil {
			return
		}
		// Whoever decodes in Go's usual way gets what the constitution gets.
		var usual struct {
			Actions []struct {
				Name string
				Args json.RawMessage
			}
		}
		if err := json.Unmarshal(b, &usual); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if len(usual.Actions) != len(actions) {
			t.Fatalf("%q: %d and %d actions", b, len(actions), len(usual.Actions))
		}
		for i, a := range actions {
			if u := usual.Actions[i]; a.Name != u.Name || a.Args != nil && len(a.Args.(json.RawMessage)) > 0 && !bytes.Equal(a.Args.(json.RawMessage), u.Args) {
				t.Errorf("%q: action %d is %+v and %+v", b, i, a, u)
			}
		}
	})
}

func FuzzProposal(f *testing.F) {
	for _, s := range []string{
		`{"proposalId":"aa","proposerId":"bb","proposalState":"Open","ballotCount":1}`,
		`{"value":[{"proposalId":"aa","proposalState":"Accepted","finalVotes":{"cc":true},"voteFailures":{"dd":{"reason":"r","trace":"t"}},"failure":{"reason":"f"}}]}`,
		`{"value":[{"seqno":12,"proposalId":"aa","proposalState":"Open"}],"nextLink":"/app/x?from_seqno=2&to_seqno=3"}`, `null`, `[]`, `{"ballotCount":1e99}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a := &answer{status: http.StatusOK, header: http.Header{}, body: b}
		p := &ProposalClient{id: "aa"}
		if v, err := p.answered("fuzz", a); err == nil && v.ID != p.id {
			t.Errorf("another proposal %q", v.ID)
		}
		var page historyPage
		_ = a.json("fuzz", &page)
		var list struct{ Value []Proposal }
		_ = a.json("fuzz", &list)
	})
}

func FuzzContract(f *testing.F) {
	for _, s := range []string{
		`{"id":"k","state":"Draft","version":"2.31","data":"text","proposalId":""}`,
		`{"id":"k","state":"Accepted","version":"2.47","data":{"b":1.0,"a":[1e400]},"proposalId":"aa","finalVotes":[{"memberId":"bb","vote":true},{}]}`,
		`{"data":"\ud800"}`, `{"data":null}`, `{}`, `null`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseContract(b)
		if err != nil {
			return
		}
		if !utf8.ValidString(c.ID) {
			t.Errorf("id %q", c.ID)
		}
		// What was read can be proposed, and is then what the proposal says.
		text, err := json.Marshal(SetContract(c.ID, c.raw))
		if err != nil {
			t.Fatal(err)
		}
		var action Action
		if err := json.Unmarshal(text, &action); err != nil {
			t.Fatal(err)
		}
		if two, _ := ambiguous(b); two != "" {
			return
		}
		for _, check := range c.checkProposed([]Action{action}) {
			if !check.OK() {
				t.Errorf("%q: %s", b, check)
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	for _, s := range []string{
		`{"value":[{"scope":"","id":"c1","seqno":55,"timestamp":"1716000000000","timestamp_iso":"2024-05-18T02:40:00.000Z","data":{"n":1}}]}`,
		`{"value":[],"nextLink":"/app/contracts/c1/events?from_seqno=2001&to_seqno=4000&id=c1&scope="}`,
		`{"value":[{"timestamp":"9999999999999"},{"timestamp":"-1"}]}`, `{"value":[{"timestamp":1}]}`, `{"value":null}`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var page eventPage
		if json.Unmarshal(b, &page) != nil {
			return
		}
		for _, e := range page.Value {
			if e.Time.UnixMilli() < 0 {
				t.Errorf("time %s", e.Time)
			}
		}
	})
}

func FuzzNextLink(f *testing.F) {
	for _, s := range []string{
		"/app/contracts/k/events?from_seqno=9&to_seqno=30&id=k&scope=", "https://elsewhere/app/contracts/k/events?from_seqno=9&to_seqno=30", "//h/app/contracts/k/events",
		"/app/contracts/k/events?from_seqno=1&to_seqno=30", "/app/contracts/k/events?from_seqno=9223372036854775808&to_seqno=0", "?", "%", "",
	} {
		f.Add(s, int64(1), int64(30))
		f.Add(s, int64(0), int64(0))
	}
	f.Fuzz(func(t *testing.T, link string, from, to int64) {
		r := rangeReader{call: call{op: "fuzz", path: "/app/contracts/k/events"}, from: from, to: to}
		more, err := r.next(link)
		if !more {
			if r.from != from || r.to != to {
				t.Errorf("%q moved the range", link)
			}
			return
		}
		if err != nil || r.from <= from || r.from > r.to || to > 0 && r.to > to {
			t.Errorf("%q: %d to %d became %d to %d, %v", link, from, to, r.from, r.to, err)
		}
		if r.call.path != "/app/contracts/k/events" || strings.Trim(r.query(), "abcdefghijklmnopqrstuvwxyz_=&0123456789") != "" {
			t.Errorf("%q: the next call is %s?%s", link, r.call.path, r.query())
		}
	})
}

func FuzzServiceError(f *testing.F) {
	for _, s := range []string{
		`{"error":{"code":"ProposalNotFound","message":"m"}}`,
		`{"error":{"code":"InvalidAuthenticationInfo","message":"m","details":[{"auth_policy":"member_cert","code":"c","message":"m"}]}}`,
		`{"error":{"code":"InternalError","message":"m","details":[{"code":"JSException","message":"End of range must be committed","trace":"t"}]}}`,
		`{"error":null}`, `{"error":{"details":{}}}`, "<html>", "",
	} {
		f.Add(400, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, b []byte) {
		resp := &http.Response{StatusCode: status, Header: http.Header{"Location": {string(b)}, "Retry-After": {string(b)}}}
		e := newServiceError("fuzz", resp, b)
		if text := e.Error(); len(text) > 32<<10 || !utf8.ValidString(text) && utf8.Valid(b) {
			t.Errorf("text of %d bytes", len(text))
		}
		if wait, _ := retryAfter(e, 1); wait < 0 || wait > maxRetryAfter {
			t.Errorf("%q: wait %s", b, wait)
		}
	})
}

func FuzzMemberData(f *testing.F) {
	for _, s := range []string{
		`{"identifier":"publisher","tenantId":"t","isOperator":false,"isRecoveryOperator":0,"cgsRoles":{"cgsOperator":"true","contractOperator":"true"}}`,
		`{"isOperator":"x","cgsRoles":{"cgsOperator":true,"other":[1]},"more":{"a":1}}`, `{"cgsRoles":null}`, `"text"`, `null`, `[]`, `{"isOperator":1e999}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var first, second MemberData
		if json.Unmarshal(b, &first) != nil {
			if json.Valid(b) {
				t.Errorf("%q was refused", b)
			}
			return
		}
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &second); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(second)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, again) || first.Votes() != second.Votes() || !reflect.DeepEqual(fields(first), fields(second)) {
			t.Errorf("%q: %s, then %s", b, text, again)
		}
	})
}

func fields(d MemberData) MemberData {
	d.Extra = nil
	return d
}

func FuzzMember(f *testing.F) {
	keys, err := GenerateMemberKeys("fuzz", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(keys.CertificatePEM, keys.PrivateKeyPEM())
	f.Add(keys.PrivateKeyPEM(), keys.CertificatePEM)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n"))
	f.Add([]byte(nil), []byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		m, err := ParseMember(cert, key)
		if err == nil && !isDigest(m.ID()) {
			t.Errorf("id %q", m.ID())
		}
		if err != nil && !strings.HasPrefix(err.Error(), "governance: ") {
			t.Error(err)
		}
	})
}
