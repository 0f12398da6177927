package skr

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/internal/keywrap"
	"github.com/cleanroom-go/sdk/internal/trace"
)

const (
	defaultTTL = 15 * time.Minute
	// maxRelease bounds one release, retries included: nobody waits for it once
	// every caller has gone, but a service that hangs must not hold it for ever.
	maxRelease = 5 * time.Minute
)

// ReleaserOptions are the options of [NewReleaser]. The zero value is ready.
type ReleaserOptions struct {
	// ClientOptions are used for the attestation service and for the vaults.
	azcore.ClientOptions
	// Roots are the roots of the certificate chain that signs release
	// responses; nil means those of the system.
	Roots *x509.CertPool
	// Algorithm is Key Vault's "enc"; empty means RSA_AES_KEY_WRAP_256 and, with
	// a vault that refuses it, CKM_RSA_AES_KEY_WRAP, the service's own default,
	// which uses SHA-1.
	Algorithm string
	// TTL is how long a released key is kept for further calls; zero means 15
	// minutes, a negative value that nothing is kept. A key that expires in its
	// vault before that is not kept longer.
	TTL time.Duration
	// OnRelease, if set, is told of each key that a vault has released, with
	// its version, and not of those that were kept. It must not block.
	OnRelease func(KeyRef)
}

// Releaser gets keys out of vaults. It keeps released keys for a while and
// releases each only once, however many callers ask at the same time. It may
// be used by several goroutines.
type Releaser struct {
	attester  Attester
	tracer    trace.Tracer
	azure     azcore.ClientOptions
	roots     *x509.CertPool
	algorithm keywrap.Algorithm
	fallback  bool // to CKM_RSA_AES_KEY_WRAP
	ttl       time.Duration
	onRelease func(KeyRef)
	now       func() time.Time
	// source makes one release that nothing was kept of: release, or that of a
	// sidecar.
	source func(context.Context, releaseID) (*releasedMaterial, error)

	running sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	cache    map[releaseID]*cached
	flights  map[releaseID]*flight
	services map[string]*MAAClient
	vaults   map[vaultID]*azkeys.Client
}

// releaseID tells releases apart. The credential belongs to it: a key that one
// identity may have must not reach a caller who holds another.
type releaseID struct {
	ref  KeyRef
	cred azcore.TokenCredential
}

type vaultID struct {
	url  string
	cred azcore.TokenCredential
}

type cached struct {
	key     *releasedMaterial
	expires time.Time
	timer   *time.Timer
}

// flight is one release that callers wait for.
type flight struct {
	cancel  context.CancelFunc
	waiters int           // guarded by Releaser.mu
	done    chan struct{} // closed when key and err are set
	key     *releasedMaterial
	err     error
}

// NewReleaser makes a releaser whose evidence comes from attester.
func NewReleaser(attester Attester, opts *ReleaserOptions) (*Releaser, error) {
	if attester == nil {
		return nil, errors.New("skr: new releaser: no attester; in a room use snp.OpenDevice")
	}
	if opts == nil {
		opts = &ReleaserOptions{}
	}
	algorithm := keywrap.Algorithm(opts.Algorithm)
	if algorithm == "" {
		algorithm = keywrap.RSAAES256
	}
	if !algorithm.Valid() {
		return nil, fmt.Errorf("skr: new releaser: unknown algorithm %q; use %s, %s or %s", opts.Algorithm, keywrap.RSAAES256, keywrap.RSAAES384, keywrap.CKMRSAAES)
	}
	ttl := opts.TTL
	if ttl == 0 {
		ttl = defaultTTL
	}
	r := &Releaser{
		attester:  attester,
		tracer:    trace.New(opts.TracingProvider, "skr"),
		azure:     opts.ClientOptions,
		roots:     opts.Roots,
		algorithm: algorithm,
		fallback:  opts.Algorithm == "",
		ttl:       ttl,
		onRelease: opts.OnRelease,
		now:       time.Now,
		cache:     map[releaseID]*cached{},
		flights:   map[releaseID]*flight{},
		services:  map[string]*MAAClient{},
		vaults:    map[vaultID]*azkeys.Client{},
	}
	r.source = r.release
	return r, nil
}

