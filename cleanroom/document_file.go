package cleanroom

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadSpecification reads the document in a file; see [ParseSpecification].
func ReadSpecification(file string) (*Specification, error) {
	return readSpecification(file, G2)
}

func readSpecification(file string, g Generation) (*Specification, error) {
	return readDocument(file, "specification", func(b []byte) (*Specification, error) { return parseSpecification(b, g) })
}

// readDocument reads a file with a document of any kind.
func readDocument[T any](file, kind string, parse func([]byte) (*T, error)) (*T, error) {
	b, err := readWhole(file)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: read %s: %w", kind, err)
	}
	document, err := parse(b)
	if err != nil {
		return nil, named(err, file)
	}
	return document, nil
}

// betweenStats is where a test changes the file.
var betweenStats = func() {}

// readWhole reads a file that nobody writes meanwhile: half a document can be
// a whole one that says something else.
func readWhole(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxDocumentSize+1))
	if err != nil {
		return nil, err
	}
	betweenStats()
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if before.Mode().IsRegular() && (before.Size() != after.Size() || !before.ModTime().Equal(after.ModTime())) {
		return nil, fmt.Errorf("%s was written to while it was read; read it again, and have its writer replace it in one step", file)
	}
	return b, nil
}

// WriteFile writes the document to a file in one step: a reader, or a crash,
// sees the old document or the new one. A new file has
// mode 0644: the document holds nothing secret.
func (s *Specification) WriteFile(file string) error { return writeDocument(file, s, "specification") }

func writeDocument(file string, document interface{ Encode() ([]byte, error) }, kind string) error {
	b, err := document.Encode()
	if err != nil {
		return err
	}
	if err := writeAtomically(file, b); err != nil {
		return fmt.Errorf("cleanroom: write %s %s: %w", kind, file, err)
	}
	return nil
}

// writeAtomically writes beside the file, syncs, and renames.
func writeAtomically(file string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Chmod(fileMode(file)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// fileMode keeps the mode of a file that exists.
func fileMode(file string) os.FileMode {
	if info, err := os.Stat(file); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}

// CreateFile writes the document to a new file. One that is there is left as it
// is; the error is [fs.ErrExist].
func (s *Specification) CreateFile(file string) error {
	b, err := s.Encode()
	if err != nil {
		return err
	}
	if err := createAtomically(file, b); err != nil {
		return fmt.Errorf("cleanroom: create specification %s: %w", file, err)
	}
	return nil
}

// createAtomically makes the file appear whole. A file system without links
// shows it while it is written, and still overwrites none.
func createAtomically(file string, b []byte) error {
	whole, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(whole.Name())
	_, err = whole.Write(b)
	if err = errors.Join(err, whole.Chmod(0o644), whole.Sync(), whole.Close()); err != nil {
		return err
	}
	err = link(whole.Name(), file)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
