package datasink

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/cleanroom-go/sdk/datasink/sealed"
	"github.com/cleanroom-go/sdk/internal/redact"
)

// stager cuts what is stored of a blob into blocks and stages them, several at
// a time, from a fixed number of buffers. Its errors are sticky.
type stager struct {
	sink       *Sink
	name       string
	upload     Upload
	blockSize  int          // bytes gathered for each block
	bufferSize int          // of the buffer for that, which may be more
	seal       *blockSealer // nil where blocks are stored as they are gathered
	ctx        context.Context
	cancel     context.CancelCauseFunc

	buf     []byte      // being filled; len is what it holds
	plain   int         // bytes of the caller in it, for the progress
	carry   []byte      // what was written beyond the last block
	free    chan []byte // buffers that come back from the workers
	made    int         // buffers in circulation, at most streams+1
	jobs    chan job
	workers sync.WaitGroup
	started bool
	next    int   // index of the next block
	offset  int64 // of the next block
	done    bool
	err     error // sticky
	meter   meter
}

type job struct {
	block Block
	plain int
	last  bool
}

func newStager(ctx context.Context, s *Sink, name string, upload Upload, blockSize int, expected int64) *stager {
	g := &stager{
		sink: s, name: name, upload: upload, blockSize: blockSize, bufferSize: blockSize,
		free:  make(chan []byte, s.streams+1),
		jobs:  make(chan job),
		meter: meter{tell: s.progress, p: Progress{Name: name, Total: -1}},
	}
	if expected > 0 {
		g.meter.p.Total = expected
	}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	return g
}

// check returns the sticky error, which a worker or the context may have set.
func (g *stager) check() error {
	switch {
	case g.err != nil:
	case g.done:
		g.err = g.sink.fail("write", g.name, fs.ErrClosed)
	case g.ctx.Err() != nil:
		g.err = g.sink.fail("write", g.name, context.Cause(g.ctx))
	}
	return g.err
}

// abandon makes err the sticky error and stops the workers.
func (g *stager) abandon(err error) error {
	if g.err == nil {
		g.err = g.sink.fail("write", g.name, err)
		g.cancel(g.err)
	}
	return g.err
}

// ended is what a read of the source ended with. Half an input is not an
// output.
func (g *stager) ended(err error) error {
	if err == io.EOF {
		return g.check()
	}
	return g.abandon(err)
}

// room is where the next bytes of the current block go: at least one byte. A
// full block is staged only when more is to come, so that a small blob can be
// one request.
func (g *stager) room() ([]byte, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	for len(g.buf) >= g.blockSize {
		if err := g.dispatch(false); err != nil {
			return nil, err
		}
	}
	if err := g.take(); err != nil {
		return nil, err
	}
	return g.buf[len(g.buf):g.blockSize], nil
}

// take makes sure that there is a buffer.
func (g *stager) take() error {
	if g.buf != nil {
		return nil
	}
	if g.buf = g.takeBuffer(); g.buf == nil {
		return g.check()
	}
	g.buf = append(g.buf, g.carry...)
	g.carry = g.carry[:0]
	return nil
}

// beyond is room for n bytes in one piece, which may reach beyond the block
// into the slack of its buffer, or nil if there is no such room.
func (g *stager) beyond(n int) []byte {
	at := len(g.buf)
	if at+n > cap(g.buf) {
		return nil
	}
	return g.buf[at : at+n]
}

// extend says that n bytes were put where room or beyond said, and that they
// stand for so many of the caller's.
func (g *stager) extend(n, plain int) {
	g.buf = g.buf[:len(g.buf)+n]
	g.plain += plain
}

// write copies bytes that are the caller's own.
func (g *stager) write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		room, err := g.room()
		if err != nil {
			return written, err
		}
		n := copy(room, p[written:])
		g.extend(n, n)
		written += n
	}
	return written, g.check()
}

// writeFor copies bytes that stand for so many of the caller's.
func (g *stager) writeFor(stored []byte, plain int) error {
	for len(stored) > 0 {
		room, err := g.room()
		if err != nil {
			return err
		}
		n := copy(room, stored)
		g.extend(n, 0)
		stored = stored[n:]
	}
	g.plain += plain
	return g.check()
}

