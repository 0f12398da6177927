package cleanroom

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/internal/redact"
)

// LoadFor is [DEKStore.Load] for one mode of encryption. The first call for a
// key notes the mode beside it, in a file NAME-DIGEST.mode, and later ones for
// another are refused, also by other programs and years later: a key that the
// storage service has ever seen, in mode CPK, must not encrypt what it shall
// not see, nor the reverse. A rotated key is another key.
func (s *DEKStore) LoadFor(name string, mode datasink.Mode) (*datasink.DEK, error) {
	dek, err := s.Load(name)
	if err != nil {
		return nil, err
	}
	if err := s.note(name, dek, mode); err != nil {
		dek.Close()
		return nil, fmt.Errorf("cleanroom: load DEK %q for mode %s: %w", name, mode, err)
	}
	return dek, nil
}

// note ties the key to the mode, or finds that it is tied to it.
func (s *DEKStore) note(name string, dek *datasink.DEK, mode datasink.Mode) error {
	switch mode {
	case datasink.CPK, datasink.CSE, datasink.Sealed:
	default:
		return fmt.Errorf("the mode %q has no data key", shorten(string(mode), 20))
	}
	path, err := s.path(name)
	if err != nil {
		return err
	}
	digest := dek.Digest()
	path = strings.TrimSuffix(path, ".bin") + "-" + hex.EncodeToString(digest[:4]) + ".mode"
	noted, err := readKeyFile(path, 64)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.storeNote(path, mode)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrExist) { // another program was first
			noted, err = readKeyFile(path, 64)
		}
	}
	if err != nil {
		return err
	}
	defer redact.Clear(noted)
	if was := strings.TrimSpace(string(noted)); was != string(mode) {
		return fmt.Errorf("the key belongs to mode %q, as %s says: a data key has one mode for life; rotate it, or use another data store", shorten(was, 20), path)
	}
	return nil
}

// storeNote makes the file in one step, or fails because there is one.
func (s *DEKStore) storeNote(path string, mode datasink.Mode) error {
	f, err := os.CreateTemp(s.dir, "new-*.tmp") // for the owner alone
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(string(mode) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	err = link(f.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = os.Rename(f.Name(), path) // a file system without links
	}
	return errors.Join(err, s.sync())
}
