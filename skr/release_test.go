package skr

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/internal/keywrap"
)

const (
	attestPath  = "POST " + maaHost + "/attest"
	releasePath = "POST " + vaultHost + "/keys/" + keyName + "/release"
)

func TestRelease(t *testing.T) {
	w := newWorld(t)
	r := w.releaser(t)
	key, err := r.Release(context.Background(), w.ref(), &bearer{"t"})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	want := w.ref()
	want.Version = version1
	if key.Ref() != want || key.Kind() != "RSA" || len(key.Checks()) == 0 {
		t.Errorf("released %v of kind %s with checks %v", key.Ref(), key.Kind(), key.Checks())
	}
	wrapped, err := WrapOAEP(&w.kek.PublicKey, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.Unwrap(context.Background(), wrapped); err != nil || string(plain) != "secret" {
		t.Errorf("unwrap: %q, %v", plain, err)
	}
	d, err := key.Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	if !w.kek.PublicKey.Equal(d.Public()) {
		t.Error("the decrypter has another public key")
	}
	plain, err := d.Decrypt(rand.Reader, wrapped, &rsa.OAEPOptions{Hash: crypto.SHA256})
	if err != nil || string(plain) != "secret" {
		t.Errorf("decrypt: %q, %v", plain, err)
	}
	if _, err := d.Decrypt(rand.Reader, wrapped, crypto.SHA256); err == nil {
		t.Error("options of another padding were accepted")
	}
	if _, err := d.Decrypt(rand.Reader, wrapped, nil); err == nil {
		t.Error("nil options mean PKCS #1 v1.5 and were accepted")
	}
}

// The price of a release: one attestation, one token, one challenge, one
// release; the key set once in the life of a releaser.
func TestReleaseRequests(t *testing.T) {
	w := newWorld(t)
	g := w.guest()
	r, err := NewReleaser(g, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cred := &bearer{"t"}
	for range 5 {
		key, err := r.Release(context.Background(), w.ref(), cred)
		if err != nil {
			t.Fatal(err)
		}
		key.Close()
	}
	if g.attested() != 1 {
		t.Errorf("attested %d times", g.attested())
	}
	want := []string{attestPath + "/SevSnpVm", "GET " + maaHost + "/certs", releasePath, releasePath}
	if got := strings.Join(w.requests, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("requests:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	// Another version is another key; the clients are kept.
	ref := w.ref()
	ref.Version = version1
	if _, err := r.Release(context.Background(), ref, cred); err != nil {
		t.Fatal(err)
	}
	if n := len(w.requests); n != len(want)+2 {
		t.Errorf("a second key cost %d requests, want 2: %v", n-len(want), w.requests[len(want):])
	}
	// Another credential must not get the first one's key.
	if _, err := r.Release(context.Background(), ref, &bearer{"t"}); err != nil {
		t.Fatal(err)
	}
	if g.attested() != 3 {
		t.Errorf("another credential was answered from memory")
	}
}

func TestReleaseAlgorithms(t *testing.T) {
	w := newWorld(t)
	for _, alg := range []keywrap.Algorithm{"", keywrap.CKMRSAAES, keywrap.RSAAES256, keywrap.RSAAES384} {
		r, err := NewReleaser(w.guest(), &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool(), Algorithm: string(alg)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Release(context.Background(), w.ref(), &bearer{"t"}); err != nil {
			t.Errorf("%q: %v", alg, err)
		}
		r.Close()
	}
	if _, err := NewReleaser(w.guest(), &ReleaserOptions{Algorithm: "RSA1_5"}); err == nil {
		t.Error("an unknown algorithm was accepted")
	}
	if _, err := NewReleaser(nil, nil); err == nil {
		t.Error("no attester was accepted")
	}
}

func TestReleaseConcurrently(t *testing.T) {
	w := newWorld(t)
	g := w.guest()
	g.gate = make(chan struct{})
	r, err := NewReleaser(g, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cred := &bearer{"t"}
	first, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var firstErr error
	wg.Go(func() { _, firstErr = r.Release(first, w.ref(), cred) })
	waitFor(t, func() bool { return g.attested() == 1 }) // the flight is his
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			key, err := r.Release(context.Background(), w.ref(), cred)
			if err == nil {
				err = key.Close()
			}
			errs[i] = err
		})
	}
	waitFor(t, func() bool { // all wait for the same flight
		r.mu.Lock()
		defer r.mu.Unlock()
		f := r.flights[releaseID{w.ref(), cred}]
		return f != nil && f.waiters == len(errs)+1
	})
	cancel() // whoever came first gives up
	waitFor(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.flights[releaseID{w.ref(), cred}].waiters == len(errs)
	})
	close(g.gate)
	wg.Wait()
	if !errors.Is(firstErr, context.Canceled) {
		t.Errorf("the cancelled caller got %v", firstErr)
	}
	for i, err := range errs {
		if err != nil {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	if n := w.count(releasePath); g.attested() != 1 || n != 2 {
		t.Errorf("%d attestations and %d requests for the release; want 1, and 2 with the challenge", g.attested(), n)
	}
}

// waitFor yields until cond holds; the test's own deadline bounds it.
func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatal("the condition never came true")
		}
		runtime.Gosched()
	}
}

func TestReleaseStopsWhenNobodyWaits(t *testing.T) {
	w := newWorld(t)
	g := w.guest()
	g.gate = make(chan struct{}) // never opened
	r, err := NewReleaser(g, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	gone := errors.New("gone")
	done := make(chan error)
	cred := &bearer{"t"}
	go func() {
		_, err := r.Release(ctx, w.ref(), cred)
		done <- err
	}()
	waitFor(t, func() bool { return g.attested() == 1 })
	cancel(gone)
	if err := <-done; !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	r.running.Wait() // the attester's context was cancelled
	go func() {
		_, err := r.Release(context.Background(), w.ref(), cred)
		done <- err
	}()
	waitFor(t, func() bool { return g.attested() == 2 })
	r.Close()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("interrupted by Close: %v", err)
	}
	if _, err := r.Release(context.Background(), w.ref(), cred); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestReleaseOfExpiring: a key that expires in its vault is not kept longer.
func TestReleaseOfExpiring(t *testing.T) {
	for left, want := range map[time.Duration]int{10 * time.Minute: 2, 2 * time.Hour: 1, -time.Hour: 3} {
		w := newWorld(t)
		g := w.guest()
		r, err := NewReleaser(g, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool(), TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		w.editRelease = func(_, payload, _ object) {
			payload["response"].(object)["key"].(object)["attributes"] = object{"enabled": true, "exp": now.Add(left).Unix()}
		}
		for _, later := range []time.Duration{0, 5 * time.Minute, 20 * time.Minute} {
			r.now = func() time.Time { return now.Add(later) }
			if _, err := r.Release(t.Context(), w.ref(), &sameBearer); err != nil {
				t.Fatal(err)
			}
		}
		if got := g.attested(); got != want {
			t.Errorf("a key that expires in %s was released %d times in 20 minutes, want %d", left, got, want)
		}
		r.Close()
	}
}

var sameBearer = bearer{"t"}

func TestReleaseTTL(t *testing.T) {
	w := newWorld(t)
	g := w.guest()
	r, err := NewReleaser(g, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool(), TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var mu sync.Mutex
	now := time.Now()
	r.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	cred := &bearer{"t"}
	ask := func(wantAttested int) {
		t.Helper()
		if _, err := r.Release(context.Background(), w.ref(), cred); err != nil {
			t.Fatal(err)
		}
		if g.attested() != wantAttested {
			t.Errorf("attested %d times, want %d", g.attested(), wantAttested)
		}
	}
	ask(1)
	mu.Lock()
	now = now.Add(59 * time.Minute)
	mu.Unlock()
	ask(1)
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	ask(2)

	none, err := NewReleaser(g, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool(), TTL: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	for range 2 {
		if _, err := none.Release(context.Background(), w.ref(), cred); err != nil {
			t.Fatal(err)
		}
	}
	if g.attested() != 4 {
		t.Errorf("a releaser that keeps nothing attested %d times in two releases", g.attested()-2)
	}
	// The timer forgets a key that nobody asks for again.
	short, err := NewReleaser(g, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool(), TTL: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	defer short.Close()
	if _, err := short.Release(context.Background(), w.ref(), cred); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { short.mu.Lock(); defer short.mu.Unlock(); return len(short.cache) == 0 })
}

func TestReleaseRefusesBadArguments(t *testing.T) {
	w := newWorld(t)
	r := w.releaser(t)
	if _, err := r.Release(context.Background(), KeyRef{Name: "a/b"}, &bearer{}); err == nil {
		t.Error("a bad reference was accepted")
	}
	if _, err := r.Release(context.Background(), w.ref(), nil); err == nil {
		t.Error("no credential was accepted")
	}
	if _, err := r.Release(context.Background(), w.ref(), tokenFunc(nil)); err == nil || !strings.Contains(err.Error(), "comparable") {
		t.Errorf("a credential without identity: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Release(ctx, w.ref(), &bearer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if len(w.requests) != 0 {
		t.Errorf("requests were made: %v", w.requests)
	}
}

// tokenFunc is a credential of a type that cannot be compared.
type tokenFunc func() string

func (f tokenFunc) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: f()}, nil
}

func TestReleasedKeyAfterClose(t *testing.T) {
	w := newWorld(t)
	r := w.releaser(t)
	cred := &bearer{"t"}
	one, err := r.Release(context.Background(), w.ref(), cred)
	if err != nil {
		t.Fatal(err)
	}
	two, err := r.Release(context.Background(), w.ref(), cred)
	if err != nil {
		t.Fatal(err)
	}
	d, err := one.Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &w.kek.PublicKey, []byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := one.Decrypter(); !errors.Is(err, ErrClosed) {
		t.Errorf("decrypter after close: %v", err)
	}
	if _, err := d.Decrypt(nil, wrapped, &rsa.OAEPOptions{Hash: crypto.SHA256}); !errors.Is(err, ErrClosed) {
		t.Errorf("decrypt after close: %v", err)
	}
	if _, err := one.Unwrap(context.Background(), wrapped); !errors.Is(err, ErrClosed) {
		t.Errorf("unwrap after close: %v", err)
	}
	if _, err := two.Unwrap(context.Background(), wrapped); err != nil {
		t.Errorf("the other handle: %v", err)
	}
	if _, err := two.Unwrap(context.Background(), wrapped[1:]); err == nil {
		t.Error("a short value was unwrapped")
	}
	wrapped[0] ^= 1
	if _, err := two.Unwrap(context.Background(), wrapped); err == nil {
		t.Error("a changed value was unwrapped")
	}
}
