package skr

import (
	"context"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// tokenMargin is how long before its end a token is no longer given out, and
// tokenRenewal how long before it is asked for anew, with the old one at hand
// should that fail.
const (
	tokenMargin  = time.Minute
	tokenRenewal = 5 * time.Minute
)

// tokenKeeper keeps the tokens of one identity, one for each audience. Callers
// who come while one is asked for wait for it.
type tokenKeeper struct {
	now func() time.Time

	mu   sync.Mutex
	kept map[string]*keptToken
}

// keptToken is the token for one audience. The channel holds one while
// somebody asks: those who wait can stop waiting.
type keptToken struct {
	turn  chan struct{}
	token azcore.AccessToken
}

func newTokenKeeper(now func() time.Time) *tokenKeeper {
	return &tokenKeeper{now: now, kept: map[string]*keptToken{}}
}

func (k *tokenKeeper) of(audience string) *keptToken {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.kept[audience]
	if t == nil {
		t = &keptToken{turn: make(chan struct{}, 1)}
		k.kept[audience] = t
	}
	return t
}

// get gives the kept token until it is to be renewed, and a fresh one after
// that. If the renewal fails the kept one serves while it lasts. renew asks for
// a fresh one in any case, and an old one does not serve. The error is that of
// fetch, or the cause for which ctx ended in the wait for another caller.
func (k *tokenKeeper) get(ctx context.Context, audience string, renew bool, fetch func() (azcore.AccessToken, error)) (azcore.AccessToken, error) {
	t := k.of(audience)
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return azcore.AccessToken{}, context.Cause(ctx)
	}
	if !renew && k.now().Before(t.token.RefreshOn) {
		return t.token, nil
	}
	fresh, err := fetch()
	if err == nil {
		if latest := fresh.ExpiresOn.Add(-tokenRenewal); fresh.RefreshOn.IsZero() || latest.Before(fresh.RefreshOn) {
			fresh.RefreshOn = latest
		}
		t.token = fresh
		return fresh, nil
	}
	if !renew && ctx.Err() == nil && k.now().Before(t.token.ExpiresOn.Add(-tokenMargin)) {
		return t.token, nil
	}
	return azcore.AccessToken{}, err
}
