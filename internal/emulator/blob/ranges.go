package blob

import (
	"net/http"
	"strconv"
	"strings"
)

// parseRange reads the two forms of range that the service knows, "bytes=a-b"
// and "bytes=a-", against a blob of size bytes. The range it returns lies
// within the blob and is not empty.
func parseRange(header string, size int64) (off, n int64, err error) {
	span, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(span, "-")
	if !ok || !dash {
		return 0, 0, invalidHeader("Range", "want bytes=FIRST-LAST or bytes=FIRST-")
	}
	off, err = parseOffset(first)
	if err != nil {
		return 0, 0, err
	}
	end := size - 1
	if last != "" {
		if end, err = parseOffset(last); err != nil {
			return 0, 0, err
		}
		if end < off {
			return 0, 0, invalidHeader("Range", "ends before it begins")
		}
	}
	if off >= size {
		return 0, 0, failure(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The range specified is invalid for the current size of the resource.")
	}
	return off, min(end, size-1) - off + 1, nil
}

// parseOffset takes digits only: no sign, no blank.
func parseOffset(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, invalidHeader("Range", "not a byte offset")
	}
	return int64(n), nil
}
