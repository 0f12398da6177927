package datasink

import (
	"context"
	"io"
	"io/fs"
	"sync/atomic"
)

// Close forgets the sink's key. Every operation that begins later
// fails with [fs.ErrClosed], those of its readers and writers too; a request
// under way ends by itself or with its context. Closing again does nothing.
func (s *Sink) Close() error {
	if s.backend.closed.Swap(true) {
		return nil
	}
	s.format.close()
	if c, ok := s.backend.Backend.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

var _ io.Closer = (*Sink)(nil)

// gate is the backend until the sink is closed.
type gate struct {
	Backend
	closed atomic.Bool
}

func (g *gate) check() error {
	if g.closed.Load() {
		return fs.ErrClosed
	}
	return nil
}

func (g *gate) CreateContainer(ctx context.Context) (bool, error) {
	if err := g.check(); err != nil {
		return false, err
	}
	return g.Backend.CreateContainer(ctx)
}

func (g *gate) Stat(ctx context.Context, name string) (Item, error) {
	if err := g.check(); err != nil {
		return Item{}, err
	}
	return g.Backend.Stat(ctx, name)
}

func (g *gate) ReadRange(ctx context.Context, name, etag string, p []byte, off int64) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.Backend.ReadRange(ctx, name, etag, p, off)
}

func (g *gate) ReadStart(ctx context.Context, name string, p []byte) (Item, int, error) {
	if err := g.check(); err != nil {
		return Item{}, 0, err
	}
	return g.Backend.ReadStart(ctx, name, p)
}

func (g *gate) List(ctx context.Context, prefix, marker string) (Page, error) {
	if err := g.check(); err != nil {
		return Page{}, err
	}
	return g.Backend.List(ctx, prefix, marker)
}

func (g *gate) Remove(ctx context.Context, name, etag string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.Backend.Remove(ctx, name, etag)
}

func (g *gate) Begin(ctx context.Context, name string, opts UploadOptions) (Upload, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	u, err := g.Backend.Begin(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	return gatedUpload{u, g}, nil
}

// gatedUpload can still be aborted when the sink is closed.
type gatedUpload struct {
	Upload
	gate *gate
}

func (u gatedUpload) Stage(ctx context.Context, b Block) error {
	if err := u.gate.check(); err != nil {
		return err
	}
	return u.Upload.Stage(ctx, b)
}

// lateStager is an upload that can take the bytes of a block while it sends
// them.
type lateStager interface {
	// late says whether it does.
	late() bool
	// stageBody is Stage of a block that body yields, from its start again
	// for each try. Nothing reads body once stageBody has returned.
	stageBody(ctx context.Context, index int, body io.ReadSeeker) error
}

func (u gatedUpload) late() bool {
	l, ok := u.Upload.(lateStager)
	return ok && l.late()
}

func (u gatedUpload) stageBody(ctx context.Context, index int, body io.ReadSeeker) error {
	if err := u.gate.check(); err != nil {
		return err
	}
	return u.Upload.(lateStager).stageBody(ctx, index, body)
}

func (u gatedUpload) Put(ctx context.Context, data []byte) (Item, error) {
	if err := u.gate.check(); err != nil {
		return Item{}, err
	}
	return u.Upload.Put(ctx, data)
}

func (u gatedUpload) Commit(ctx context.Context, count int) (Item, error) {
	if err := u.gate.check(); err != nil {
		return Item{}, err
	}
	return u.Upload.Commit(ctx, count)
}
