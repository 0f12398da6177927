package governance_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// putSecrets stores secrets as the room, whose contract is agreed on, and reads
// them back.
func (c *consortium) putSecrets(id string, room governance.Room) {
	c.Helper()
	ctx := c.Context()
	for _, value := range []string{"one", `{"a":"ü\u0000<&>"}`, strings.Repeat("\U0001f512", governance.MaxSecret/2)} {
		secretID, err := room.PutSecret(ctx, "own", value)
		c.check(err)
		if secretID != governance.SecretID(governance.CleanRoomID, "own") {
			c.Errorf("secret id %s", secretID)
		}
		got, err := room.Secret(ctx, secretID)
		c.check(err)
		if string(got) != value {
			c.Errorf("secret of %d bytes is another one", len(got))
		}
	}
	ids, err := c.publisher.Contract(id).Secrets(ctx)
	c.check(err)
	if n := len(slices.DeleteFunc(ids, func(s string) bool { return s != "cleanroom_own" })); n != 1 {
		c.Errorf("%d secrets of rooms", n)
	}
	const canary = "CANARY-90be"
	for value, code := range map[string]string{"": "ValueMissing", canary + "\xff": "", canary + strings.Repeat("x", governance.MaxSecret): "ValueTooLarge"} {
		_, err := room.PutSecret(ctx, "own", value)
		wantText(c, err, "governance: put secret own of "+id+": ", "the value ")
		if code != "" && wantCode(c, err, code).StatusCode != 0 {
			c.Errorf("it was sent: %.100v", err)
		}
		if strings.Contains(err.Error(), canary) {
			c.Errorf("the error shows the value: %.100v", err)
		}
	}
	for _, name := range []string{"", "a/b", "a b", "a%2Fb", "..", "ü", strings.Repeat("n", 257)} {
		_, err := room.PutSecret(ctx, name, "value")
		wantCode(c, err, "InvalidResourceName")
	}
}

// TestRoomPutSecretRefused lets a room that is not the agreed one store nothing,
// and keeps a member's secret apart from a room's of the same name.
func TestRoomPutSecretRefused(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	g := c.launch("agreed")
	room := c.room(id, g, nil)
	_, err := room.PutSecret(ctx, "name", "value")
	wantDenied(t, err, "policy.accepted")
	c.agree(id, g.hostData())
	_, err = c.room(id, c.launch("another"), nil).PutSecret(ctx, "name", "value")
	wantCode(t, wantDenied(t, err, "policy.match"), "VerifySnpAttestationFailed")
	if ids, err := c.publisher.Contract(id).Secrets(ctx); err != nil || len(ids) != 0 {
		t.Errorf("secrets %q, %v", ids, err)
	}
	theirs, err := c.publisher.Contract(id).PutSecret(ctx, "name", "member's")
	c.check(err)
	ours, err := room.PutSecret(ctx, "name", "room's")
	c.check(err)
	for secretID, want := range map[string]string{theirs: "member's", ours: "room's"} {
		if got, err := room.Secret(ctx, secretID); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", secretID, got, err)
		}
	}
}

// TestLostRoomSecret loses the answer to a room's secret, and finds it stored
// once.
func TestLostRoomSecret(t *testing.T) {
	c, id := commonConsortium(t)
	g := c.launch("policy")
	c.agree(id, g.hostData())
	for n := 1; n <= 2; n++ {
		l := &loser{lose: n}
		room := c.room(id, g, l.wrap)
		governance.HastenRoom(room)
		secretID, err := room.PutSecret(t.Context(), "name", "value")
		c.check(err)
		if l.calls.Load() < 3 {
			t.Errorf("%d calls", l.calls.Load())
		}
		if got, err := room.Secret(t.Context(), secretID); err != nil || string(got) != "value" {
			t.Errorf("%s, %v", got, err)
		}
		if ids, err := c.publisher.Contract(id).Secrets(t.Context()); err != nil || len(ids) != 1 {
			t.Errorf("secrets %q, %v", ids, err)
		}
	}
}

// TestRoomPutSecretAnswers wants an id from the service, or from the sidecar.
func TestRoomPutSecretAnswers(t *testing.T) {
	c, id := commonConsortium(t)
	g := c.launch("policy")
	for _, body := range []string{``, `[]`, `{}`, `{"secretId":1}`, `{"secretId":"a/b"}`} {
		room := c.room(id, g, func(http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/tx") {
					return respond(r, http.StatusOK, nil, `{"status":"Committed"}`), nil
				}
				return respond(r, http.StatusOK, http.Header{"X-Ms-Ccf-Transaction-Id": {"2.9"}}, body), nil
			})
		})
		_, direct := room.PutSecret(t.Context(), "name", "value")
		_, sidecar := fakeSidecar(t, text(http.StatusOK, body)).PutSecret(t.Context(), "name", "value")
		for _, err := range []error{direct, sidecar} {
			var se *governance.ServiceError
			if err == nil || errors.As(err, &se) || !strings.Contains(err.Error(), "put secret name of ") {
				t.Errorf("%q: %v", body, err)
			}
		}
	}
}
