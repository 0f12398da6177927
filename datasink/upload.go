package datasink

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// UploadDirOptions of [Sink.Upload].
type UploadDirOptions struct {
	// Prefix is put before the names, with nothing between: to put the files
	// under a directory, end it in a slash.
	Prefix string
	// Again uploads files too whose blobs were made from them before.
	Again bool
	// Progress, if not nil, is told about each file instead of the sink's.
	Progress func(Progress)
}

// UploadResult lists the files of an upload, in the order of their names.
type UploadResult struct {
	// Files were uploaded.
	Files []File
	// Unchanged were not, since their blobs had been made from them.
	Unchanged []File
}

// Upload writes all files below a directory, each as the blob with its path as
// name, with as many files under way as the sink has streams; large ones, of
// more than a block, one at a time. Empty files become empty blobs; a directory
// without files leaves nothing. Blobs without a file stay.
//
// Running it again goes on where it ended: a file whose blob was made from a
// file of this name, length and time of change is not read. Metadata of the
// blob says so, in modes CSE and Sealed in a form that tells nobody else
// anything. A [Dir] keeps no metadata, so there every file is written again.
//
// All names are checked before anything is written: a name that no blob can
// have, a link, a socket or a device fails the upload with [ErrName]. A file
// that changes while it is read fails it with [ErrChanged]. One that fails
// leaves the blobs it had finished and no other; each is the old one or the
// new one.
func (s *Sink) Upload(ctx context.Context, dir string, opts *UploadDirOptions) (_ *UploadResult, err error) {
	ctx, end := s.tracer.Start(ctx, "Upload")
	defer end(&err)
	if opts == nil {
		opts = &UploadDirOptions{}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, s.fail("upload", "", err)
	}
	defer root.Close()
	plan, err := s.planUpload(ctx, root, opts.Prefix)
	if err != nil {
		return nil, err
	}
	u := &uploader{sink: s, root: root, opts: opts}
	u.tell = oneAtATime(opts.Progress)
	if opts.Progress == nil {
		u.tell = oneAtATime(s.progress)
	}
	if err := u.run(ctx, plan); err != nil {
		return nil, err
	}
	result := &UploadResult{}
	for _, f := range plan {
		file := File{Name: f.blob, Path: path.Join(dir, f.path), Size: f.size}
		if f.unchanged {
			result.Unchanged = append(result.Unchanged, file)
		} else {
			result.Files = append(result.Files, file)
		}
	}
	return result, nil
}

// localFile is a file to be uploaded.
type localFile struct {
	path, blob string
	size       int64
	changed    int64 // its time of change, in nanoseconds
	unchanged  bool  // found out on the way
}

func (s *Sink) planUpload(ctx context.Context, root *os.Root, prefix string) ([]*localFile, error) {
	var plan []*localFile
	err := fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return s.fail("upload", name, err)
		case ctx.Err() != nil:
			return s.fail("upload", name, ctx.Err())
		case entry.IsDir() || strings.HasPrefix(entry.Name(), partialPrefix):
			return nil
		case !entry.Type().IsRegular():
			return s.fail("upload", name, fmt.Errorf("%w: it is no regular file but %s", ErrName, entry.Type()))
		}
		if err := checkName(prefix + name); err != nil {
			return s.fail("upload", prefix+name, err)
		}
		info, err := entry.Info()
		if err != nil {
			return s.fail("upload", name, err)
		}
		plan = append(plan, &localFile{path: name, blob: prefix + name, size: info.Size(), changed: info.ModTime().UnixNano()})
		return nil
	})
	return plan, err
}

// oneAtATime keeps calls from overlapping.
func oneAtATime(tell func(Progress)) func(Progress) {
	if tell == nil {
		return nil
	}
	var mu sync.Mutex
	return func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		tell(p)
	}
}

type uploader struct {
	sink *Sink
	root *os.Root
	opts *UploadDirOptions
	tell func(Progress)
}

// run has small files share the streams, while a large one uses all of them: so
// the memory is that of one writer, whatever the files.
func (u *uploader) run(ctx context.Context, plan []*localFile) error {
	streams := int64(u.sink.streams)
	tickets := semaphore.NewWeighted(streams)
	group, within := errgroup.WithContext(ctx)
	for _, f := range plan {
		weight := int64(1)
		if f.size > int64(u.sink.blockSize) {
			weight = streams
		}
		if err := tickets.Acquire(within, weight); err != nil {
			break // the group has the reason, or the caller's context ended
		}
		group.Go(func() error {
			defer tickets.Release(weight)
			return u.sink.fail("upload", f.blob, u.upload(within, f))
		})
	}
	err := group.Wait()
	if err == nil {
		err = u.sink.fail("upload", "", context.Cause(ctx))
	}
	return err
}

func (u *uploader) upload(ctx context.Context, f *localFile) error {
	source, err := u.sink.sourceOf(f)
	if err != nil {
		return err
	}
	old, err := u.sink.backend.Stat(ctx, f.blob)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !u.opts.Again && source != "" && old.Metadata[sourceName] == source:
		f.unchanged = true
		return nil
	}
	file, err := u.root.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	w, err := u.sink.replace(ctx, f.blob, old.ETag, &CreateOptions{Size: f.size, source: source, tell: u.tell})
	if err != nil {
		return err
	}
	defer w.Close()
	n, err := w.ReadFrom(file)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if n != f.size || info.Size() != f.size || info.ModTime().UnixNano() != f.changed {
		return fmt.Errorf("%w: the file on disk did, upload it again when nobody writes it", ErrChanged)
	}
	return w.Commit()
}

// sourceName is the metadata that says which file a blob was made from.
const sourceName = ownMetadata + "source"

// sourceOf is a name of this state of the file under the sink's key, so that
// whoever reads it can neither guess at files nor tell two alike ones.
func (s *Sink) sourceOf(f *localFile) (string, error) {
	key, err := s.format.sourceKey()
	if err != nil {
		return "", err
	}
	defer redact.Clear(key)
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s\x00%d\x00%d", f.blob, f.size, f.changed)
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}
