package datasink_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

// counting sees the buffers that a writer stages.
type counting struct {
	datasink.Backend
	mu      sync.Mutex
	buffers map[*byte]bool
	blocks  int
}

func (c *counting) Begin(ctx context.Context, name string, opts datasink.UploadOptions) (datasink.Upload, error) {
	up, err := c.Backend.Begin(ctx, name, opts)
	return countingUpload{up, c}, err
}

type countingUpload struct {
	datasink.Upload
	c *counting
}

func (u countingUpload) Stage(ctx context.Context, b datasink.Block) error {
	u.c.mu.Lock()
	u.c.buffers[&b.Data[0]] = true
	u.c.blocks++
	u.c.mu.Unlock()
	return u.Upload.Stage(ctx, b)
}

func TestFixedRing(t *testing.T) {
	c := &counting{Backend: datasink.Memory(), buffers: map[*byte]bool{}}
	sink := newSink(t, c, &datasink.Options{BlockSize: 512, Streams: 3})
	w, err := sink.Create(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 1000 {
		if _, err := w.Write(make([]byte, 500)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if len(c.buffers) > 4 || c.blocks != 977 {
		t.Errorf("%d blocks went through %d buffers, want 977 and at most 4", c.blocks, len(c.buffers))
	}
}

// A known length raises the block size where 50,000 blocks would not do, and
// an unknown one ends with an error that says so.
func TestManyBlocks(t *testing.T) {
	c := &counting{Backend: datasink.Memory(), buffers: map[*byte]bool{}}
	sink := newSink(t, c, &datasink.Options{BlockSize: 1, Streams: 1})
	data := make([]byte, 60_000)
	w, err := sink.Create(t.Context(), "known", &datasink.CreateOptions{Size: int64(len(data))})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	w, err = sink.Create(t.Context(), "unknown", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(data); err == nil || !strings.Contains(err.Error(), "CreateOptions.Size") {
		t.Errorf("got %v, want an error that names CreateOptions.Size", err)
	}
	if err := w.Commit(); err == nil {
		t.Error("the commit went through")
	}
}