// Release attests this program to the key's attestation service and asks the
// key's vault to release it. One call costs one attestation, one token and one
// release; calls for the same key with the same credential share one, and
// further ones are answered from memory until the TTL is over. The caller must
// close the key.
//
// A refusal, by the vault or by a check of what the services answered, is a
// [*DeniedError].
func (r *Releaser) Release(ctx context.Context, ref KeyRef, cred azcore.TokenCredential) (_ *ReleasedKey, err error) {
	ctx, end := r.tracer.Start(ctx, "Release")
	defer end(&err)
	ref, err = ref.Normalize()
	if err != nil {
		return nil, err
	}
	if cred == nil {
		return nil, fmt.Errorf("%s: no credential", releaseOp(ref))
	}
	// The credential is a map key, which panics on types that have no identity.
	if !reflect.ValueOf(cred).Comparable() {
		return nil, fmt.Errorf("%s: the credential's type %T is not comparable; pass a pointer", releaseOp(ref), cred)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", releaseOp(ref), err)
	}
	id := releaseID{ref, cred}
	key, f, err := r.join(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", releaseOp(ref), err)
	}
	if key != nil {
		return key, nil
	}
	select {
	case <-f.done:
		defer r.leave(id, f)
		if f.err != nil {
			return nil, f.err
		}
		return f.key.handle(), nil
	case <-ctx.Done():
		r.leave(id, f)
		return nil, fmt.Errorf("%s: %w", releaseOp(ref), context.Cause(ctx))
	}
}

func releaseOp(ref KeyRef) string {
	return "skr: release key " + joinID(ref.Name, ref.Version) + " from " + hostOf(ref.VaultURL)
}

// join returns a kept key, or the flight to wait for. A new flight does not
// hang on the context of the caller who started it, only on its values:
// whoever comes later must not fail because the first one gave up.
func (r *Releaser) join(ctx context.Context, id releaseID) (*ReleasedKey, *flight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, ErrClosed
	}
	if c := r.cache[id]; c != nil && r.now().Before(c.expires) {
		return c.key.handle(), nil, nil
	}
	f := r.flights[id]
	if f == nil {
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxRelease)
		f = &flight{cancel: cancel, done: make(chan struct{})}
		r.flights[id] = f
		r.running.Go(func() { r.fly(free, id, f) })
	}
	f.waiters++
	return nil, f, nil
}

// leave stops a flight when nobody waits for it any more, or lets go of the key
// that it brought.
func (r *Releaser) leave(id releaseID, f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.waiters--; f.waiters > 0 {
		return
	}
	f.cancel()
	if r.flights[id] == f {
		delete(r.flights, id) // who comes now starts afresh
	}
	if f.key != nil {
		f.key.drop()
	}
}

func (r *Releaser) fly(ctx context.Context, id releaseID, f *flight) {
	defer f.cancel()
	key, err := r.source(ctx, id)
	if err == nil && r.onRelease != nil {
		r.onRelease(key.ref)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flights[id] == f {
		delete(r.flights, id)
	}
	switch {
	case err != nil && r.closed: // the cause is Close, not what it interrupted
		err = fmt.Errorf("%s: %w", releaseOp(id.ref), ErrClosed)
	case err == nil && !r.closed && r.ttl > 0:
		r.keep(id, key)
	}
	if err == nil {
		key.retain() // for those who wait
		if f.waiters == 0 {
			key.drop()
			key = nil
		}
	}
	f.key, f.err = key, err
	close(f.done)
}

// keep caches a key until the TTL is over, or the key has expired in its vault;
// a timer forgets it even if nobody asks again.
func (r *Releaser) keep(id releaseID, key *releasedMaterial) {
	r.forget(id, r.cache[id])
	ttl, now := r.ttl, r.now()
	if !key.expires.IsZero() {
		ttl = min(ttl, key.expires.Sub(now))
	}
	if ttl <= 0 {
		return
	}
	key.retain()
	c := &cached{key: key, expires: now.Add(ttl)}
	c.timer = time.AfterFunc(ttl, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.forget(id, c)
	})
	r.cache[id] = c
}

// forget lets go of a kept key, unless another one took its place. The caller
// holds the lock.
func (r *Releaser) forget(id releaseID, c *cached) {
	if c == nil || r.cache[id] != c {
		return
	}
	c.timer.Stop()
	delete(r.cache, id)
	c.key.drop()
}

// Close forgets every kept key and stops every release under way. Keys that
// were handed out stay usable until they are closed themselves.
func (r *Releaser) Close() error {
	r.mu.Lock()
	r.closed = true
	for _, f := range r.flights {
		f.cancel()
	}
	for id, c := range r.cache {
		r.forget(id, c)
	}
	r.mu.Unlock()
	r.running.Wait()
	return nil
}

func (r *Releaser) service(url string) (*MAAClient, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.services[url]; c != nil {
		return c, nil
	}
	c, err := NewMAAClient(url, &MAAClientOptions{ClientOptions: r.azure})
	if err != nil {
		return nil, err
	}
	c.now = r.now
	r.services[url] = c
	return c, nil
}

// vault keeps one client per vault and credential: each pays one challenge.
func (r *Releaser) vault(url string, cred azcore.TokenCredential) (*azkeys.Client, error) {
	id := vaultID{url, cred}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.vaults[id]; c != nil {
		return c, nil
	}
	c, err := azkeys.NewClient(url, cred, &azkeys.ClientOptions{ClientOptions: clientOptions(r.azure)})
	if err != nil {
		return nil, err
	}
	r.vaults[id] = c
	return c, nil
}

var _ io.Closer = (*Releaser)(nil)
