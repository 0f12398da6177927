package snp

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// ChainCacheOptions are the options of [NewChainCache].
type ChainCacheOptions struct {
	// Dir is where chains are kept, in one file for each chip and TCB; empty
	// keeps them in memory alone. It is made with mode 0700 if it is missing, and
	// must not be open to others; files have mode 0600. Several processes may
	// share it.
	Dir string
	// OnError is told of a file that could not be read or written, which stops
	// nothing: the chain is then fetched, or fetched again by the next process.
	// It may be nil, and is called from several goroutines.
	OnError func(error)
}

// ChainCache keeps the chains of a source. A chain that does not fit the report
// is never returned: after an update of the host's firmware the report names
// another TCB, and the source is asked for that. Concurrent callers share one
// fetch, which goes on as long as one of them waits.
type ChainCache struct {
	source  ChainSource
	dir     string
	onError func(error)

	mu      sync.Mutex
	chains  map[chainKey]*Chain
	flights map[chainKey]*flight
}

// chainKey names a VCEK.
type chainKey struct {
	chip [64]byte
	tcb  uint64
}

// maxChains bounds the memory: a guest has one chip, and few TCBs in its life; a
// relying party may see many.
const maxChains = 1024

// flight is one fetch with those who wait for it.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int
	chain   *Chain
	err     error
}

// NewChainCache puts a cache before a source.
func NewChainCache(source ChainSource, opts *ChainCacheOptions) (*ChainCache, error) {
	const op = "skr/snp: certificate cache"
	if source == nil {
		return nil, errors.New(op + ": no source")
	}
	if opts == nil {
		opts = &ChainCacheOptions{}
	}
	c := &ChainCache{source: source, dir: opts.Dir, onError: opts.OnError, chains: map[chainKey]*Chain{}, flights: map[chainKey]*flight{}}
	if c.onError == nil {
		c.onError = func(error) {}
	}
	if c.dir == "" {
		return c, nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	info, err := os.Stat(c.dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if open := openToOthers(info.Mode()); open != 0 {
		return nil, fmt.Errorf("%s: %s has mode %04o and is open to others; use a directory of mode 0700", op, c.dir, info.Mode().Perm())
	}
	return c, nil
}

var _ ChainSource = (*ChainCache)(nil)

// Chain gives the chain from memory, from the directory or from the source.
func (c *ChainCache) Chain(ctx context.Context, r *Report) (*Chain, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("skr/snp: certificates: %w", err)
	}
	key := chainKey{r.ChipID, r.ReportedTCB}
	c.mu.Lock()
	if chain := c.chains[key]; chain != nil {
		c.mu.Unlock()
		return chain, nil
	}
	f := c.flights[key]
	if f == nil {
		// The fetch has the values of the first caller's context, not its end.
		flying, cancel := context.WithCancel(context.WithoutCancel(ctx))
		f = &flight{done: make(chan struct{}), cancel: cancel}
		c.flights[key] = f
		go c.fly(flying, f, key, r)
	}
	f.waiting++
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.chain, f.err
	case <-ctx.Done():
		c.leave(f, key)
		return nil, fmt.Errorf("skr/snp: certificates: %w", context.Cause(ctx))
	}
}

// leave ends a fetch for which nobody waits any more. A later caller must not
// join what is being ended.
func (c *ChainCache) leave(f *flight, key chainKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		if c.flights[key] == f {
			delete(c.flights, key)
		}
	}
}

func (c *ChainCache) fly(ctx context.Context, f *flight, key chainKey, r *Report) {
	defer f.cancel()
	f.chain, f.err = c.find(ctx, key, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.err == nil {
		if len(c.chains) >= maxChains {
			clear(c.chains)
		}
		c.chains[key] = f.chain
	}
	if c.flights[key] == f {
		delete(c.flights, key)
	}
	close(f.done)
}

// find reads the file, or asks the source and writes it.
func (c *ChainCache) find(ctx context.Context, key chainKey, r *Report) (*Chain, error) {
	if c.dir != "" {
		chain, err := readChain(filepath.Join(c.dir, key.file()))
		if err == nil {
			err = chain.Fits(r)
		}
		if err == nil {
			return chain, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			c.onError(fmt.Errorf("skr/snp: certificate cache: %s: %w; it is fetched again", key.file(), err))
		}
	}
	chain, err := c.source.Chain(ctx, r)
	if err != nil {
		return nil, err
	}
	// A source of the caller's own may break its promise.
	if err := chain.Fits(r); err != nil {
		return nil, fmt.Errorf("skr/snp: certificates: %w", err)
	}
	if c.dir != "" {
		if err := writeChain(c.dir, key.file(), chain.PEM()); err != nil {
			c.onError(fmt.Errorf("skr/snp: certificate cache: %w", err))
		}
	}
	return chain, nil
}

// file is a name of fixed length that says nothing of the chip.
func (k chainKey) file() string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(k.chip[:], k.tcb))
	return hex.EncodeToString(sum[:16]) + ".pem"
}

func readChain(name string) (*Chain, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCertificates+1))
	if err != nil {
		return nil, err
	}
	certs, err := parseCertificates(b)
	if err != nil {
		return nil, err
	}
	return newChain(certs)
}

// writeChain puts a file in place as a whole: another process sees the old one,
// none, or the new one.
func writeChain(dir, name string, b []byte) error {
	f, err := os.CreateTemp(dir, name+".*.tmp") // of mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
