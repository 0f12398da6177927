package governance_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

func TestContractDraft(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	k := c.consumer.Contract(id)

	_, err := k.Get(ctx)
	wantCode(t, err, "ContractNotFound")
	_, err = k.Create(ctx, "")
	wantCode(t, err, "DataMissing")
	first, err := k.Create(ctx, "one")
	c.check(err)
	got, err := k.Get(ctx)
	c.check(err)
	if got.ID != id || got.State != governance.ContractDraft || got.Version != first || got.Data != "one" || got.ProposalID != "" || got.FinalVotes != nil {
		t.Errorf("draft: %+v", got)
	}
	_, err = k.Create(ctx, "two")
	wantCode(t, err, "ContractAlreadyExists")
	second, err := k.Update(ctx, "two", first)
	c.check(err)
	if second == first {
		t.Errorf("version %s did not change", first)
	}
	// The publisher may write as well; whoever comes second learns of it.
	_, err = c.publisher.Contract(id).Update(ctx, "three", first)
	wantCode(t, err, "PreconditionFailed")
	if !errors.Is(err, governance.ErrContractModified) {
		t.Errorf("not ErrContractModified: %v", err)
	}
	if _, err = k.Update(ctx, "three", ""); err == nil {
		t.Error("an update without version passed")
	}
	wantListed(t, c.publisher, id, governance.ContractDraft)
	p, err := k.Propose(ctx, second)
	c.check(err)
	wantListed(t, c.publisher, id, governance.ContractProposed)
	c.accept(p, c.both()...)
	wantListed(t, c.publisher, id, governance.ContractAccepted)
	_, err = contractIDs(c.publisher.Contracts(ctx, &governance.ContractsOptions{State: "accepted"}))
	wantCode(t, err, "InvalidParameter")
	_, err = contractIDs(c.publisher.Contracts(ctx, &governance.ContractsOptions{State: "a&b"}))
	wantText(t, err, "governance: contract state", "character")
	for range c.publisher.Contracts(ctx, nil) {
		break // and ask for no more
	}
}

// wantListed wants the contract in the list of its state, of all, and no other.
func wantListed(t *testing.T, by *governance.Client, id, state string) {
	t.Helper()
	for _, listed := range []string{"", governance.ContractDraft, governance.ContractProposed, governance.ContractAccepted} {
		ids, err := contractIDs(by.Contracts(t.Context(), &governance.ContractsOptions{State: listed}))
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(ids, id); got != (listed == "" || listed == state) {
			t.Errorf("%s contract, in the list of state %q: %t", state, listed, got)
		}
	}
}

func TestContractDataIsKept(t *testing.T) {
	c, name := commonConsortium(t)
	for i, data := range []string{
		" ", "a\r\nb\n", "\u2028\u2029</script>&amp;", "\x00\x7f\\u0041\"", "\U0001f512\ufeff\ufffd", strings.Repeat("0123456789", 50_000), `{"1":1.0,"0":9007199254740993}`,
	} {
		id := name + string(rune('a'+i))
		_, err := c.consumer.Contract(id).Create(t.Context(), data)
		c.check(err)
		got, err := c.publisher.Contract(id).Get(t.Context())
		c.check(err)
		if got.Data != data {
			t.Errorf("%.40q came back as %.40q", data, got.Data)
		}
	}
	if _, err := c.consumer.Contract("k").Create(t.Context(), "\xff"); err == nil {
		t.Error("data that JSON cannot carry passed")
	}
}

