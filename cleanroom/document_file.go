package cleanroom

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ReadSpecification reads the document in a file; see [ParseSpecification].
func ReadSpecification(file string) (*Specification, error) {
	return readSpecification(file, G2)
}

func readSpecification(file string, g Generation) (*Specification, error) {
	b, err := readWhole(file)
	if err != nil {
		return nil, fmt.Errorf("cleanroom: read specification: %w", err)
	}
	s, err := parseSpecification(b, g)
	if err != nil {
		return nil, named(err, file)
	}
	return s, nil
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
func (s *Specification) WriteFile(file string) error {
	b, err := s.Encode()
	if err != nil {
		return err
	}
	if err := writeAtomically(file, b); err != nil {
		return fmt.Errorf("cleanroom: write specification %s: %w", file, err)
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
