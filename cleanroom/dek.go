package cleanroom

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/internal/redact"
)

// Datastore is the name of the access point's data store. The data key belongs
// to it: two access points on one data store share the key.
func (a *AccessPoint) Datastore() string { return a.Store.ID }

// DEKStore is a party's own directory of data keys, in the layout of the
// reference tools: one file NAME.bin of 32 raw bytes for each data store. Keys
// lie there in clear, for the owner alone (directory 0700, files 0600; on
// Windows the access control of the user's profile has to do); without them
// the party cannot read its result. A key is never overwritten;
// [DEKStore.Rotate] keeps the one before.
type DEKStore struct{ dir string }

// OpenDEKStore opens the directory and makes it if it is missing. One that
// others can enter is refused.
func OpenDEKStore(dir string) (*DEKStore, error) {
	if dir == "" {
		return nil, errors.New("cleanroom: open DEK store: no directory")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cleanroom: open DEK store: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: open DEK store: %w", err)
	}
	if open := openToOthers(info); open != "" {
		return nil, fmt.Errorf("cleanroom: open DEK store %s: others can enter it (%s); run: chmod 700 %[1]s", dir, open)
	}
	return &DEKStore{dir}, nil
}

// Create makes the key of a data store and stores it. If there is one the
// error is [fs.ErrExist], and the key stays as it was: what was written with it
// could not be read otherwise. The caller should close the key.
//
// Whoever loads the key meanwhile finds none or all of it, on every file system
// that has hard links.
func (s *DEKStore) Create(name string) (*datasink.DEK, error) {
	fail := func(err error) (*datasink.DEK, error) {
		return nil, fmt.Errorf("cleanroom: create DEK %q: %w", shorten(name, 140), err)
	}
	path, err := s.path(name)
	if err != nil {
		return fail(err)
	}
	dek, err := datasink.NewDEK()
	if err != nil {
		return fail(err)
	}
	if err := s.store(path, dek); err != nil {
		dek.Close()
		return fail(err)
	}
	return dek, nil
}

// link is a variable for tests of file systems that have no links.
var link = os.Link

// store writes the key under another name first and then gives it its own in
// one step, which fails if there is such a file. Renaming would not.
func (s *DEKStore) store(path string, dek *datasink.DEK) error {
	f, err := os.CreateTemp(s.dir, "new-*.tmp") // for the owner alone
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(writeDEK(f, dek), f.Close()); err != nil {
		return err
	}
	err = link(f.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = writeInPlace(path, dek)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; load it, or move it away if nothing was written with it", err)
	}
	if err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		// Somebody may have loaded it already: it stays.
		return fmt.Errorf("the key is in %s, but may not outlast a power failure: %w; load it once the disk is well", path, err)
	}
	return nil
}

// writeInPlace is for file systems without links.
func writeInPlace(path string, dek *datasink.DEK) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(writeDEK(f, dek), f.Close()); err != nil {
		// The file is ours and holds no key that anybody has.
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// sync makes a new file's name outlast a power failure: what will be written
// with the key can be read with nothing else.
func (s *DEKStore) sync() error {
	if runtime.GOOS == "windows" {
		return nil // it has no such call for directories
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeDEK(f *os.File, dek *datasink.DEK) error {
	raw := dek.Clone()
	defer redact.Clear(raw)
	if _, err := f.Write(raw); err != nil {
		return err
	}
	return f.Sync()
}

// Load reads the key of a data store; a missing one is [fs.ErrNotExist]. The
// caller should close the key.
func (s *DEKStore) Load(name string) (*datasink.DEK, error) {
	fail := func(err error) (*datasink.DEK, error) {
		return nil, fmt.Errorf("cleanroom: load DEK %q: %w", shorten(name, 140), err)
	}
	path, err := s.path(name)
	if err != nil {
		return fail(err)
	}
	dek, err := loadDEK(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; create it before the first use of the data store", err)
	}
	if err != nil {
		return fail(err)
	}
	return dek, nil
}

func loadDEK(path string) (*datasink.DEK, error) {
	raw, err := readKeyFile(path, datasink.DEKSize+1)
	if err != nil {
		return nil, err
	}
	defer redact.Clear(raw)
	dek, err := datasink.ParseDEK(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return dek, nil
}

// readKeyFile reads at most that many bytes of a file that is its owner's
// alone.
func readKeyFile(path string, limit int) ([]byte, error) {
	// Asked before it is opened: opening a pipe would wait for a writer.
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if open := openToOthers(info); open != "" {
		return nil, fmt.Errorf("others can read %s (%s); run: chmod 600 %[1]s, and consider the key known", path, open)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw := make([]byte, limit)
	n, err := io.ReadFull(f, raw)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		redact.Clear(raw)
		return nil, err
	}
	return raw[:n], nil
}

// path keeps names inside the directory, and within what the name of the
// wrapped key in the vault can hold.
func (s *DEKStore) path(name string) (string, error) {
	if err := checkVaultName(name); err != nil {
		return "", fmt.Errorf("name of a data store: %w", err)
	}
	if !filepath.IsLocal(name + ".bin") {
		return "", errors.New("the name is one of this system's devices")
	}
	return filepath.Join(s.dir, name+".bin"), nil
}

// openToOthers is the mode if group or others have any right, else "".
func openToOthers(info fs.FileInfo) string {
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("mode %04o", info.Mode().Perm())
}
