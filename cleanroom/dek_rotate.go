package cleanroom

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cleanroom-go/sdk/datasink"
)

// maxRetired bounds the search for a free number.
const maxRetired = 10_000

// Rotate gives a data store a new key and keeps the one before as
// NAME.1.bin, NAME.2.bin and so on ([DEKStore.LoadRetired]): what was written
// with it can be read with nothing else. The new key is for a container that
// holds nothing of the old one, and where the document pins the key
// ([AccessPoint.DEKDigest]) the parties must agree on a new document. The caller
// should close the key.
//
// The old key has its second name on disk before the first one changes. Two
// rotations of one data store exclude each other by a file NAME.lock, which a
// crash may leave behind; the error then says so.
func (s *DEKStore) Rotate(name string) (_ *datasink.DEK, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cleanroom: rotate DEK %q: %w", shorten(name, 140), err)
		}
	}()
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	lock := filepath.Join(s.dir, name+".lock")
	held, err := os.OpenFile(lock, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: another rotation is under way, or one was interrupted: then remove the file", err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, held.Close(), os.Remove(lock)) }()
	old, err := loadDEK(path)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	if err := s.retire(path, name, old); err != nil {
		return nil, err
	}
	dek, err := datasink.NewDEK()
	if err != nil {
		return nil, err
	}
	if err := s.replace(path, dek); err != nil {
		dek.Close()
		return nil, err
	}
	return dek, nil
}

// LoadRetired reads the key that the nth rotation of a data store replaced,
// counted from 1; none is [fs.ErrNotExist]. The caller should close the key.
func (s *DEKStore) LoadRetired(name string, n int) (*datasink.DEK, error) {
	_, err := s.path(name)
	if err == nil && (n < 1 || n > maxRetired) {
		err = fmt.Errorf("%d is no rotation", n)
	}
	var dek *datasink.DEK
	if err == nil {
		dek, err = loadDEK(s.retired(name, n))
	}
	if err != nil {
		return nil, fmt.Errorf("cleanroom: load retired DEK %q: %w", shorten(name, 140), err)
	}
	return dek, nil
}

// retired is no name of a data store: those have no full stop.
func (s *DEKStore) retired(name string, n int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%s.%d.bin", name, n))
}

// retire gives the key in use the first free number.
func (s *DEKStore) retire(path, name string, old *datasink.DEK) error {
	for n := 1; n <= maxRetired; n++ {
		to := s.retired(name, n)
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		err := link(path, to)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			err = writeInPlace(to, old)
		}
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		return s.sync()
	}
	return errors.New("too many rotations")
}

// replace is the only place that puts a key over another, which is retired.
func (s *DEKStore) replace(path string, dek *datasink.DEK) error {
	f, err := os.CreateTemp(s.dir, "new-*.tmp") // for the owner alone
	if err != nil {
		return err
	}
	if err := errors.Join(writeDEK(f, dek), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return s.sync()
}
