package blob

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"hash/crc64"
	"io"
	"net/http"
)

// Limits of the service.
const (
	maxBlock     = 4000 << 20
	maxPut       = 5000 << 20
	maxListBytes = 16 << 20 // of a block list: 50,000 ids of 64 bytes
)

// crcTable is of the polynomial that the service uses.
var crcTable = crc64.MakeTable(0x9A6C9329AC4BC9B5)

// body reads the whole body of a write and checks it against the checksums
// that the client sent. A body that ends early is never used.
func (c *call) body(limit int64) ([]byte, error) {
	n := c.r.ContentLength
	switch {
	case n < 0:
		return nil, failure(http.StatusLengthRequired, "MissingContentLengthHeader", "The Content-Length header was not specified.")
	case n > limit:
		return nil, failure(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit.")
	}
	data, err := readExactly(c.r.Body, n)
	if err != nil {
		return nil, failure(http.StatusBadRequest, "IncompleteBody", "The request body ended before its declared length.")
	}
	return data, c.checksum(data)
}

// readExactly trusts a declared length only so far as to allocate 64 MiB.
func readExactly(r io.Reader, n int64) ([]byte, error) {
	if n <= 64<<20 {
		data := make([]byte, n)
		_, err := io.ReadFull(r, data)
		return data, err
	}
	var buf bytes.Buffer
	if _, err := io.CopyN(&buf, r, n); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// checksum verifies Content-MD5 and x-ms-content-crc64 and echoes them. What
// the client did not send is not computed: tests transfer a lot.
func (c *call) checksum(data []byte) error {
	if v := c.r.Header.Get("Content-MD5"); v != "" {
		want, err := base64.StdEncoding.DecodeString(v)
		if err != nil || len(want) != md5.Size {
			return failure(http.StatusBadRequest, "InvalidMd5", "The MD5 value specified in the request is invalid.")
		}
		if sum := md5.Sum(data); !bytes.Equal(sum[:], want) {
			return failure(http.StatusBadRequest, "Md5Mismatch", "The MD5 value specified in the request did not match the MD5 value calculated by the server.")
		}
		c.w.Header().Set("Content-MD5", v)
	}
	if v := c.r.Header.Get("x-ms-content-crc64"); v != "" {
		want, err := base64.StdEncoding.DecodeString(v)
		if err != nil || len(want) != 8 {
			return invalidHeader("x-ms-content-crc64", "want base64 of 8 bytes")
		}
		if crc64.Checksum(data, crcTable) != binary.LittleEndian.Uint64(want) {
			return failure(http.StatusBadRequest, "Crc64Mismatch", "The CRC64 value specified in the request did not match the CRC64 value calculated by the server.")
		}
		c.w.Header().Set("x-ms-content-crc64", v)
	}
	return nil
}
