package governance_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

func TestSigning(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	ctx := t.Context()
	const id = "k"
	room := c.agreedRoom(id, nil)
	signing := c.consumer.Signing()
	info := func() *governance.SigningInfo {
		t.Helper()
		i, err := c.publisher.Signing().Info(ctx)
		c.check(err)
		return i
	}
	payload := []byte("policy \x00\xff of a workload")
	if i := info(); i.Enabled || i.PublicKeyPEM != "" {
		t.Errorf("before: %+v", i)
	}
	wantText(t, info().Verify(payload, nil), "there is no public key")
	_, err := signing.GenerateSigningKey(ctx)
	wantCode(t, err, "SigningNotEnabled")
	_, err = room.Sign(ctx, payload)
	wantCode(t, err, "SigningKeyNotAvailable")
	c.accept(c.propose(c.consumer, governance.EnableSigning("kid")), c.both()...)
	if i := info(); !i.Enabled || i.PublicKeyPEM != "" {
		t.Errorf("enabled: %+v", i)
	}
	for range 2 { // making it again changes nothing
		if kid, err := signing.GenerateSigningKey(ctx); err != nil || kid != "kid-1" {
			t.Fatalf("kid %q, %v", kid, err)
		}
	}
	first := info()
	signature, err := room.Sign(ctx, payload)
	c.check(err)
	c.check(first.Verify(payload, signature))
	wantText(t, first.Verify(payload[1:], signature), "governance: verify signature: ", "the payload is another one")
	signature[0] ^= 1
	wantText(t, first.Verify(payload, signature), "governance: verify signature: ")

	c.accept(c.propose(c.consumer, governance.RotateSigningKey()), c.both()...)
	if kid, err := signing.GenerateSigningKey(ctx); err != nil || kid != "kid-2" {
		t.Fatalf("kid %q, %v", kid, err)
	}
	signature, err = room.Sign(ctx, payload)
	c.check(err)
	c.check(info().Verify(payload, signature))
	wantText(t, first.Verify(payload, signature), "may have been rotated")

	_, err = room.Sign(ctx, nil)
	wantText(t, err, "the payload is empty")
	g := c.launch("a helper's policy")
	helper := c.room(id, g, nil)
	_, err = helper.Sign(ctx, payload)
	wantDenied(t, err, "policy.match")
	c.check(room.SetDelegatePolicy(ctx, governance.SigningDelegate(), governance.HostDataPolicy(g.hostData())))
	signature, err = helper.Sign(ctx, payload)
	c.check(err)
	c.check(info().Verify(payload, signature))
}

func TestSigningInfoIsChecked(t *testing.T) {
	for _, text := range []string{"", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n"} {
		wantText(t, (&governance.SigningInfo{PublicKeyPEM: text}).Verify([]byte("x"), []byte("y")), "governance: verify signature: ")
	}
	for _, body := range []string{`[]`, `{"enabled":"yes"}`, `{`} {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) { return respond(r, http.StatusOK, nil, body), nil })
		if _, err := client.Signing().Info(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "governance: read signing info: ") {
			t.Errorf("%q: %v", body, err)
		}
	}
}
