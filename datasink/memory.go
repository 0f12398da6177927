package datasink

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// memoryPage is the length of a page of names: small, so that tests on this
// backend turn pages.
const memoryPage = 100

// Memory returns a backend that keeps blobs in memory, for tests and examples.
// Each is a container of its own.
func Memory() Backend { return &memory{blobs: map[string]memoryBlob{}} }

type memory struct {
	mu      sync.RWMutex
	created bool
	version int
	blobs   map[string]memoryBlob
}

// memoryBlob is replaced, never changed.
type memoryBlob struct {
	item Item
	data []byte
}

var _ Backend = (*memory)(nil)

func (m *memory) String() string { return "memory" }

func (m *memory) CreateContainer(ctx context.Context) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	created := !m.created
	m.created = true
	return created, ctx.Err()
}

func (m *memory) Stat(ctx context.Context, name string) (Item, error) {
	b, err := m.find(ctx, name)
	return b.item, err
}

func (m *memory) find(ctx context.Context, name string) (memoryBlob, error) {
	if err := ctx.Err(); err != nil {
		return memoryBlob{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	b, ok := m.blobs[name]
	if !ok {
		return memoryBlob{}, fs.ErrNotExist
	}
	return b, nil
}

func (m *memory) ReadRange(ctx context.Context, name, etag string, p []byte, off int64) error {
	b, err := m.find(ctx, name)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil || b.item.ETag != etag:
		return ErrChanged
	case off < 0 || off+int64(len(p)) > b.item.Size:
		return fmt.Errorf("range of %d bytes at %d is not within the blob", len(p), off)
	}
	copy(p, b.data[off:])
	return nil
}

func (m *memory) ReadStart(ctx context.Context, name string, p []byte) (Item, int, error) {
	b, err := m.find(ctx, name)
	return b.item, copy(p, b.data), err
}

func (m *memory) List(ctx context.Context, prefix, marker string) (Page, error) {
	if err := ctx.Err(); err != nil {
		return Page{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	var page Page
	for _, name := range slices.Sorted(maps.Keys(m.blobs)) {
		if name < marker || !strings.HasPrefix(name, prefix) {
			continue
		}
		if len(page.Items) == memoryPage {
			page.Next = name
			break
		}
		page.Items = append(page.Items, m.blobs[name].item)
	}
	return page, nil
}

func (m *memory) Remove(ctx context.Context, name, etag string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[name]
	if !ok {
		return fs.ErrNotExist
	}
	if etag != "" && b.item.ETag != etag {
		return ErrConflict
	}
	delete(m.blobs, name)
	return nil
}

func (m *memory) Begin(_ context.Context, name string, opts UploadOptions) (Upload, error) {
	return &memoryUpload{memory: m, name: name, opts: opts, blocks: map[int][]byte{}}, nil
}

type memoryUpload struct {
	memory *memory
	name   string
	opts   UploadOptions
	mu     sync.Mutex
	blocks map[int][]byte
}

func (u *memoryUpload) Stage(ctx context.Context, b Block) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data := slices.Clone(b.Data)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.blocks[b.Index] = data
	return nil
}

func (u *memoryUpload) Put(ctx context.Context, data []byte) (Item, error) {
	return u.publish(ctx, slices.Clone(data))
}

func (u *memoryUpload) Commit(ctx context.Context, count int) (Item, error) {
	var data []byte
	for i := range count {
		b, ok := u.blocks[i]
		if !ok {
			return Item{}, fmt.Errorf("block %d was not staged", i)
		}
		data = append(data, b...)
	}
	return u.publish(ctx, data)
}

func (u *memoryUpload) publish(ctx context.Context, data []byte) (Item, error) {
	if err := ctx.Err(); err != nil {
		return Item{}, err
	}
	m := u.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blobs[u.name].item.ETag != u.opts.IfMatch {
		return Item{}, ErrConflict
	}
	m.version++
	item := Item{
		Name: u.name, Size: int64(len(data)), ETag: fmt.Sprintf(`"%d"`, m.version), Modified: time.Now(),
		ContentType: u.opts.ContentType, Metadata: map[string]string{},
	}
	if item.ContentType == "" {
		item.ContentType = "application/octet-stream"
	}
	for name, v := range u.opts.Metadata {
		item.Metadata[strings.ToLower(name)] = v
	}
	item.Directory = isDirectory(item.Metadata)
	m.blobs[u.name] = memoryBlob{item, data}
	return item, nil
}

func (u *memoryUpload) Abort() error {
	u.blocks = nil
	return nil
}
