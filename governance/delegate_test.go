package governance_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// TestDelegates lets a workload in that the contract's policy does not
// describe, for one purpose at a time.
func TestDelegates(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	const id = "k"
	ctx := t.Context()
	room := c.agreedRoom(id, nil)
	g := c.launch("policy of a helper")
	helper := c.room(id, g, nil)
	secretID, err := c.publisher.Contract(id).PutSecret(ctx, "name", "value")
	c.check(err)
	other, err := c.publisher.Contract(id).PutSecret(ctx, "other", "value")
	c.check(err)
	ca := c.authority(id)
	c.accept(c.propose(c.consumer, governance.EnableOIDCIssuer("kid")), c.both()...)
	_, err = c.consumer.OIDC().GenerateSigningKey(ctx)
	c.check(err)
	token := governance.TokenRequest{TenantID: c.memberData(cleanroomtest.Publisher).TenantID, Subject: "helper", Issuer: "https://issuer.example"}

	purposes := []struct {
		delegate governance.Delegate
		do       func() error
	}{
		{governance.SecretDelegate(secretID), func() error { _, err := helper.Secret(ctx, secretID); return err }},
		{governance.TokenDelegate("helper"), func() error { _, err := helper.Token(ctx, token); return err }},
		{governance.EventDelegate(), func() error { return helper.PutEvent(ctx, struct{}{}, nil) }},
		{governance.CADelegate(), func() error {
			_, err := helper.EndorsedCertificate(ctx, governance.CertificateRequest{CA: ca, CommonName: "helper"})
			return err
		}},
	}
	add := governance.HostDataPolicy(g.hostData())
	var listed []governance.Delegate
	for i, p := range purposes {
		t.Run(p.delegate.Type, func(t *testing.T) {
			for _, other := range purposes[i:] {
				wantDenied(t, other.do(), "policy.match")
			}
			c.check(room.SetDelegatePolicy(ctx, p.delegate, add))
			c.check(p.do())
			claims, err := c.publisher.Contract(id).DelegatePolicy(ctx, p.delegate)
			c.check(err)
			text, err := json.Marshal(claims)
			c.check(err)
			if want := fmt.Sprintf(`{"x-ms-sevsnpvm-hostdata":[%q],"x-ms-sevsnpvm-is-debuggable":[false]}`, g.hostData()); string(text) != want {
				t.Errorf("claims %s, want %s", text, want)
			}
		})
		listed = append(listed, p.delegate)
	}
	_, err = helper.Secret(ctx, other)
	wantDenied(t, err, "policy.match")
	_, err = helper.Document(ctx, "d")
	wantDenied(t, err, "policy.match")
	// A delegate cannot delegate.
	wantDenied(t, helper.SetDelegatePolicy(ctx, governance.SecretDelegate(other), add), "policy.match")

	got, err := c.publisher.Contract(id).Delegates(ctx)
	c.check(err)
	byName := func(a, b governance.Delegate) int { return strings.Compare(a.String(), b.String()) }
	slices.SortFunc(got, byName)
	slices.SortFunc(listed, byName)
	if !slices.Equal(got, listed) {
		t.Errorf("delegates %v, want %v", got, listed)
	}

	// What is taken back is shown with no claims, and lets nobody in.
	remove := add
	remove.Type = governance.PolicyRemove
	c.check(room.SetDelegatePolicy(ctx, purposes[0].delegate, remove))
	wantDenied(t, purposes[0].do(), "policy.match")
	claims, err := c.publisher.Contract(id).DelegatePolicy(ctx, purposes[0].delegate)
	if err != nil || len(claims) != 0 {
		t.Errorf("claims %v, %v", claims, err)
	}
	wantCode(t, room.SetDelegatePolicy(ctx, purposes[0].delegate, remove), "InternalError")
	if got, err := c.publisher.Contract(id).Delegates(ctx); err != nil || len(got) != len(purposes) {
		t.Errorf("delegates %v, %v", got, err)
	}
	if got, err := c.publisher.Contract("other").Delegates(ctx); err != nil || len(got) != 0 {
		t.Errorf("delegates of another contract %v, %v", got, err)
	}
}

func TestDelegateInput(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	room := c.agreedRoom(id, nil)
	add := governance.HostDataPolicy("aa")
	d := governance.EventDelegate()
	wantText(t, room.SetDelegatePolicy(ctx, governance.Delegate{Type: "a/b", ID: "c"}, add), `delegate type "a/b"`)
	wantText(t, room.SetDelegatePolicy(ctx, governance.Delegate{Type: "a"}, add), "delegate id is empty")
	wantText(t, room.SetDelegatePolicy(ctx, d, governance.PolicyUpdate{Type: "replace", Claims: add.Claims}), `type "replace" must be add or remove`)
	wantText(t, room.SetDelegatePolicy(ctx, d, governance.PolicyUpdate{Type: governance.PolicyAdd}), "no claim")
	wantCode(t, room.SetDelegatePolicy(ctx, d, governance.PolicyUpdate{Type: governance.PolicyAdd, Claims: map[string]any{"pcr0": "x"}}), "InternalError")
	wantCode(t, room.SetDelegatePolicy(ctx, d, governance.PolicyUpdate{Type: governance.PolicyAdd, PolicyType: "jwt", Claims: map[string]any{"oid": "x"}}), "InternalError")
	c.check(room.SetDelegatePolicy(ctx, d, governance.PolicyUpdate{Type: governance.PolicyAdd, PolicyType: "snp-cvm", Claims: map[string]any{"pcr0": "x"}}))
	_, err := c.publisher.Contract(id).DelegatePolicy(ctx, governance.Delegate{})
	wantText(t, err, "delegate type is empty")
	_, err = c.publisher.Contract("a/b").Delegates(ctx)
	wantText(t, err, `contract id "a/b"`)
}

// TestLostDelegates loses the answers to a room's updates.
func TestLostDelegates(t *testing.T) {
	t.Parallel()
	c := newConsortium(t) // the removal is recognised by the exception's text
	c.accept(c.propose(c.consumer, governance.SetJSRuntimeOptions(governance.JSRuntimeOptions{
		MaxHeapBytes: 100 << 20, MaxStackBytes: 1 << 20, MaxExecutionMilliseconds: 1000, ReturnExceptionDetails: true,
	})), c.both()...)
	const id = "k"
	g := c.launch("policy")
	c.agree(id, g.hostData())
	update := governance.HostDataPolicy("aa")
	for _, kind := range []string{governance.PolicyAdd, governance.PolicyRemove} {
		update.Type = kind
		l := &loser{lose: 1}
		room := c.room(id, g, l.wrap)
		governance.HastenRoom(room)
		c.check(room.SetDelegatePolicy(t.Context(), governance.EventDelegate(), update))
		if l.calls.Load() < 2 {
			t.Errorf("%s: %d calls", kind, l.calls.Load())
		}
		claims, err := c.publisher.Contract(id).DelegatePolicy(t.Context(), governance.EventDelegate())
		if want := 2; kind == governance.PolicyRemove {
			want = 0
			if err != nil || len(claims) != want {
				t.Errorf("claims %v, %v", claims, err)
			}
		} else if err != nil || len(claims) != want || len(claims[governance.ClaimHostData]) != 1 {
			t.Errorf("claims %v, %v", claims, err)
		}
	}
}