func TestContractPropose(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	k := c.consumer.Contract(id)
	first, err := k.Create(ctx, "one")
	c.check(err)
	second, err := k.Update(ctx, "two", first)
	c.check(err)
	for _, version := range []string{first, "", "2.999999"} {
		if _, err := k.Propose(ctx, version); !errors.Is(err, governance.ErrContractModified) {
			t.Errorf("version %q: want ErrContractModified, got %v", version, err)
		}
	}
	p, err := k.Propose(ctx, second)
	c.check(err)
	got, err := c.publisher.Contract(id).Get(ctx)
	c.check(err)
	if got.State != governance.ContractProposed || got.ProposalID != p.ID || got.Data != "two" {
		t.Errorf("proposed: %+v", got)
	}
	_, err = k.Propose(ctx, second)
	wantDenied(t, err, "contract.state")

	// The draft can change meanwhile; the vote is on what was proposed.
	third, err := k.Update(ctx, "three", second)
	c.check(err)
	other, err := c.consumer.Contract(id+"-other").Create(ctx, "x")
	c.check(err)
	q, err := c.consumer.Contract(id+"-other").Propose(ctx, other)
	c.check(err)
	for _, accept := range []bool{true, false} {
		_, err = c.publisher.Contract(id).Vote(ctx, q.ID, accept)
		wantDenied(t, err, "contract.proposal")
	}
	if p, err = c.publisher.Contract(id).Vote(ctx, p.ID, false); err != nil || p.State != governance.ProposalRejected || p.FinalVotes[c.publisher.Member().ID()] {
		t.Fatalf("after a no: %+v, %v", p, err)
	}
	if got, err = k.Get(ctx); err != nil || got.State != governance.ContractDraft || got.Version != third || got.Data != "three" {
		t.Errorf("after a no: %+v, %v", got, err)
	}

	c.acceptedContract(id+"-final", "data")
	_, err = c.consumer.Contract(id+"-final").Create(ctx, "more")
	wantCode(t, err, "ContractAlreadyAccepted")
	final, err := c.consumer.Contract(id + "-final").Get(ctx)
	c.check(err)
	_, err = c.consumer.Contract(id+"-final").Propose(ctx, final.Version)
	wantDenied(t, err, "contract.state")
}

// TestVoteSeesThroughProposals lets a member propose contracts that are not
// what they look like.
func TestVoteSeesThroughProposals(t *testing.T) {
	c, _ := commonConsortium(t)
	ctx := t.Context()
	tests := []struct {
		name    string
		actions []governance.Action
		check   string
	}{
		{"second contract beside it", []governance.Action{
			governance.SetContract("seen-a", map[string]string{"data": "agreed"}),
			governance.SetContract("seen-a-too", map[string]string{"data": "smuggled"}),
		}, "proposal.action"},
		{"second spelling of the data", []governance.Action{
			{Name: "set_contract", Args: json.RawMessage(`{"contractId":"seen-b","contract":{"data":"smuggled","Data":"agreed"}}`)},
		}, "proposal.names"},
		{"second spelling of the contract", []governance.Action{
			{Name: "set_contract", Args: json.RawMessage(`{"contractId":"seen-c","contract":{"data":"smuggled"},"CONTRACT":{"data":"agreed"}}`)},
		}, "proposal.names"},
		{"data twice", []governance.Action{
			{Name: "set_contract", Args: json.RawMessage(`{"contractId":"seen-d","contract":{"data":"agreed","data":"smuggled"}}`)},
		}, "proposal.names"},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k := c.publisher.Contract("seen-" + string(rune('a'+i)))
			p := c.propose(c.consumer, test.actions...)
			_, err := k.Vote(ctx, p.ID, true)
			wantDenied(t, err, test.check)
			if p, err = c.publisher.Proposal(p.ID).Show(ctx); err != nil || p.BallotCount != 0 {
				t.Errorf("a ballot was cast: %+v, %v", p, err)
			}
			if p, err = k.Vote(ctx, p.ID, false); err != nil || p.State != governance.ProposalRejected {
				t.Errorf("the no did not pass: %+v, %v", p, err)
			}
		})
	}
}

