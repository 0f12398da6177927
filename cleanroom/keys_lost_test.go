package cleanroom_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/skr"
)

// loseAnswers lets the first writes below a path reach the vault and answers
// them as a gateway in trouble would; with before, they do not even reach it.
func (u *vaultUser) loseAnswers(prefix string, writes int, before bool) {
	u.Helper()
	var lost atomic.Int32
	u.hold(func(req *http.Request, body []byte) *http.Response {
		if req.Method != http.MethodPut || !strings.HasPrefix(req.URL.Path, prefix) || req.Header.Get("Authorization") == "" || int(lost.Add(1)) > writes {
			return nil
		}
		if !before {
			u.edited(req, func(map[string]any) {}) // done, and nobody hears of it
		}
		return answer(req, http.StatusServiceUnavailable, map[string]any{"error": map[string]any{"code": "ServiceUnavailable"}})
	}, nil)
}

// A write whose answer is lost is found, and not made twice.
func testLostAnswers(u *vaultUser) {
	ctx, policy := u.Context(), u.policyFor(u.env.Launch([]byte("package policy\n")))
	keys := u.keys(cleanroom.KeysOptions{})
	_, _, err := keys.ImportKEK(ctx, u.kek("warm-up"), policy, nil) // the challenge is known from here on
	u.must(err)
	_, err = keys.WrapSecret(ctx, u.secret("warm-up", "warm-up"), &testRSA(u.T, 2048).PublicKey, []byte("x"))
	u.must(err)
	u.calls()

	u.loseAnswers("/keys/lost", 1, false)
	ref, pub, err := keys.ImportKEK(ctx, u.kek("lost"), policy, nil)
	u.must(err)
	if calls := u.calls(); !slices.Equal(calls, []string{"GET /keys/lost/", "PUT /keys/lost", "GET /keys/lost/", "GET /keys/lost/"}) {
		u.Errorf("import: %v", calls)
	}
	secret := u.secret("lost", "lost")
	secret.KEK = ref
	u.loseAnswers("/secrets/lost", 1, false)
	stored, err := keys.WrapSecret(ctx, secret, pub, []byte("secret"))
	u.must(err, stored.CheckPinned())
	if calls := u.calls(); !slices.Equal(calls, []string{"PUT /secrets/lost", "GET /secrets/lost/"}) {
		u.Errorf("secret: %v", calls)
	}
	if newest, err := u.secrets().GetSecret(ctx, "lost", "", nil); err != nil || newest.ID.Version() != stored.Version {
		u.Errorf("stored as %s, %v", stored, err)
	}
	u.calls()

	// What did not arrive is sent again, over an older value too.
	u.loseAnswers("/secrets/lost", 2, true)
	second, err := keys.WrapSecret(ctx, secret, pub, []byte("secret 2"))
	u.must(err)
	put, get := "PUT /secrets/lost", "GET /secrets/lost/"
	if calls := u.calls(); !slices.Equal(calls, []string{put, get, put, get, put}) || second.Version == stored.Version {
		u.Errorf("sent again: %v", calls)
	}
	u.loseAnswers("/keys/again", 1, true)
	_, _, err = keys.ImportKEK(ctx, u.kek("again"), policy, nil)
	u.must(err)
	u.calls()

	// Not for ever.
	u.loseAnswers("/secrets/lost", 99, true)
	var refused *azcore.ResponseError
	if ref, err := keys.WrapSecret(ctx, secret, pub, []byte("secret 3")); !errors.As(err, &refused) || refused.StatusCode != 503 || ref != (skr.SecretRef{}) {
		u.Errorf("never arrives: %v", err)
	}
	if calls := u.calls(); !slices.Equal(calls, []string{put, get, put, get, put, get}) {
		u.Errorf("never arrives: %v", calls)
	}
	// A refusal is one, and nobody looks.
	u.hold(refuse("PUT", "/secrets/", 403, "Forbidden", "no"), nil)
	if _, err := keys.WrapSecret(ctx, secret, pub, []byte("secret 4")); !errors.As(err, &refused) || refused.StatusCode != 403 {
		u.Errorf("refused: %v", err)
	}
	if calls := u.calls(); !slices.Equal(calls, []string{put}) {
		u.Errorf("refused: %v", calls)
	}
}
