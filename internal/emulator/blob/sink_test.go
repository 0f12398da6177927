package blob_test

import (
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/datasink/datasinktest"
)

func TestSinkConformanceCPK(t *testing.T) {
	f := newFixture(t)
	datasinktest.Run(t, func(t *testing.T, opts *datasink.Options) *datasink.Sink {
		opts.Mode, opts.DEK = datasink.CPK, newDEK(t)
		return f.sink(t, opts)
	})
}

func TestSinkConformanceSSE(t *testing.T) {
	f := newFixture(t)
	datasinktest.Run(t, func(t *testing.T, opts *datasink.Options) *datasink.Sink {
		opts.Mode = datasink.SSE
		return f.sink(t, opts)
	})
}

func TestSinkConformanceSealed(t *testing.T) {
	f := newFixture(t)
	datasinktest.Run(t, func(t *testing.T, opts *datasink.Options) *datasink.Sink {
		opts.Mode, opts.DEK, opts.Contract, opts.Datasink = datasink.Sealed, newDEK(t), "contract", "output"
		return f.sink(t, opts)
	})
}

func TestSinkConformanceCSE(t *testing.T) {
	f := newFixture(t)
	datasinktest.Run(t, func(t *testing.T, opts *datasink.Options) *datasink.Sink {
		opts.Mode, opts.DEK, opts.ChunkSize = datasink.CSE, newDEK(t), 1000
		return f.sink(t, opts)
	})
}
