package datasink

import "context"

// ring fetches and decodes the blocks of a reader ahead of their use. At any
// time at most as many fetches are in flight, and as many buffers in use, as
// the sink has streams.
type ring struct {
	r       *Reader
	ctx     context.Context
	ask     int64               // offset of the next range to ask for
	pending chan chan *ringItem // in order of their offsets
	free    [][]byte
	made    int
}

type ringItem struct {
	buf  []byte
	data []byte // within buf, or of the contents
	err  error
}

func newRing(ctx context.Context, r *Reader) *ring {
	return &ring{r: r, ctx: ctx, ask: r.pos, pending: make(chan chan *ringItem, r.sink.streams)}
}

// next returns the next block, nil after the last. The caller recycles it.
func (g *ring) next() (*ringItem, error) {
	for g.ask < g.r.Size() && g.start() {
	}
	select {
	case first := <-g.pending:
		f := <-first
		if f.err != nil {
			g.recycle(f)
			return nil, f.err
		}
		return f, nil
	default:
		return nil, nil
	}
}

// start asks for one more range, unless all buffers are in use.
func (g *ring) start() bool {
	c, size := g.r.contents, g.r.sink.blockSize
	var buf []byte
	switch {
	case len(g.free) > 0:
		buf = g.free[len(g.free)-1]
		g.free = g.free[:len(g.free)-1]
	case g.made < g.r.sink.streams:
		g.made++
		buf = g.r.sink.buffer(g.r.sink.format.room(size))
	default:
		return false
	}
	off := g.ask
	n := c.piece(off, c.item.Size, size)
	g.ask += n
	result := make(chan *ringItem, 1)
	g.pending <- result // has room for every buffer
	go func() {
		data, err := c.read(g.ctx, buf[:cap(buf)], off, n)
		result <- &ringItem{buf, data, g.r.fail(err)}
	}()
	return true
}

func (g *ring) recycle(f *ringItem) { g.free = append(g.free, f.buf) }

// drain waits for what is in flight; the context has been cancelled.
func (g *ring) drain() {
	for len(g.pending) > 0 {
		f := <-<-g.pending
		g.recycle(f)
	}
	for _, buf := range g.free {
		g.r.sink.recycle(buf)
	}
}
