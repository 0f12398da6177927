package datasink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// DownloadOptions of [Sink.Download].
type DownloadOptions struct {
	// Prefix limits the download to names that begin with it. Names stay
	// whole: a blob a/b becomes the file a/b whatever the prefix.
	Prefix string
	// Layout, if not nil, says where the files go. Nil means the blobs' names.
	Layout Layout
	// Resume keeps what a download that fails, or that is killed, has
	// fetched, so that the next one into the same directory with Resume goes
	// on there: finished files are not fetched again, and of a large one what
	// comes after the last 64 MiB. A blob that is another one by then is
	// fetched anew. Meanwhile the directory has hidden files, whose names
	// begin with .datasink-partial-; a download that is complete leaves none
	// of its own, but for what it began of blobs that were replaced. One
	// download at a time may do so in one directory.
	Resume bool
	// Progress, if not nil, is told about each file instead of the sink's.
	Progress func(Progress)
}

// DownloadResult lists what a download wrote, in the order of names; with
// Resume also what those before it did that failed.
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
// lacks a file must not look complete. For the same reason a blob with bytes
// that is marked as a directory is [ErrDamaged]. Links are not followed out of
// the directory, and a blob that stands for a symbolic link is refused.
func (s *Sink) Download(ctx context.Context, dir string, opts *DownloadOptions) (_ *DownloadResult, err error) {
	ctx, end := s.tracer.Start(ctx, "Download")
	defer end(&err)
	if opts == nil {
		opts = &DownloadOptions{}
	}
	plan, err := s.planDownload(ctx, opts.Prefix, opts.Layout)
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
	d := newDownloader(ctx, s, opts.Progress)
	d.root, d.layout = root, opts.Layout
	if opts.Resume {
		if d.journal, err = openJournal(root); err != nil {
			return nil, s.fail("download", "", err)
		}
		defer d.journal.close()
	}
	if err := d.run(plan); err != nil {
		return nil, err
	}
	if d.journal != nil {
		if err := d.journal.remove(); err != nil {
			return nil, s.fail("download", "", err)
		}
	}
	result := &DownloadResult{}
	for _, f := range d.done(plan) {
		f.Path = filepath.Join(dir, f.Path)
		result.Files = append(result.Files, f)
	}
	return result, nil
}

// planDownload lists the blobs and checks their names against each other.
func (s *Sink) planDownload(ctx context.Context, prefix string, layout Layout) ([]Item, error) {
	var items []Item
	directories := map[string]bool{}
	for item, err := range s.list(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if trimmed, ok := strings.CutSuffix(item.Name, "/"); ok && item.Stored == 0 {
			item.Name, item.Directory = trimmed, true
		}
		target := layout.of(item.Name)
		if err := errors.Join(checkTarget(item.Name), checkTarget(target), item.checkMarker()); err != nil {
			return nil, s.fail("download", item.Name, err)
		}
		for i, r := range target {
			if r == '/' {
				directories[target[:i]] = true
			}
		}
		items = append(items, item)
	}
	seen := make(map[string]string, len(items))
	for i := range items {
		item := &items[i]
		target := layout.of(item.Name)
		if directories[target] && !item.Directory {
			if item.Stored > 0 {
				return nil, s.fail("download", item.Name, errBoth)
			}
			item.Directory = true // a marker, whether or not the listing says so
		}
		folded := foldName(target)
		if other, ok := seen[folded]; ok && !item.Directory {
			return nil, s.fail("download", item.Name, fmt.Errorf("%w: its file would be that of %q", ErrName, other))
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