// dispatch hands the current block to a worker.
func (g *stager) dispatch(last bool) error {
	if g.next == maxBlocks {
		return g.abandon(fmt.Errorf("more than %d blocks of %d bytes: say the expected length in CreateOptions.Size, or raise the block size", maxBlocks, g.blockSize))
	}
	if !g.started {
		g.started = true
		for range g.sink.streams {
			g.workers.Go(g.work)
		}
	}
	n := min(len(g.buf), g.blockSize)
	g.carry = append(g.carry, g.buf[n:]...)
	select {
	case g.jobs <- job{Block{Index: g.next, Offset: g.offset, Data: g.buf[:n]}, g.plain, last}:
		if g.seal != nil {
			n = g.seal.size(n, g.next, last)
		}
		g.next++
		g.offset += int64(n)
		g.buf, g.plain = nil, 0
	case <-g.ctx.Done():
		return g.check()
	}
	if len(g.carry) > 0 {
		return g.take()
	}
	return g.check()
}

// takeBuffer waits for a buffer unless one may still be made. It returns nil
// if the write has failed.
func (g *stager) takeBuffer() []byte {
	select {
	case buf := <-g.free:
		return buf
	default:
	}
	if g.made <= g.sink.streams {
		g.made++
		return g.sink.buffer(g.bufferSize)[:0]
	}
	select {
	case buf := <-g.free:
		return buf
	case <-g.ctx.Done():
		return nil
	}
}

func (g *stager) work() {
	var scratch []byte
	if g.seal != nil {
		scratch = make([]byte, sealed.SealedChunkSize)
	}
	for {
		select {
		case <-g.ctx.Done():
			return
		case j, open := <-g.jobs:
			if !open {
				return
			}
			if err := g.store(j, scratch); err != nil {
				g.cancel(err)
			} else {
				g.meter.add(j.plain)
			}
			g.free <- j.block.Data[:0] // has room for every buffer
		}
	}
}

// store stages one block, sealed on its way out if the upload can do that, else
// before.
func (g *stager) store(j job, scratch []byte) error {
	if g.seal == nil {
		return g.upload.Stage(g.ctx, j.block)
	}
	if l, ok := g.upload.(lateStager); ok && l.late() {
		return l.stageBody(g.ctx, j.block.Index, g.seal.body(j.block.Data, j.block.Index, j.last, scratch))
	}
	var err error
	if j.block.Data, err = g.seal.inPlace(j.block.Data, j.block.Index, j.last); err != nil {
		return err
	}
	return g.upload.Stage(g.ctx, j.block)
}

// commit makes the blob of everything that was written.
func (g *stager) commit() error {
	for len(g.buf) > g.blockSize {
		if err := g.dispatch(false); err != nil {
			return err
		}
	}
	if g.seal != nil {
		// There is a last chunk, if an empty one.
		if err := g.take(); err != nil {
			return err
		}
	}
	if g.next == 0 {
		if g.seal != nil {
			var err error
			if g.buf, err = g.seal.inPlace(g.buf, 0, true); err != nil {
				return err
			}
		}
		_, err := g.upload.Put(g.ctx, g.buf)
		if err == nil {
			g.meter.add(g.plain)
		}
		return err
	}
	if len(g.buf) > 0 || g.seal != nil {
		if err := g.dispatch(true); err != nil {
			return err
		}
	}
	close(g.jobs)
	g.workers.Wait()
	if err := g.check(); err != nil {
		return err
	}
	_, err := g.upload.Commit(g.ctx, g.next)
	return err
}

// abort ends the write without a trace.
func (g *stager) abort() error {
	g.cancel(context.Canceled)
	g.workers.Wait()
	err := g.upload.Abort()
	g.release()
	return err
}

// release gives the buffers back. The workers have ended.
func (g *stager) release() {
	g.done = true
	g.cancel(context.Canceled)
	give := func(buf []byte) {
		// Others will get the buffer, which may hold plaintext.
		switch {
		case g.seal != nil && g.next > 0:
			redact.Clear(buf[:cap(buf)])
		case g.seal != nil:
			redact.Clear(buf)
		}
		g.sink.recycle(buf)
	}
	if g.buf != nil {
		give(g.buf)
		g.buf = nil
	}
	for {
		select {
		case buf := <-g.free:
			give(buf)
		default:
			return
		}
	}
}
