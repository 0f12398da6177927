package datasink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// DownloadOptions of [Sink.Download].
type DownloadOptions struct {
	// Prefix limits the download to names that begin with it. Names stay
	// whole: a blob a/b becomes the file a/b whatever the prefix.
	Prefix string
	// Progress, if not nil, is told about each file instead of the sink's.
	Progress func(Progress)
}

// DownloadResult lists what a download wrote, in the order of names.
type DownloadResult struct {
	Files []File
}

// File is a downloaded blob.
type File struct {
	Name string // of the blob
	Path string // of the file, the target directory included
	Size int64  // bytes
	// Suspicion is that of [Assurance].
	Suspicion string
}

// Download copies all blobs to files below a directory, which it makes if
// need be. Blobs of no bytes become empty files, markers of directories become
// directories. A file appears under its name when it is whole and on the disk,
// replacing an older one; running a download twice is all right, and one that
// fails leaves the files it had finished and no other.
//
// All names are checked before anything is written. One that would lead
// outside the directory, that the file system cannot have, or that is a file
// and a directory at once, fails the download with [ErrName]: a result that
// lacks a file must not look complete. Links are not followed out of the
// directory, and a blob that stands for a symbolic link is refused.
func (s *Sink) Download(ctx context.Context, dir string, opts *DownloadOptions) (*DownloadResult, error) {
	if opts == nil {
		opts = &DownloadOptions{}
	}
	plan, err := s.planDownload(ctx, opts.Prefix)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, s.fail("download", "", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, s.fail("download", "", err)
	}
	defer root.Close()
	d := newDownloader(ctx, s, root, opts.Progress)
	if err := d.run(plan); err != nil {
		return nil, err
	}
	result := &DownloadResult{}
	for _, item := range plan {
		if f, ok := d.files[item.Name]; ok {
			f.Path = filepath.Join(dir, f.Path)
			result.Files = append(result.Files, f)
		}
	}
	return result, nil
}

// planDownload lists the blobs and checks their names against each other.
func (s *Sink) planDownload(ctx context.Context, prefix string) ([]Item, error) {
	var items []Item
	directories := map[string]bool{}
	for item, err := range s.list(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if trimmed, ok := strings.CutSuffix(item.Name, "/"); ok && item.Stored == 0 {
			item.Name, item.Directory = trimmed, true
		}
		if err := checkTarget(item.Name); err != nil {
			return nil, s.fail("download", item.Name, err)
		}
		for i, r := range item.Name {
			if r == '/' {
				directories[item.Name[:i]] = true
			}
		}
		items = append(items, item)
	}
	seen := make(map[string]string, len(items))
	for i := range items {
		item := &items[i]
		if directories[item.Name] && !item.Directory {
			if item.Stored > 0 {
				return nil, s.fail("download", item.Name, fmt.Errorf("%w: it is a file, and a directory of other blobs", ErrName))
			}
			item.Directory = true // a marker, whether or not the listing says so
		}
		folded := foldName(item.Name)
		if other, ok := seen[folded]; ok && !item.Directory {
			return nil, s.fail("download", item.Name, fmt.Errorf("%w: this system takes it for %q", ErrName, other))
		}
		seen[folded] = item.Name
	}
	return items, nil
}

// checkTarget refuses names that are no place below a directory, by the rules
// of this system: on Windows also back slashes, drives and devices.
func checkTarget(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	_, err := local(name)
	return err
}

// downloader moves ranges of several files at once. A worker that has a large
// file offers its ranges to idle workers and fetches itself what nobody takes:
// many small files and one large file use the same workers and buffers.
type downloader struct {
	sink   *Sink
	root   *os.Root
	tell   func(Progress)
	ctx    context.Context
	cancel context.CancelCauseFunc
	items  chan Item
	ranges chan func(buf []byte)

	mu      sync.Mutex
	files   map[string]File
	telling sync.Mutex
}

func newDownloader(ctx context.Context, s *Sink, root *os.Root, tell func(Progress)) *downloader {
	d := &downloader{
		sink: s, root: root, tell: tell,
		items: make(chan Item), ranges: make(chan func([]byte)), files: map[string]File{},
	}
	if d.tell == nil {
		d.tell = s.progress
	}
	if told := d.tell; told != nil {
		d.tell = func(p Progress) {
			d.telling.Lock()
			defer d.telling.Unlock()
			told(p)
		}
	}
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
			if err := d.fetchItem(item, buf); err != nil {
				d.cancel(d.sink.fail("download", item.Name, err))
			}
		}
	}
}

func (d *downloader) fetchItem(item Item, buf []byte) error {
	file, err := local(item.Name)
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
	}
	if item.Directory {
		return d.root.MkdirAll(file, 0o700)
	}
	if strings.EqualFold(item.Metadata["is_symlink"], "true") {
		return errors.New("it stands for a symbolic link, which a download does not make")
	}
	if err := d.root.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	part, err := newPartial(d.root, filepath.Dir(file))
	if err != nil {
		return err
	}
	defer part.discard()
	if err := d.fill(part, c, buf); err != nil {
		return err
	}
	if err := part.sync(); err != nil {
		return err
	}
	if err := part.publish(item.Name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[item.Name] = File{Name: item.Name, Path: file, Size: item.Size, Suspicion: newAssurance(d.sink.mode, c.report).Suspicion}
	return nil
}

// fill fetches all ranges of one file, here and in idle workers.
func (d *downloader) fill(part *partial, c *contents, buf []byte) error {
	item := c.item
	progress := meter{tell: d.tell, p: Progress{Name: item.Name, Total: item.Size}}
	var (
		away  sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	fetch := func(buf []byte, off, n int64) {
		block, err := c.read(d.ctx, buf[:cap(buf)], off, n)
		if err == nil {
			_, err = part.f.WriteAt(block, off)
		}
		if err == nil {
			progress.add(len(block))
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
			d.cancel(d.sink.fail("download", item.Name, err))
		}
	}
	for off := int64(0); off < item.Size && d.ctx.Err() == nil; {
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
