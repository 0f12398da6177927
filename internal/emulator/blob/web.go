package blob

import (
	"net/http"
	"strconv"
	"strings"
)

// webContainer is what the static website of an account publishes.
const webContainer = "$web"

// serveWeb is the static website endpoint: anonymous, and for reading only.
func (s *Server) serveWeb(w http.ResponseWriter, r *http.Request, account string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		webError(w, r, http.StatusMethodNotAllowed, "UnsupportedHttpVerb")
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	s.mu.RLock()
	var b *stored
	if box, err := s.find(account, webContainer); err == nil {
		b = box.blobs[name]
	}
	s.mu.RUnlock()
	if b == nil {
		webError(w, r, http.StatusNotFound, "WebContentNotFound")
		return
	}
	if err := checkKey(b.keyDigest, ""); err != nil {
		webError(w, r, http.StatusConflict, "BlobUsesCustomerSpecifiedEncryption")
		return
	}
	h := w.Header()
	setVersion(h, b.etag, b.modified)
	for property, v := range b.properties {
		h.Set(property, v)
	}
	h.Set("Content-Length", strconv.FormatInt(b.contentSize, 10))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		// A failed write means that the client has gone; nobody is left to tell.
		_ = b.content.writeRange(w, 0, b.contentSize)
	}
}

func webError(w http.ResponseWriter, r *http.Request, status int, code string) {
	page := "<!DOCTYPE html><html><head><title>" + code + "</title></head><body><h1>" + strconv.Itoa(status) + " " + code + "</h1></body></html>\n"
	h := w.Header()
	h.Set("x-ms-error-code", code)
	h.Set("Content-Type", "text/html")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		w.Write([]byte(page))
	}
}
