package skr

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"
)

const certsPath = "GET " + maaHost + "/certs"

// An unknown kid costs one look-up a minute, however many ask and whatever kids
// they invent.
func TestUnknownKeysDoNotPressTheService(t *testing.T) {
	w := newWorld(t)
	c := w.maaClient(t)
	var mu sync.Mutex
	now := time.Now()
	c.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	ask := func(kid string, known bool, fetches int) {
		t.Helper()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if pub, err := c.key(context.Background(), kid); err != nil || (pub != nil) != known {
					t.Errorf("%s: %v, %v", kid, pub, err)
				}
			})
		}
		wg.Wait()
		if n := w.count(certsPath); n != fetches {
			t.Errorf("%s: the key set was fetched %d times in all, want %d", kid, n, fetches)
		}
	}
	ask("maa-1", true, 1) // eight callers, one flight
	ask("maa-1", true, 1)
	ask("maa-2", false, 2) // once, at once
	ask("maa-2", false, 2)
	ask("maa-3", false, 2)
	pass(missLifetime)
	ask("maa-3", false, 3)
	ask("maa-1", true, 3)
	pass(keySetLifetime)
	ask("maa-1", true, 4)

	// A fetch that fails is nobody's fault but the service's.
	fails := true
	w.intercept = func(rw http.ResponseWriter, _ *http.Request) bool {
		if fails {
			refuse(rw, 503, "ServiceUnavailable", "", "later")
		}
		return fails
	}
	if _, err := c.key(context.Background(), "maa-4"); err == nil {
		t.Error("no error")
	}
	fails = false
	ask("maa-4", false, 6)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.lock <- struct{}{} // somebody is fetching
	if _, err := c.key(ctx, "maa-1"); err == nil {
		t.Error("a caller who gave up waited on")
	}
	<-c.lock
}

func TestDiscover(t *testing.T) {
	w := newWorld(t)
	c := w.maaClient(t)
	good := func() object {
		return object{"issuer": "https://" + maaHost, "jwks_uri": "https://" + maaHost + "/certs", "id_token_signing_alg_values_supported": []string{"RS256"}}
	}
	for name, tc := range map[string]struct {
		edit func(object)
		want string // failed check
	}{
		"good":         {func(object) {}, ""},
		"no issuer":    {func(o object) { delete(o, "issuer") }, ""},
		"other issuer": {func(o object) { o["issuer"] = "https://" + evilHost }, "discovery.issuer"},
		"other keys":   {func(o object) { o["jwks_uri"] = "https://" + evilHost + "/certs" }, "discovery.keys"},
		"no keys":      {func(o object) { delete(o, "jwks_uri") }, "discovery.keys"},
		"HS256 alone":  {func(o object) { o["id_token_signing_alg_values_supported"] = []string{"HS256"} }, "discovery.algorithm"},
	} {
		doc := good()
		tc.edit(doc)
		w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/.well-known/openid-configuration" {
				reply(rw, 200, doc)
			}
			return true
		}
		d, err := c.Discover(context.Background())
		if tc.want == "" && (err != nil || d.KeysURL != "https://"+maaHost+"/certs") {
			t.Errorf("%s: %v, %v", name, d, err)
		}
		if ids := failedIDs(err); tc.want != "" && (len(ids) != 1 || ids[0] != tc.want) {
			t.Errorf("%s: failed checks %v, want %s", name, ids, tc.want)
		}
	}
	w.intercept = func(rw http.ResponseWriter, _ *http.Request) bool { refuse(rw, 404, "NotFound", "", "no"); return true }
	if _, err := c.Discover(context.Background()); err == nil {
		t.Error("no document, no error")
	}
}
