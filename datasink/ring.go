package datasink

import "context"

// ring fetches the blocks of a reader ahead of their use. At any time at most
// as many fetches are in flight, and as many buffers in use, as the sink has
// streams.
type ring struct {
	r       *Reader
	ctx     context.Context
	ask     int64             // offset of the next range to ask for
	pending chan chan fetched // in order of their offsets
	free    [][]byte
	made    int
}

type fetched struct {
	block []byte
	err   error
}

func newRing(r *Reader, ctx context.Context) *ring {
	return &ring{r: r, ctx: ctx, ask: r.pos, pending: make(chan chan fetched, r.sink.streams)}
}

// next returns the next block, nil after the last. The caller recycles it.
func (g *ring) next() ([]byte, error) {
	for g.ask < g.r.item.Size && g.start() {
	}
	select {
	case first := <-g.pending:
		f := <-first
		if f.err != nil {
			g.recycle(f.block)
			return nil, f.err
		}
		return f.block, nil
	default:
		return nil, nil
	}
}

// start asks for one more range, unless all buffers are in use.
func (g *ring) start() bool {
	var buf []byte
	switch {
	case len(g.free) > 0:
		buf = g.free[len(g.free)-1]
		g.free = g.free[:len(g.free)-1]
	case g.made < g.r.sink.streams:
		g.made++
		buf = g.r.sink.buffer(g.r.sink.blockSize)
	default:
		return false
	}
	off := g.ask
	block := buf[:min(int64(cap(buf)), g.r.item.Size-off)]
	g.ask += int64(len(block))
	result := make(chan fetched, 1)
	g.pending <- result // has room for every buffer
	go func() { result <- fetched{block, g.r.fetch(g.ctx, block, off)} }()
	return true
}

func (g *ring) recycle(block []byte) { g.free = append(g.free, block[:cap(block)]) }

// drain waits for what is in flight; the context has been cancelled.
func (g *ring) drain() {
	for len(g.pending) > 0 {
		f := <-<-g.pending
		g.recycle(f.block)
	}
	for _, buf := range g.free {
		g.r.sink.recycle(buf)
	}
}
