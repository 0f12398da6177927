package blob

import (
	"net/http"
	"regexp"
	"strings"
)

// storedProperties maps the request header of a stored property to the header
// in which a read answers it.
var storedProperties = map[string]string{
	"x-ms-blob-content-type":        "Content-Type",
	"x-ms-blob-content-encoding":    "Content-Encoding",
	"x-ms-blob-content-language":    "Content-Language",
	"x-ms-blob-content-disposition": "Content-Disposition",
	"x-ms-blob-cache-control":       "Cache-Control",
	"x-ms-blob-content-md5":         "Content-MD5",
}

const metadataPrefix = "x-ms-meta-"

var metadataName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// metadata reads the names and values of a request.
func metadata(h http.Header) (map[string]string, error) {
	found := map[string]string{}
	size := 0
	for header, values := range h {
		name, ok := strings.CutPrefix(strings.ToLower(header), metadataPrefix)
		if !ok {
			continue
		}
		if !metadataName.MatchString(name) {
			return nil, failure(http.StatusBadRequest, "InvalidMetadata", "The metadata name "+name+" is not an identifier.")
		}
		found[name] = strings.Join(values, ",")
		size += len(name) + len(found[name])
	}
	if size > 8<<10 {
		return nil, failure(http.StatusBadRequest, "MetadataTooLarge", "The size of the specified metadata exceeds the maximum size permitted.")
	}
	return found, nil
}

// newStored takes key, properties and metadata of a new blob from a request.
func newStored(r *http.Request) (*stored, error) {
	digest, err := customerKey(r)
	if err != nil {
		return nil, err
	}
	b := &stored{keyDigest: digest, properties: map[string]string{"Content-Type": "application/octet-stream"}}
	for header, answer := range storedProperties {
		if v := r.Header.Get(header); v != "" {
			b.properties[answer] = v
		}
	}
	b.metadata, err = metadata(r.Header)
	return b, err
}

// setMetadata is Set Blob Metadata: it replaces all of it.
func (s *Server) setMetadata(c *call) error {
	fresh, err := metadata(c.r.Header)
	if err != nil {
		return err
	}
	key, err := customerKey(c.r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.find(c.account, c.container)
	if err != nil {
		return err
	}
	old := box.blobs[c.blob]
	if old == nil {
		return errNoBlob
	}
	if err := checkWrite(c.r.Header, old); err != nil {
		return err
	}
	if err := checkKey(old.keyDigest, key); err != nil {
		return err
	}
	b := *old
	b.metadata = fresh
	s.touch(&b, old)
	box.blobs[c.blob] = &b
	setVersion(c.w.Header(), b.etag, b.modified)
	echoWrite(c.w.Header(), key)
	c.w.WriteHeader(http.StatusOK)
	return nil
}
