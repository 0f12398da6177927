package blob

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// container holds blobs. Its maps are guarded by the server's mutex.
type container struct {
	etag     string
	modified time.Time
	blobs    map[string]*stored
	// staged holds the uncommitted blocks by blob name and block id. A name
	// may stand here that is no blob yet.
	staged map[string]map[string]*block
}

// stored is a committed blob. It is replaced as a whole and never changed, so
// that a reader needs no lock once it has one.
type stored struct {
	content     content
	blocks      []*block // in order, empty after Put Blob
	etag        string
	created     time.Time
	modified    time.Time
	properties  map[string]string // of storedProperties, by answer header
	metadata    map[string]string
	keyDigest   string // base64 of SHA-256, "" without a customer's key
	contentSize int64
}

// block is one staged or committed block; data is never changed.
type block struct {
	id        string
	data      []byte
	keyDigest string
}

// content is the bytes of a blob in the pieces in which they came: a commit
// copies nothing.
type content [][]byte

// writeRange writes n bytes from off, which lie within.
func (c content) writeRange(w io.Writer, off, n int64) error {
	for _, piece := range c {
		if n == 0 {
			return nil
		}
		size := int64(len(piece))
		if off >= size {
			off -= size
			continue
		}
		end := min(size, off+n)
		if _, err := w.Write(piece[off:end]); err != nil {
			return err
		}
		n -= end - off
		off = 0
	}
	return nil
}

// find needs the lock of the caller.
func (s *Server) find(account, name string) (*container, error) {
	if c := s.containers[[2]string{account, name}]; c != nil {
		return c, nil
	}
	return nil, errNoContainer
}

// lookup returns the blob of a call, checked against conditions and key.
func (s *Server) lookup(c *call) (*stored, error) {
	key, err := customerKey(c.r)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	box, err := s.find(c.account, c.container)
	if err != nil {
		return nil, err
	}
	b := box.blobs[c.blob]
	if b == nil {
		return nil, errNoBlob
	}
	if err := checkRead(c.r.Header, b); err != nil {
		return nil, err
	}
	return b, checkKey(b.keyDigest, key)
}

// replace makes b the blob of a call if the conditions hold, and forgets the
// uncommitted blocks. The caller holds the lock.
func (s *Server) replace(c *call, box *container, b *stored) {
	old := box.blobs[c.blob]
	s.touch(b, old)
	box.blobs[c.blob] = b
	delete(box.staged, c.blob)
}

// touch gives a new version its ETag and times.
func (s *Server) touch(b, old *stored) {
	b.etag = s.newETag()
	b.modified = stampTime()
	b.created = b.modified
	if old != nil {
		b.created = old.created
	}
}

func (s *Server) newETag() string {
	return fmt.Sprintf(`"0x8D%013X"`, s.sequence.Add(1))
}

// createContainer is Create Container.
func (s *Server) createContainer(c *call) error {
	if !validContainer(c.container) {
		return failure(http.StatusBadRequest, "InvalidResourceName", "The specified resource name contains invalid characters.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{c.account, c.container}
	if s.containers[key] != nil {
		return failure(http.StatusConflict, "ContainerAlreadyExists", "The specified container already exists.")
	}
	box := &container{etag: s.newETag(), modified: stampTime(), blobs: map[string]*stored{}, staged: map[string]map[string]*block{}}
	s.containers[key] = box
	setVersion(c.w.Header(), box.etag, box.modified)
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

// containerProperties is Get Container Properties.
func (s *Server) containerProperties(c *call) error {
	s.mu.RLock()
	box, err := s.find(c.account, c.container)
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	setVersion(c.w.Header(), box.etag, box.modified)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// deleteContainer is Delete Container; unlike the service's it is immediate.
func (s *Server) deleteContainer(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(c.account, c.container); err != nil {
		return err
	}
	delete(s.containers, [2]string{c.account, c.container})
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

// validContainer is the service's naming rule.
func validContainer(name string) bool {
	if name == "$web" || name == "$root" || name == "$logs" {
		return true
	}
	if len(name) < 3 || len(name) > 63 {
		return false
	}
	for i, r := range name {
		dash := r == '-'
		if !dash && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
		if dash && (i == 0 || i == len(name)-1 || name[i-1] == '-') {
			return false
		}
	}
	return true
}

func setVersion(h http.Header, etag string, modified time.Time) {
	h.Set("ETag", etag)
	h.Set("Last-Modified", modified.Format(http.TimeFormat))
}
