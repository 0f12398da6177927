package blob

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"net/http"
	"strconv"
)

// getBlob is Get Blob, whole or one range.
func (s *Server) getBlob(c *call) error {
	b, err := s.lookup(c)
	if err != nil {
		return err
	}
	h := c.w.Header()
	header := c.r.Header.Get("x-ms-range")
	if header == "" {
		header = c.r.Header.Get("Range")
	}
	off, n, status := int64(0), b.contentSize, http.StatusOK
	if header != "" {
		if off, n, err = parseRange(header, b.contentSize); err != nil {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", b.contentSize))
			return err
		}
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, b.contentSize))
	}
	b.describe(h)
	if status == http.StatusPartialContent {
		if err := c.rangeChecksum(b, off, n); err != nil {
			return err
		}
	}
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	c.w.WriteHeader(status)
	// A failed write means that the client has gone; nobody is left to tell.
	_ = b.content.writeRange(c.w, off, n)
	return nil
}

// rangeChecksum adds the checksum of a range of up to 4 MiB on request. The
// MD5 of the whole blob moves to a header of its own.
func (c *call) rangeChecksum(b *stored, off, n int64) error {
	h := c.w.Header()
	if whole := h.Get("Content-MD5"); whole != "" {
		h.Set("x-ms-blob-content-md5", whole)
		h.Del("Content-MD5")
	}
	wantMD5 := c.r.Header.Get("x-ms-range-get-content-md5") == "true"
	wantCRC := c.r.Header.Get("x-ms-range-get-content-crc64") == "true"
	if !wantMD5 && !wantCRC {
		return nil
	}
	if n > 4<<20 {
		return failure(http.StatusBadRequest, "OutOfRangeQueryParameterValue", "a range with checksum has at most 4 MiB")
	}
	var buf bytes.Buffer
	if err := b.content.writeRange(&buf, off, n); err != nil {
		return err
	}
	if wantMD5 {
		sum := md5.Sum(buf.Bytes())
		h.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	if wantCRC {
		sum := binary.LittleEndian.AppendUint64(nil, crc64.Checksum(buf.Bytes(), crcTable))
		h.Set("x-ms-content-crc64", base64.StdEncoding.EncodeToString(sum))
	}
	return nil
}

// headBlob is Get Blob Properties, and Get Blob Metadata, which says less.
func (s *Server) headBlob(c *call) error {
	b, err := s.lookup(c)
	if err != nil {
		return err
	}
	b.describe(c.w.Header())
	if c.query.Get("comp") == "" {
		c.w.Header().Set("Content-Length", strconv.FormatInt(b.contentSize, 10))
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// describe sets the headers that tell a reader about a blob.
func (b *stored) describe(h http.Header) {
	setVersion(h, b.etag, b.modified)
	h.Set("Accept-Ranges", "bytes")
	h.Set("x-ms-blob-type", "BlockBlob")
	h.Set("x-ms-creation-time", b.created.Format(http.TimeFormat))
	h.Set("x-ms-lease-state", "available")
	h.Set("x-ms-lease-status", "unlocked")
	for name, v := range b.properties {
		h.Set(name, v)
	}
	for name, v := range b.metadata {
		h.Set(metadataPrefix+name, v)
	}
	echoRead(h, b.keyDigest)
}

// deleteBlob is Delete Blob. It needs no key, and gives up uncommitted blocks.
func (s *Server) deleteBlob(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	box, err := s.find(c.account, c.container)
	if err != nil {
		return err
	}
	b := box.blobs[c.blob]
	if b == nil {
		return errNoBlob
	}
	if err := checkWrite(c.r.Header, b); err != nil {
		return err
	}
	delete(box.blobs, c.blob)
	delete(box.staged, c.blob)
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}
