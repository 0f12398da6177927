package cleanroom

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// A packed source is the same for the same files, unpacks to them, and its
// digest is that of the archive.
func TestPackSource(t *testing.T) {
	dir := fstest.MapFS{"main.go": {Data: []byte("package main\n")}, "sub/a.txt": {Data: nil, ModTime: time.Unix(5, 0), Mode: 0o777}}
	p, err := PackSource(dir)
	must(t, err)
	dir["main.go"].ModTime = time.Unix(99, 0)
	again, err := PackSource(dir)
	must(t, err)
	if p.Digest() != again.Digest() || fmt.Sprint(p.Files()) != "[main.go sub/a.txt]" {
		t.Errorf("%s, %s, %v", p.Digest(), again.Digest(), p.Files())
	}
	s := consumerDocument(t)
	must(t, s.AddApplication(ApplicationOptions{Name: "packed", Image: testImage, Source: p, Environment: Environment{{"A", "1"}}}))
	e := s.Applications[1].EnvironmentVariables
	code, _ := e.Lookup(SourceVariable)
	archive, err := base64.StdEncoding.DecodeString(code)
	must(t, err)
	sum := sha256.Sum256(archive)
	if digest, _ := e.Lookup(SourceDigestVariable); digest != hex.EncodeToString(sum[:]) || digest != p.Digest() {
		t.Error(digest)
	}
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	must(t, err)
	r, files := tar.NewReader(zip), map[string]string{}
	for h, err := r.Next(); err != io.EOF; h, err = r.Next() {
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, err)
		files[h.Name] = string(b)
	}
	if fmt.Sprint(files) != "map[application/main.go:package main\n application/sub/a.txt:]" {
		t.Error(files)
	}
	if err := s.AddApplication(ApplicationOptions{Name: "twice", Image: testImage, Source: p, Environment: Environment{{SourceVariable, "x"}}}); err == nil || !strings.Contains(err.Error(), "set twice") {
		t.Error(err)
	}

	noise := make([]byte, 100<<10)
	rand.New(rand.NewSource(1)).Read(noise)
	many := fstest.MapFS{}
	for i := range 1001 {
		many[fmt.Sprint(i)] = &fstest.MapFile{}
	}
	for want, dir := range map[string]fs.FS{
		"no directory":       nil,
		"no files":           fstest.MapFS{},
		"hidden":             fstest.MapFS{"a": {}, ".git/config": {}},
		"not a regular file": fstest.MapFS{"a": {Mode: fs.ModeSymlink}},
		"private key":        fstest.MapFS{"k": {Data: []byte("-----BEGIN PRIVATE KEY-----")}},
		"environment takes":  fstest.MapFS{"a": {Data: noise}},
		"4194304 bytes":      fstest.MapFS{"a": {Data: make([]byte, 4<<20+1)}},
		"more than 1000":     many,
	} {
		if _, err := PackSource(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cleanroom: pack source: ") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
