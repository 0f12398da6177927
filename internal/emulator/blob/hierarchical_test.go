package blob_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

// hierarchical makes of the blobs d and d/e, which are empty, what an account
// with a hierarchical namespace has: directories that stand in listings beside
// their files, as resources of that type, and that HEAD marks by metadata.
func hierarchical(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	answer, err := next.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		return answer, err
	}
	switch {
	case r.URL.Query().Get("comp") == "list":
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, err
		}
		answer.Body.Close()
		parts := strings.SplitAfter(string(body), "</Blob>")
		for i, part := range parts {
			if strings.Contains(part, "<Name>d</Name>") || strings.Contains(part, "<Name>d/e</Name>") {
				parts[i] = strings.Replace(part, "<BlobType>", "<ResourceType>directory</ResourceType><BlobType>", 1)
			}
		}
		body = []byte(strings.Join(parts, ""))
		answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		answer.Header.Del("Content-Length")
	case r.Method == http.MethodHead && (strings.HasSuffix(r.URL.Path, "/d") || strings.HasSuffix(r.URL.Path, "/d/e")):
		answer.Header.Set("x-ms-meta-hdi_isfolder", "true")
	}
	return answer, nil
}

// TestHierarchical: directories of such an account are directories in a
// download and a file system, no blobs for a manifest or a look at all, and
// nothing to open.
func TestHierarchical(t *testing.T) {
	f := newFixture(t)
	for _, mode := range []datasink.Mode{datasink.SSE, datasink.CPK, datasink.CSE, datasink.Sealed} {
		opts := &datasink.Options{Mode: mode, ClientOptions: f.through(hierarchical, -1), ChunkSize: 1000, Contract: "contract", Datasink: "output"}
		if mode != datasink.SSE {
			opts.DEK = newDEK(t)
		}
		s := f.sink(t, opts)
		box := f.client(t, s.String(), owner)
		for _, name := range []string{"d", "d/e"} { // d/e is an empty directory
			if _, err := box.NewBlockBlobClient(name).Upload(t.Context(), bodyOf(""), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := write(t, s, "d/file", content(100)); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		result, err := s.Download(t.Context(), dir, nil)
		if err != nil || len(result.Files) != 1 {
			t.Fatalf("%s: %+v, %v", mode, result, err)
		}
		for _, name := range []string{"d", "d/e"} {
			if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err != nil || !info.IsDir() {
				t.Errorf("%s: %s is no directory, %v", mode, name, err)
			}
			if info, err := fs.Stat(s.FS(t.Context()), name); err != nil || !info.IsDir() {
				t.Errorf("%s: %s is no directory of the file system, %v", mode, name, err)
			}
		}
		if looked, err := s.Verify(t.Context(), nil); err != nil || len(looked.Files) != 1 {
			t.Errorf("%s: verify says %+v, %v", mode, looked, err)
		}
		if mode == datasink.CPK {
			continue // HEAD of what is under no key is refused there
		}
		if _, err := s.Open(t.Context(), "d"); err == nil || errors.Is(err, datasink.ErrDamaged) || !strings.Contains(err.Error(), "directory") {
			t.Errorf("%s: opening a directory says %v", mode, err)
		}
		if mode == datasink.Sealed {
			if m, err := s.WriteManifest(t.Context()); err != nil || len(m.Blobs) != 1 {
				t.Errorf("the manifest is %+v, %v", m, err)
			}
		}
	}
}
