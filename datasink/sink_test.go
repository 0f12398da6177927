package datasink_test

import (
	"path/filepath"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/datasink/datasinktest"
)

func TestMemory(t *testing.T) {
	datasinktest.Run(t, func(t *testing.T, opts *datasink.Options) *datasink.Sink {
		return newSink(t, datasink.Memory(), opts)
	})
}

func TestDir(t *testing.T) {
	datasinktest.Run(t, func(t *testing.T, opts *datasink.Options) *datasink.Sink {
		return newSink(t, datasink.Dir(filepath.Join(t.TempDir(), "sink")), opts)
	})
}

func newSink(t *testing.T, b datasink.Backend, opts *datasink.Options) *datasink.Sink {
	t.Helper()
	sink, err := datasink.NewWithBackend(b, opts)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}
