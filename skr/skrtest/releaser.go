package skrtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/skr"
)

// ReleaserEnvironment is what [Releaser] runs against.
type ReleaserEnvironment struct {
	// New makes a releaser that has kept nothing; the suite closes it.
	New func() (*skr.Releaser, error)
	// Credential may release the keys.
	Credential azcore.TokenCredential
	// Key is one that this guest gets, and that nobody rotates meanwhile.
	Key skr.KeyRef
	// Denied is one whose policy wants another host data; the zero value leaves
	// that out.
	Denied skr.KeyRef
}

// suite is one run.
type suite struct{ ReleaserEnvironment }

// Releaser puts a releaser through the suite: the right key and no other, a
// refusal that says why, one key for callers that come together, and nothing
// after Close.
func Releaser(t *testing.T, env ReleaserEnvironment) {
	t.Helper()
	s := suite{env}
	t.Run("good", s.good)
	t.Run("wrong host data", s.denied)
	t.Run("wrong key", s.wrongKey)
	t.Run("cancelled", s.cancelled)
	t.Run("concurrent", s.concurrent)
	t.Run("close", s.closed)
}

func (s suite) open(t *testing.T) *skr.Releaser {
	t.Helper()
	r, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (s suite) release(t *testing.T, r *skr.Releaser, ref skr.KeyRef) *skr.ReleasedKey {
	t.Helper()
	key, err := r.Release(t.Context(), ref, s.Credential)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = key.Close() })
	return key
}

func public(t *testing.T, key *skr.ReleasedKey) *rsa.PublicKey {
	t.Helper()
	d, err := key.Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	return d.Public().(*rsa.PublicKey)
}

// opens wants the key to open what was wrapped under its own public half.
func opens(t *testing.T, key *skr.ReleasedKey) {
	t.Helper()
	wrapped, err := skr.WrapOAEP(public(t, key), []byte("a value"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.Unwrap(t.Context(), wrapped); string(plain) != "a value" || err != nil {
		t.Errorf("unwrapped %d bytes, %v", len(plain), err)
	}
}

func (s suite) good(t *testing.T) {
	r := s.open(t)
	key := s.release(t, r, s.Key)
	opens(t, key)
	if key.Kind() != "RSA" {
		t.Errorf("the key's kind is %q; the suite wants an RSA key", key.Kind())
	}
	if len(key.Checks()) == 0 {
		t.Error("the key was not checked")
	}
	for _, c := range key.Checks() {
		if !c.OK() {
			t.Errorf("a key came in spite of the check %s", c)
		}
	}
	want, err := s.Key.Normalize()
	got := key.Ref()
	if s.Key.Version == "" {
		got.Version = ""
	}
	if err != nil || got != want {
		t.Errorf("asked for %s, got %s, %v", s.Key, key.Ref(), err)
	}
	if key.Ref().Version == "" {
		t.Log("the version is not known: the identity may not read the key")
		return
	}
	again := s.release(t, s.open(t), key.Ref())
	if !public(t, again).Equal(public(t, key)) || again.Ref() != key.Ref() {
		t.Errorf("the key by its version is another one")
	}
}

func (s suite) denied(t *testing.T) {
	if s.Denied == (skr.KeyRef{}) {
		t.Log("left out: there is no key of another policy")
		return
	}
	_, err := s.open(t).Release(t.Context(), s.Denied, s.Credential)
	var refused *skr.DeniedError
	if !errors.As(err, &refused) {
		t.Fatalf("want a refusal, got %v", err)
	}
	explained := false
	for _, c := range refused.Checks {
		explained = explained || !c.OK() && c.Remedy != "" && (strings.Contains(c.ID, "hostdata") || c.ID == "release.policy")
	}
	if !explained {
		t.Errorf("the refusal names no host data and no policy: %v", err)
	}
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) || resp.StatusCode != http.StatusForbidden {
		t.Errorf("the vault's own refusal is not in the chain: %v", err)
	}
}

func (s suite) wrongKey(t *testing.T) {
	r := s.open(t)
	missing := s.Key
	missing.Name, missing.Version = missing.Name+"-does-not-exist", ""
	if _, err := r.Release(t.Context(), missing, s.Credential); err == nil {
		t.Error("a key that does not exist was released")
	}
	missing = s.Key
	missing.Version = strings.Repeat("0", 32)
	if _, err := r.Release(t.Context(), missing, s.Credential); err == nil {
		t.Error("a version that does not exist was released")
	}
	missing.Name = "a/../b"
	if _, err := r.Release(t.Context(), missing, s.Credential); err == nil {
		t.Error("a name that is a path was taken")
	}
	if _, err := r.Release(t.Context(), s.Key, nil); err == nil {
		t.Error("a key was released to nobody")
	}
	key := s.release(t, r, s.Key)
	other, err := rsa.GenerateKey(rand.Reader, public(t, key).N.BitLen())
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := skr.WrapOAEP(&other.PublicKey, []byte("a value"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.Unwrap(t.Context(), wrapped); err == nil || plain != nil {
		t.Error("it opened what was wrapped under another key")
	}
	if plain, err := key.Unwrap(t.Context(), wrapped[1:]); err == nil || plain != nil {
		t.Error("it opened half a value")
	}
}

func (s suite) cancelled(t *testing.T) {
	r := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Release(ctx, s.Key, s.Credential); !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled, got %v", err)
	}
	// Whoever gave up took nobody along.
	opens(t, s.release(t, r, s.Key))
}

func (s suite) concurrent(t *testing.T) {
	r := s.open(t)
	keys := make([]*skr.ReleasedKey, concurrentUses)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			key, err := r.Release(t.Context(), s.Key, s.Credential)
			if err != nil {
				t.Errorf("caller %d: %v", i, err)
				return
			}
			keys[i] = key
			opens(t, key)
		})
	}
	all.Wait()
	for i, key := range keys {
		if key == nil || keys[0] == nil {
			t.Fatal("not every caller has a key")
		}
		if !public(t, key).Equal(public(t, keys[0])) || key.Ref() != keys[0].Ref() {
			t.Errorf("caller %d has another key", i)
		}
	}
	for _, key := range keys {
		if err := key.Close(); err != nil {
			t.Error(err)
		}
	}
}

func (s suite) closed(t *testing.T) {
	r := s.open(t)
	first, second := s.release(t, r, s.Key), s.release(t, r, s.Key)
	wrapped, err := skr.WrapOAEP(public(t, first), []byte("a value"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Error(err)
	}
	if _, err := first.Unwrap(t.Context(), wrapped); !errors.Is(err, skr.ErrClosed) {
		t.Errorf("Unwrap after Close: %v", err)
	}
	if _, err := first.Decrypter(); !errors.Is(err, skr.ErrClosed) {
		t.Errorf("Decrypter after Close: %v", err)
	}
	opens(t, second)
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	if _, err := r.Release(t.Context(), s.Key, s.Credential); !errors.Is(err, skr.ErrClosed) {
		t.Errorf("Release after Close: %v", err)
	}
	opens(t, second) // handed out before
}
