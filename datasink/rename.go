package datasink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Rename writes a blob anew under another name and removes the old one, in this
// order: at no time is there no whole blob. The bytes pass through this
// program, in every mode: a sealed blob is bound to its name, and the service
// does not copy what is under a customer's key. Content type and the caller's
// metadata are kept.
//
// The new name must be free ([ErrExist]). If the old blob is replaced
// meanwhile, it stays, and the error, which is [ErrConflict], says that both
// are there.
func (s *Sink) Rename(ctx context.Context, from, to string) (err error) {
	ctx, end := s.tracer.Start(ctx, "Rename")
	defer end(&err)
	if from == to {
		return s.fail("rename", from, errors.New("the new name is the old one"))
	}
	if err := checkName(to); err != nil {
		return s.fail("rename", to, err)
	}
	r, err := s.Open(ctx, from)
	if err != nil {
		return s.fail("rename", from, err)
	}
	defer r.Close()
	if err := s.copyTo(ctx, r, to); err != nil {
		return s.fail("rename", from, err)
	}
	err = s.backend.Remove(ctx, from, r.Item().ETag)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody else removed it, which was to be done
	}
	if err != nil {
		return s.fail("rename", from, fmt.Errorf("%q is written, but the old blob is still there: %w", to, err))
	}
	return nil
}

func (s *Sink) copyTo(ctx context.Context, r *Reader, to string) error {
	item := r.Item()
	w, err := s.Create(ctx, to, &CreateOptions{
		ContentType: item.ContentType, Exclusive: true, Size: r.Size(), Metadata: withoutOwn(item.Metadata),
	})
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Commit()
}

// withoutOwn is the metadata that is not this package's.
func withoutOwn(metadata map[string]string) map[string]string {
	rest := map[string]string{}
	for name, v := range metadata {
		if !isOwn(name) {
			rest[name] = v
		}
	}
	return rest
}
