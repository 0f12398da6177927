package blob

import (
	"encoding/base64"
	"net/http"
)

// putBlob is Put Blob: a whole block blob in one request.
func (s *Server) putBlob(c *call) error {
	if c.r.Header.Get("x-ms-copy-source") != "" {
		return failure(http.StatusConflict, "CannotVerifyCopySource", "Copies are not possible here, as with blobs under a customer's key.")
	}
	switch c.r.Header.Get("x-ms-blob-type") {
	case "BlockBlob":
	case "":
		return missingHeader("x-ms-blob-type")
	default:
		return invalidHeader("x-ms-blob-type", "only BlockBlob is emulated")
	}
	b, err := newStored(c.r)
	if err != nil {
		return err
	}
	data, err := c.body(maxPut)
	if err != nil {
		return err
	}
	b.content, b.contentSize = content{data}, int64(len(data))
	return s.commit(c, func(*container) (*stored, error) { return b, nil })
}

// commit replaces a blob under the lock, if the conditions hold.
func (s *Server) commit(c *call, make func(*container) (*stored, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.find(c.account, c.container)
	if err != nil {
		return err
	}
	if err := checkWrite(c.r.Header, box.blobs[c.blob]); err != nil {
		return err
	}
	b, err := make(box)
	if err != nil {
		return err
	}
	s.replace(c, box, b)
	setVersion(c.w.Header(), b.etag, b.modified)
	echoWrite(c.w.Header(), b.keyDigest)
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

// putBlock is Put Block: bytes that no reader sees before a Put Block List.
func (s *Server) putBlock(c *call) error {
	id := c.query.Get("blockid")
	if raw, err := base64.StdEncoding.DecodeString(id); err != nil || len(raw) == 0 || len(raw) > 64 {
		return failure(http.StatusBadRequest, "InvalidQueryParameterValue", "blockid is not base64 of 1 to 64 bytes")
	}
	key, err := customerKey(c.r)
	if err != nil {
		return err
	}
	if c.r.ContentLength == 0 {
		return invalidHeader("Content-Length", "a block cannot be empty")
	}
	data, err := c.body(maxBlock)
	if err != nil {
		return err
	}
	if err := s.stage(c, &block{id: id, data: data, keyDigest: key}); err != nil {
		return err
	}
	echoWrite(c.w.Header(), key)
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

func (s *Server) stage(c *call, b *block) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.find(c.account, c.container)
	if err != nil {
		return err
	}
	staged := box.staged[c.blob]
	for id := range staged {
		if len(id) != len(b.id) {
			return failure(http.StatusBadRequest, "InvalidBlobOrBlock", "The specified blob or block content is invalid: its id has another length than the others.")
		}
		break // those that are there have one length
	}
	if staged == nil {
		staged = map[string]*block{}
		box.staged[c.blob] = staged
	}
	if len(staged) >= 100_000 && staged[b.id] == nil {
		return failure(http.StatusConflict, "BlockCountExceedsLimit", "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.")
	}
	staged[b.id] = b
	return nil
}
