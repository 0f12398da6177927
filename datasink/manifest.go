package datasink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cleanroom-go/sdk/datasink/sealed"
)

// manifestName is the blob of the manifest. No other blob can have the name,
// and listings leave it out.
const manifestName = ".cleanroom-manifest"

// maxManifest bounds a manifest in bytes: some 400,000 blobs with long names.
const maxManifest = 64 << 20

// Manifest lists the blobs of a sealed sink at one moment. Each is authentic
// by itself; the list tells whether one of them was removed or brought back in
// an older version, which no blob can tell of itself.
type Manifest struct {
	// Generation counts the manifests of the sink, from 1.
	Generation uint64 `json:"generation"`
	// Blobs are in the order of the names' bytes.
	Blobs []ManifestBlob `json:"blobs"`
}

// ManifestBlob is a blob of a manifest.
type ManifestBlob struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes, authentic
	// ID tells this content of the blob from every other, as a digest would:
	// it is the SHA-256 of the stored header, whose salt is drawn anew for each
	// write and whose commitment binds the key under which each chunk was
	// sealed. Lower-case hexadecimal.
	ID string `json:"id"`
}

// encode is the one form that a manifest has, so that its hash is one too.
func (m *Manifest) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err == nil && len(b) > maxManifest {
		err = fmt.Errorf("a manifest of %d bytes is longer than %d", len(b), maxManifest)
	}
	return b, err
}

// Hash is the SHA-256 of the manifest. A program that notes it where the
// storage's operator cannot change it, for instance in an event of the
// governance ledger, can later tell the newest manifest from an older one: see
// [Sink.CheckManifest].
func (m *Manifest) Hash() [32]byte {
	b, err := m.encode()
	if err != nil {
		return [32]byte{}
	}
	return sha256.Sum256(b)
}

// WriteManifest looks at every blob of a sealed sink and writes the list of
// them, sealed, beside them; its generation is one more than that of the
// manifest before. Nobody should write to the sink meanwhile. If somebody else
// writes a manifest at the same time, one of the two fails with [ErrConflict].
// In other modes there is no manifest.
func (s *Sink) WriteManifest(ctx context.Context) (_ *Manifest, err error) {
	ctx, end := s.tracer.Start(ctx, "WriteManifest")
	defer end(&err)
	m, err := s.writeManifest(ctx)
	if err != nil {
		return nil, s.fail("write manifest", "", err)
	}
	return m, nil
}

var errNoManifest = errors.New("only a sink in mode Sealed has a manifest: blobs of other modes are not authentic by themselves")

func (s *Sink) writeManifest(ctx context.Context) (*Manifest, error) {
	if s.mode != Sealed {
		return nil, errNoManifest
	}
	old, etag, err := s.readManifest(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = &Manifest{}, nil
	}
	if err != nil {
		return nil, err
	}
	m := &Manifest{Generation: old.Generation + 1}
	if m.Blobs, err = s.lookAll(ctx); err != nil {
		return nil, err
	}
	b, err := m.encode()
	if err != nil {
		return nil, err
	}
	w, err := s.replace(ctx, manifestName, etag, &CreateOptions{ContentType: "application/json", tell: func(Progress) {}})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	return m, w.Commit()
}

// readManifest returns the manifest that is there, and its ETag.
func (s *Sink) readManifest(ctx context.Context) (*Manifest, string, error) {
	c, err := s.format.open(ctx, s.backend, Item{Name: manifestName})
	if err != nil {
		return nil, "", err
	}
	if c.item.Size > maxManifest {
		return nil, "", fmt.Errorf("the manifest has %d bytes, more than %d", c.item.Size, maxManifest)
	}
	r := newReader(ctx, s, c)
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, "", err
	}
	m := &Manifest{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, "", fmt.Errorf("the manifest cannot be read: %w", err)
	}
	if again, err := m.encode(); err != nil || !bytes.Equal(again, b) {
		return nil, "", errors.New("the manifest is not in its one form: another version of this package may have written it")
	}
	return m, c.item.ETag, nil
}

