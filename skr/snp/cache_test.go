package snp_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/skr/snp"
)

func TestCacheOnDisk(t *testing.T) {
	h := newHost(t)
	dir := filepath.Join(t.TempDir(), "a", "b")
	source := h.services(t)["Azure cache"]
	r := h.report(t)
	chain := func(c *snp.ChainCache) *snp.Chain {
		t.Helper()
		got, err := c.Chain(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := chain(h.cache(t, source, dir))
	h.counts(t, map[string]int{"cache": 1})
	if again := chain(h.cache(t, source, dir)); string(again.PEM()) != string(first.PEM()) {
		t.Error("another chain came from disk")
	}
	h.counts(t, map[string]int{"cache": 1})
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err = os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A file that is damaged, cut, foreign, huge or for another TCB is fetched
	// again and replaced, and somebody is told.
	h.update(t, tcb1)
	older := h.report(t)
	foreign, err := source.Chain(t.Context(), older)
	if err != nil {
		t.Fatal(err)
	}
	text := string(first.PEM())
	end := strings.Index(text, "-----END")
	requests := 2
	for name, content := range map[string]string{
		"empty": "", "text": "x", "cut": text[:len(text)/2], "VCEK alone": text[:strings.Index(text[end:], "\n")+end+1],
		"bit": text[:end-40] + flip(text[end-40]) + text[end-39:], "another TCB": string(foreign.PEM()), "huge": text + strings.Repeat("\n", 64<<10), "key": strings.ReplaceAll(text, "CERTIFICATE", "PRIVATE KEY"),
	} {
		if err := os.WriteFile(files[0], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var told []error
		c, err := snp.NewChainCache(source, &snp.ChainCacheOptions{Dir: dir, OnError: func(err error) { told = append(told, err) }})
		if err != nil {
			t.Fatal(err)
		}
		chain(c)
		requests++
		h.counts(t, map[string]int{"cache": requests})
		if len(told) != 1 || !strings.Contains(told[0].Error(), "fetched again") {
			t.Errorf("%s: told %v", name, told)
		}
		if b, err := os.ReadFile(files[0]); err != nil || string(b) != text {
			t.Errorf("%s was not replaced: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// flip is another letter of base64.
func flip(b byte) string {
	if b == 'A' {
		return "B"
	}
	return "A"
}

func TestCacheDirectory(t *testing.T) {
	h := newHost(t)
	source := h.services(t)["THIM"]
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"open to others": open, "a file": file, "below a file": filepath.Join(file, "x")} {
		if _, err := snp.NewChainCache(source, &snp.ChainCacheOptions{Dir: dir}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := snp.NewChainCache(nil, nil); err == nil {
		t.Error("no source was accepted")
	}
	// A directory that goes away costs a fetch and nothing else.
	dir := filepath.Join(t.TempDir(), "gone")
	var told []error
	c, err := snp.NewChainCache(source, &snp.ChainCacheOptions{Dir: dir, OnError: func(err error) { told = append(told, err) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Chain(t.Context(), h.report(t)); err != nil || len(told) != 1 || !errors.Is(told[0], fs.ErrNotExist) {
		t.Errorf("%v, told %v", err, told)
	}
}

// slowSource lets a test hold a fetch.
type slowSource struct {
	next    snp.ChainSource
	entered chan context.Context
	leave   chan struct{}
}

func (s *slowSource) Chain(ctx context.Context, r *snp.Report) (*snp.Chain, error) {
	s.entered <- ctx
	select {
	case <-s.leave:
		return s.next.Chain(ctx, r)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func TestCacheSharesOneFlight(t *testing.T) {
	h := newHost(t)
	slow := &slowSource{h.services(t)["THIM"], make(chan context.Context, 1), make(chan struct{})}
	c := h.cache(t, slow, t.TempDir()+"/x")
	r := h.report(t)
	const callers = 20
	type answer struct {
		chain *snp.Chain
		err   error
	}
	answers := make(chan answer, callers)
	ask := func(ctx context.Context) {
		chain, err := c.Chain(ctx, r)
		answers <- answer{chain, err}
	}
	impatient, cancel := context.WithCancelCause(t.Context())
	go ask(impatient)
	flying := <-slow.entered
	for range callers - 1 {
		go ask(t.Context())
	}
	waitFor(t, func() bool { _, _, waiting := c.Counts(); return waiting == callers })
	// Who began it may leave; the others get what they wait for.
	enough := errors.New("enough")
	cancel(enough)
	if a := <-answers; !errors.Is(a.err, enough) {
		t.Errorf("the impatient one: %v", a.err)
	}
	if flying.Err() != nil {
		t.Error("the fetch ended with the first caller")
	}
	close(slow.leave)
	var first *snp.Chain
	for range callers - 1 {
		a := <-answers
		if first == nil {
			first = a.chain
		}
		if a.err != nil || a.chain != first {
			t.Errorf("%v, same chain: %t", a.err, a.chain == first)
		}
	}
	h.counts(t, map[string]int{"thim": 1})
	if chains, flights, _ := c.Counts(); chains != 1 || flights != 0 {
		t.Errorf("%d chains, %d flights", chains, flights)
	}
	ctx, cancel2 := context.WithCancel(t.Context())
	cancel2()
	if _, err := c.Chain(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Nobody waits any more: the fetch ends, and a later caller begins another.
func TestCacheEndsAFlightWithoutWaiters(t *testing.T) {
	h := newHost(t)
	slow := &slowSource{h.services(t)["THIM"], make(chan context.Context, 1), make(chan struct{})}
	c := h.cache(t, slow, "")
	r := h.report(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := c.Chain(ctx, r); done <- err }()
	flying := <-slow.entered
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-flying.Done()
	close(slow.leave)
	go func() { _, err := c.Chain(t.Context(), r); done <- err }()
	<-slow.entered
	if err := <-done; err != nil {
		t.Error(err)
	}
	// A failure is told to those who waited, and not kept.
	h.update(t, tcb1)
	h.certs.HoldTHIM(tcb0)
	r = h.report(t)
	for range 2 {
		go func() { _, err := c.Chain(t.Context(), r); done <- err }()
		<-slow.entered
		if err := <-done; err == nil {
			t.Error("certificates of another TCB came back")
		}
	}
}

// waitFor polls a condition that another goroutine brings about.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for ctx := t.Context(); !condition(); {
		if ctx.Err() != nil {
			t.Fatal("ended before it came")
		}
		runtime.Gosched()
	}
}

// Several processes share a directory: each finds a whole chain, always.
func TestCacheAmongProcesses(t *testing.T) {
	h := newHost(t)
	dir := filepath.Join(t.TempDir(), "shared")
	source := h.services(t)["Azure cache"]
	r := h.report(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				c, err := snp.NewChainCache(source, &snp.ChainCacheOptions{Dir: dir, OnError: func(err error) { t.Error(err) }})
				if err == nil {
					_, err = c.Chain(t.Context(), r)
				}
				if err != nil {
					t.Error(err)
					return
				}
				// Another process may clean up at any time.
				files, _ := filepath.Glob(filepath.Join(dir, "*.pem"))
				for _, f := range files {
					if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// lyingSource breaks the promise of a source.
type lyingSource struct{ chain *snp.Chain }

func (s lyingSource) Chain(context.Context, *snp.Report) (*snp.Chain, error) { return s.chain, nil }

// A chain that does not fit the report is neither given out nor kept, in memory
// or on disk, whoever brought it.
func TestCacheKeepsNoStrayChain(t *testing.T) {
	h := newHost(t)
	honest := h.services(t)["THIM"]
	before := h.report(t)
	old, err := honest.Chain(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	h.update(t, tcb2)
	after := h.report(t)
	dir := filepath.Join(t.TempDir(), "cache")
	for range 2 {
		if chain, err := h.cache(t, lyingSource{old}, dir).Chain(t.Context(), after); err == nil || chain != nil || !strings.Contains(err.Error(), "the report for") {
			t.Errorf("%v", err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if chain, err := h.cache(t, honest, dir).Chain(t.Context(), after); err != nil || chain.TCB() != after.ReportedTCB {
		t.Errorf("the right one: %v", err)
	}
}
