package blob

import (
	"net/http"
	"time"
)

// checkRead applies the conditional headers of a read; the blob exists.
func checkRead(h http.Header, b *stored) error {
	if v := h.Get("If-Match"); v != "" && v != "*" && v != b.etag {
		return errCondition
	}
	if v := h.Get("If-None-Match"); v != "" && (v == "*" || v == b.etag) {
		return errNotModified
	}
	if t, ok, err := timeHeader(h, "If-Unmodified-Since"); err != nil || ok && b.modified.After(t) {
		return orCondition(err, errCondition)
	}
	if t, ok, err := timeHeader(h, "If-Modified-Since"); err != nil || ok && !b.modified.After(t) {
		return orCondition(err, errNotModified)
	}
	return nil
}

// checkWrite applies them to a write; b is nil if there is no blob.
func checkWrite(h http.Header, b *stored) error {
	if v := h.Get("If-Match"); v != "" && (b == nil || v != "*" && v != b.etag) {
		return errCondition
	}
	if v := h.Get("If-None-Match"); v != "" && b != nil {
		switch v {
		case "*":
			return errExists
		case b.etag:
			return errCondition
		}
	}
	if t, ok, err := timeHeader(h, "If-Unmodified-Since"); err != nil || ok && b != nil && b.modified.After(t) {
		return orCondition(err, errCondition)
	}
	if t, ok, err := timeHeader(h, "If-Modified-Since"); err != nil || ok && b != nil && !b.modified.After(t) {
		return orCondition(err, errCondition)
	}
	return nil
}

func orCondition(err, condition error) error {
	if err != nil {
		return err
	}
	return condition
}

func timeHeader(h http.Header, name string) (time.Time, bool, error) {
	v := h.Get(name)
	if v == "" {
		return time.Time{}, false, nil
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return time.Time{}, false, invalidHeader(name, "not an HTTP date")
	}
	return t, true, nil
}