// lookAll opens every blob as far as its size is authentic.
func (s *Sink) lookAll(ctx context.Context) ([]ManifestBlob, error) {
	var names []string
	for item, err := range s.List(ctx) {
		if err != nil {
			return nil, err
		}
		if err := item.checkMarker(); err != nil {
			return nil, s.fail("read", item.Name, err)
		}
		if !item.Directory {
			names = append(names, item.Name)
		}
	}
	blobs := make([]ManifestBlob, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.streams)
	for i, name := range names {
		group.Go(func() error {
			blob, err := s.look(ctx, name)
			blobs[i] = blob
			return s.fail("read", name, err)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return blobs, nil
}

func (s *Sink) look(ctx context.Context, name string) (ManifestBlob, error) {
	if err := checkName(name); err != nil {
		return ManifestBlob{}, err
	}
	c, err := s.format.open(ctx, s.backend, Item{Name: name})
	if err != nil {
		return ManifestBlob{}, err
	}
	if len(c.head) != sealed.HeaderSize {
		return ManifestBlob{}, errors.New("it is the marker of a directory")
	}
	sum := sha256.Sum256(c.head)
	return ManifestBlob{Name: name, Size: c.item.Size, ID: hex.EncodeToString(sum[:])}, nil
}

// ManifestResult is what [Sink.CheckManifest] found.
type ManifestResult struct {
	// Manifest is the one that is there.
	Manifest *Manifest
	// Newest says that it has the hash which the caller knows. Without one
	// nothing is known of that: a whole sink could have been brought back as it
	// was, its manifest too.
	Newest bool
	// Missing are in the manifest and not there, Changed are there with
	// another content, Added are there and not in the manifest. The blobs in
	// Changed may not open at all: Failed has the reasons.
	Missing, Changed, Added []string
	Failed                  []error
}

// String is a line for people.
func (r *ManifestResult) String() string {
	newest := "unchecked whether it is the newest: no hash was given to compare"
	if r.Newest {
		newest = "it is the one that was expected"
	}
	return fmt.Sprintf("manifest %d of %d blobs; %s; %d missing, %d changed, %d added", r.Manifest.Generation, len(r.Manifest.Blobs), newest, len(r.Missing), len(r.Changed), len(r.Added))
}

// CheckManifest compares the blobs of a sealed sink with its manifest. With
// the hash that a trusted place keeps, it finds every roll-back and removal;
// with nil it finds those that left the manifest as it is, and says in
// [ManifestResult.Newest] that more was not checked. A difference is
// [ErrDamaged]; the result is there then too. What was added is no error: it is
// as authentic as every sealed blob.
func (s *Sink) CheckManifest(ctx context.Context, hash *[32]byte) (_ *ManifestResult, err error) {
	ctx, end := s.tracer.Start(ctx, "CheckManifest")
	defer end(&err)
	if s.mode != Sealed {
		return nil, s.fail("check manifest", "", errNoManifest)
	}
	m, _, err := s.readManifest(ctx)
	if errors.Is(err, fs.ErrNotExist) && hash != nil {
		err = &kinded{ErrDamaged, fmt.Errorf("the manifest was removed: %w", err)}
	}
	if err != nil {
		return nil, s.fail("check manifest", "", err)
	}
	result := &ManifestResult{Manifest: m}
	if hash != nil {
		if m.Hash() != *hash {
			return result, s.fail("check manifest", "", fmt.Errorf("%w: the manifest, of generation %d, is not the one that was expected", ErrDamaged, m.Generation))
		}
		result.Newest = true
	}
	if err := s.compare(ctx, m, result); err != nil {
		return result, s.fail("check manifest", "", err)
	}
	if n := len(result.Missing) + len(result.Changed); n > 0 {
		err := fmt.Errorf("%w: %d blobs are missing, %d have another content than the manifest says", ErrDamaged, len(result.Missing), len(result.Changed))
		return result, s.fail("check manifest", "", err)
	}
	return result, nil
}

// compare fills the result.
func (s *Sink) compare(ctx context.Context, m *Manifest, result *ManifestResult) error {
	known := make(map[string]ManifestBlob, len(m.Blobs))
	for _, b := range m.Blobs {
		known[b.Name] = b
	}
	var mu sync.Mutex
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(s.streams)
	for item, err := range s.List(ctx) {
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		if item.Directory {
			continue
		}
		want, ok := known[item.Name]
		delete(known, item.Name)
		if !ok {
			mu.Lock()
			result.Added = append(result.Added, item.Name)
			mu.Unlock()
			continue
		}
		group.Go(func() error {
			got, err := s.look(within, item.Name)
			if within.Err() != nil {
				return context.Cause(within)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				result.Failed = append(result.Failed, s.fail("read", item.Name, err))
			}
			if err != nil || got != want {
				result.Changed = append(result.Changed, item.Name)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for name := range known {
		result.Missing = append(result.Missing, name)
	}
	for _, names := range [][]string{result.Missing, result.Changed, result.Added} {
		slices.Sort(names)
	}
	return nil
}
