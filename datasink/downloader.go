package datasink

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// downloader moves ranges of several files at once. A worker that has a large
// file offers its ranges to idle workers and fetches itself what nobody takes:
// many small files and one large file use the same workers and buffers.
type downloader struct {
	sink    *Sink
	root    *os.Root // nil if nothing is written
	layout  Layout
	journal *journal // nil without Resume
	// failed, if set, takes the errors of blobs, and the others go on.
	failed func(name string, err error)
	tell   func(Progress)
	ctx    context.Context
	cancel context.CancelCauseFunc
	items  chan Item
	ranges chan func(buf []byte)

	mu    sync.Mutex
	files map[string]File
}

func newDownloader(ctx context.Context, s *Sink, tell func(Progress)) *downloader {
	d := &downloader{
		sink: s, tell: tell,
		items: make(chan Item), ranges: make(chan func([]byte)), files: map[string]File{},
	}
	if d.tell == nil {
		d.tell = s.progress
	}
	d.tell = oneAtATime(d.tell)
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	return d
}

func (d *downloader) run(plan []Item) error {
	defer d.cancel(context.Canceled)
	var workers sync.WaitGroup
	for range d.sink.streams {
		workers.Go(d.work)
	}
	for _, item := range plan {
		select {
		case d.items <- item:
			continue
		case <-d.ctx.Done():
		}
		break
	}
	close(d.items)
	workers.Wait()
	return d.sink.fail("download", "", context.Cause(d.ctx))
}

// done lists what was fetched, in the order of the plan.
func (d *downloader) done(plan []Item) []File {
	var files []File
	for _, item := range plan {
		if f, ok := d.files[item.Name]; ok {
			files = append(files, f)
		}
	}
	return files
}

func (d *downloader) work() {
	buf := d.sink.buffer(d.sink.format.room(d.sink.blockSize))
	defer func() { d.sink.recycle(buf) }()
	for {
		select {
		case fetch := <-d.ranges:
			fetch(buf)
		case item, open := <-d.items:
			if !open {
				return
			}
			err := d.fetchItem(item, buf)
			switch {
			case err == nil:
			case d.failed != nil && d.ctx.Err() == nil:
				d.failed(item.Name, err)
			default:
				d.cancel(d.sink.fail("download", item.Name, err))
			}
		}
	}
}

func (d *downloader) fetchItem(item Item, buf []byte) error {
	file, err := local(d.layout.of(item.Name))
	if err != nil {
		return err
	}
	var c *contents
	if !item.Directory {
		// Only now is it certain what the blob is: a listing has no metadata
		// of blobs under a customer's key.
		if c, err = d.sink.format.open(d.ctx, d.sink.backend, item); err != nil {
			return err
		}
		item = c.item
		if err := item.checkMarker(); err != nil {
			return err
		}
	}
	switch {
	case item.Directory && d.root == nil:
		return nil
	case item.Directory:
		return d.root.MkdirAll(file, 0o700)
	case strings.EqualFold(item.Metadata["is_symlink"], "true"):
		return errors.New("it stands for a symbolic link, which a download does not make")
	}
	switch {
	case d.root == nil:
		err = d.fill(c, buf, 0, func([]byte, int64) error { return nil })
	case d.journal != nil:
		err = d.resume(file, c, buf)
	default:
		err = d.write(file, c, buf)
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[item.Name] = File{Name: item.Name, Path: file, Size: item.Size, Suspicion: newAssurance(d.sink.mode, c.report).Suspicion}
	return nil
}

// write makes the file under a temporary name and, when it is whole and on the
// disk, gives it its own.
func (d *downloader) write(file string, c *contents, buf []byte) error {
	if err := d.root.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	part, err := newPartial(d.root, filepath.Dir(file))
	if err != nil {
		return err
	}
	defer part.discard()
	err = d.fill(c, buf, 0, func(p []byte, off int64) error {
		_, err := part.f.WriteAt(p, off)
		return err
	})
	if err != nil {
		return err
	}
	if err := part.sync(); err != nil {
		return err
	}
	return part.publish(filepath.ToSlash(file))
}

// resume is write, going on where the journal says and noting how far it is.
func (d *downloader) resume(file string, c *contents, buf []byte) error {
	n := d.journal.of(c.item.Name, d.sink.journalID(c))
	if d.journal.finished(n, file, c.item.Size) {
		all := meter{tell: d.tell, p: Progress{Name: c.item.Name, Done: c.item.Size}}
		all.finish()
		return nil
	}
	if err := d.root.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	part, at, err := resumePartial(d.root, filepath.Join(filepath.Dir(file), partialPrefix+n.ID), n.At)
	if err != nil {
		return err
	}
	defer part.f.Close() // again after sync, which is of no consequence
	n.At, n.Changed = at, 0
	front := newFront(d.journal, part, n)
	err = d.fill(c, buf, at, func(p []byte, off int64) error {
		if _, err := part.f.WriteAt(p, off); err != nil {
			return err
		}
		return front.arrived(off, len(p))
	})
	if err != nil {
		return errors.Join(err, front.save())
	}
	if err := part.sync(); err != nil {
		return err
	}
	info, err := d.root.Lstat(part.path)
	if err != nil {
		return err
	}
	if err := part.publish(filepath.ToSlash(file)); err != nil {
		return err
	}
	n.At, n.Changed = c.item.Size, info.ModTime().UnixNano()
	return d.journal.add(n)
}

// fill fetches all ranges of one file from an offset on, here and in idle
// workers.
func (d *downloader) fill(c *contents, buf []byte, from int64, write func(p []byte, off int64) error) error {
	item := c.item
	ctx, stop := context.WithCancelCause(d.ctx)
	defer stop(nil)
	progress := meter{tell: d.tell, p: Progress{Name: item.Name, Done: from, Total: item.Size}}
	var (
		away  sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	fetch := func(buf []byte, off, n int64) {
		block, err := c.read(ctx, buf[:cap(buf)], off, n)
		if err == nil {
			err = write(block, off)
		}
		if err == nil {
			progress.add(len(block))
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
			stop(err)
		}
	}
	for off := from; off < item.Size && ctx.Err() == nil; {
		n, at := c.piece(off, item.Size, d.sink.blockSize), off
		off += n
		away.Add(1)
		select {
		case d.ranges <- func(buf []byte) { defer away.Done(); fetch(buf, at, n) }:
		default:
			fetch(buf, at, n)
			away.Done()
		}
	}
	away.Wait()
	if first == nil {
		first = d.ctx.Err()
	}
	if first == nil {
		progress.finish()
	}
	return first
}
