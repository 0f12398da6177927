package snp

import (
	"context"

	"github.com/cleanroom-go/sdk/skr"
)

// NewTestAttester is what OpenDevice makes, with a device of the test's.
func NewTestAttester(report func(context.Context, [64]byte) ([]byte, error), platform SecurityContextOptions, source ChainSource) skr.Attester {
	return &attester{report: report, context: platform, source: source}
}

// Interesting counts for tests of a cache.
func (c *ChainCache) Counts() (chains, flights, waiting int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.flights {
		waiting += f.waiting
	}
	return len(c.chains), len(c.flights), waiting
}
