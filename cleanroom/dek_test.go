package cleanroom_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/datasink"
)

func openDEKs(t *testing.T) (*cleanroom.DEKStore, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "party", "deks")
	s, err := cleanroom.OpenDEKStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// rawKey is the key in clear, and the end of its holder.
func rawKey(t *testing.T, k *datasink.DEK, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	return k.Clone()
}

func TestDEKStore(t *testing.T) {
	s, dir := openDEKs(t)
	created, err := s.Create("consumer-output")
	key := rawKey(t, created, err)
	loaded, err := s.Load("consumer-output")
	if again := rawKey(t, loaded, err); !bytes.Equal(again, key) || len(key) != datasink.DEKSize {
		t.Error("another key was loaded")
	}
	file := filepath.Join(dir, "consumer-output.bin")
	if raw, err := os.ReadFile(file); err != nil || !bytes.Equal(raw, key) {
		t.Errorf("the file is not the key, %v", err)
	}
	if runtime.GOOS != "windows" {
		for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Dir(dir): 0o700, file: 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
			}
		}
	}
	// A key is made once, whatever the file holds.
	if k, err := s.Create("consumer-output"); !errors.Is(err, fs.ErrExist) || k != nil || !strings.Contains(err.Error(), "load it") {
		t.Errorf("created again: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create("consumer-output"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created over an empty file: %v", err)
	}
	if raw, err := os.ReadFile(file); err != nil || len(raw) != 0 {
		t.Errorf("the file was written: %v", err)
	}
	second, err := s.Create("other")
	if other := rawKey(t, second, err); bytes.Equal(other, key) {
		t.Error("two data stores, one key")
	}
	// Another process finds the same.
	reopened, err := cleanroom.OpenDEKStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reopened.Load("other"); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("files %v, %v", entries, err)
	}
}

func TestDEKStoreRefusesFiles(t *testing.T) {
	s, dir := openDEKs(t)
	write := func(name string, size int, mode fs.FileMode) {
		t.Helper()
		file := filepath.Join(dir, name+".bin")
		if err := os.WriteFile(file, bytes.Repeat([]byte{0xa5}, size), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("empty", 0, 0o600)
	write("short", 31, 0o600)
	write("long", 33, 0o600)
	write("huge", 1<<20, 0o600)
	write("group", 32, 0o640)
	write("everybody", 32, 0o604)
	write("writable", 32, 0o602)
	write("good", 32, 0o400)
	cases := map[string]string{"empty": "32", "short": "32", "long": "32", "huge": "32", "folder": "not a regular file"}
	if err := os.Mkdir(filepath.Join(dir, "folder.bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		for _, name := range []string{"group", "everybody", "writable"} {
			cases[name] = "chmod 600"
		}
		cases["link"] = "not a regular file"
		if err := os.Symlink(filepath.Join(dir, "good.bin"), filepath.Join(dir, "link.bin")); err != nil {
			t.Fatal(err)
		}
	}
	for name, say := range cases {
		k, err := s.Load(name)
		if err == nil || k != nil || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), name) || !strings.HasPrefix(err.Error(), "cleanroom: load DEK ") {
			t.Errorf("%s: want %q, got %v", name, say, err)
		}
		if err != nil && strings.Contains(err.Error(), "\xa5") {
			t.Errorf("%s: the error shows the file's content", name)
		}
	}
	if k, err := s.Load("missing"); !errors.Is(err, fs.ErrNotExist) || k != nil || !strings.Contains(err.Error(), "create it") {
		t.Errorf("missing: %v", err)
	}
	loaded, err := s.Load("good")
	rawKey(t, loaded, err)
}

// A name never leads out of the directory.
func TestDEKStoreRefusesNames(t *testing.T) {
	s, dir := openDEKs(t)
	outside := filepath.Join(filepath.Dir(dir), "x.bin")
	if err := os.WriteFile(outside, make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	names := []string{
		"", ".", "..", "../x", "..\\x", "a/b", "/etc/passwd", "a\x00b", "a\nb", "a b", "a.b", "a_b", "ä", "%2e%2e%2fx", "~",
		filepath.Join(filepath.Dir(dir), "x"), strings.Repeat("a", 128), strings.Repeat("../", 1000) + "x",
	}
	for _, name := range names {
		for op, call := range map[string]func(string) (*datasink.DEK, error){"create": s.Create, "load": s.Load} {
			k, err := call(name)
			if err == nil || k != nil || !strings.Contains(err.Error(), "is not a name of a key or secret") || len(err.Error()) > 600 {
				t.Errorf("%s %q: %v", op, name, err)
			}
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("files %v, %v", entries, err)
	}
	if _, err := s.Create(strings.Repeat("a", 127)); err != nil {
		t.Errorf("the longest name: %v", err)
	}
}

func TestOpenDEKStoreRefuses(t *testing.T) {
	if _, err := cleanroom.OpenDEKStore(""); err == nil || !strings.HasPrefix(err.Error(), "cleanroom: open DEK store: ") {
		t.Errorf("no directory: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if _, err := cleanroom.OpenDEKStore(dir); err == nil {
			t.Errorf("%s is no directory", dir)
		}
	}
	if runtime.GOOS == "windows" {
		return // the user's profile protects the directory there
	}
	for _, mode := range []fs.FileMode{0o750, 0o701, 0o777} {
		dir := filepath.Join(t.TempDir(), "deks")
		if err := os.Mkdir(dir, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, err := cleanroom.OpenDEKStore(dir)
		if want := "run: chmod 700 " + dir; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("%04o", mode)) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}