// TestVoteIsOnWhatIsShown has a service that shows another contract than the one
// that was signed.
func TestVoteIsOnWhatIsShown(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	version, err := c.consumer.Contract(id).Create(ctx, "signed")
	c.check(err)
	p, err := c.consumer.Contract(id).Propose(ctx, version)
	c.check(err)
	for _, shown := range []string{`"shown"`, `"signed\n"`, `""`, `null`, `{"data":"signed"}`} {
		liar := c.client(c.publisher.Member(), func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, "/app/contracts/") {
					return respond(r, http.StatusOK, nil, `{"id":"`+id+`","state":"Proposed","version":"`+version+`","data":`+shown+`,"proposalId":"`+p.ID+`"}`), nil
				}
				return next.RoundTrip(r)
			})
		})
		_, err := liar.Contract(id).Vote(ctx, p.ID, true)
		wantDenied(t, err, "proposal.data")
	}
	if p, err = c.publisher.Proposal(p.ID).Show(ctx); err != nil || p.BallotCount != 0 {
		t.Errorf("a ballot was cast: %+v, %v", p, err)
	}
	if _, err := c.publisher.Contract(id).Vote(ctx, p.ID, true); err != nil {
		t.Error(err)
	}
}

// TestVoteOnForeignData accepts data that is no text, whatever its formatting.
func TestVoteOnForeignData(t *testing.T) {
	c, id := commonConsortium(t)
	p := c.propose(c.consumer, governance.SetContract(id, json.RawMessage(`{"data":{"b":1.0, "a":["<"]}}`)))
	got, err := c.publisher.Contract(id).Get(t.Context())
	c.check(err)
	if want := "{\"a\":[\"\\u003c\"],\"b\":1}"; got.Data != want {
		t.Errorf("data %s, want %s", got.Data, want)
	}
	for _, m := range c.both() {
		p, err = m.Contract(id).Vote(t.Context(), p.ID, true)
		c.check(err)
	}
	if p.State != governance.ProposalAccepted {
		t.Errorf("proposal is %s", p.State)
	}
}

// TestPendingMember keeps a contract open until a member who was let in has
// activated itself and voted.
func TestPendingMember(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	ctx := t.Context()
	third := newMember(t, "third")
	c.accept(c.propose(c.consumer, governance.SetMember(third.CertificatePEM(), governance.MemberData{Identifier: "third"})), c.both()...)
	version, err := c.consumer.Contract("k").Create(ctx, "data")
	c.check(err)
	p, err := c.consumer.Contract("k").Propose(ctx, version)
	c.check(err)
	for _, m := range c.both() {
		if p, err = m.Contract("k").Vote(ctx, p.ID, true); err != nil || p.State != governance.ProposalOpen {
			t.Fatalf("with a pending member: %+v, %v", p, err)
		}
	}
	ballots, err := c.consumer.Proposal(p.ID).Ballots(ctx)
	c.check(err)
	if missing := governance.MissingVotes(ballots); len(missing) != 1 || missing[0].Identifier != "third" || missing[0].Status != governance.MemberAccepted {
		t.Errorf("missing votes: %+v", missing)
	}
	member := c.client(third, nil)
	c.check(member.Activate(ctx))
	if p, err = member.Contract("k").Vote(ctx, p.ID, true); err != nil || p.State != governance.ProposalAccepted {
		t.Errorf("after the last vote: %+v, %v", p, err)
	}
}

func TestContractIDs(t *testing.T) {
	c, _ := commonConsortium(t)
	for _, id := range []string{"", ".", "..", "a/b", "a b", "a%2fb", "a?b", "ü", strings.Repeat("x", 257)} {
		k := c.consumer.Contract(id)
		_, get := k.Get(t.Context())
		_, create := k.Create(t.Context(), "data")
		_, policy := k.ProposeCleanRoomPolicy(t.Context(), governance.HostDataPolicy("00"))
		_, secret := k.PutSecret(t.Context(), "name", "value")
		_, room := governance.NewRoomClient(c.env.LedgerURL(), id, c.launch("p"), &governance.RoomClientOptions{ServiceCertificate: c.env.ServiceCertificate()})
		for i, err := range []error{get, create, policy, secret, room} {
			if err == nil || !strings.HasPrefix(err.Error(), "governance: contract id ") {
				t.Errorf("id %.20q, call %d: %v", id, i, err)
			}
		}
	}
}
