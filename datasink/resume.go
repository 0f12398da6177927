package datasink

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// journalName is the file in which a download with Resume notes how far it is,
// and maxJournal bounds what is read of it.
const (
	journalName = partialPrefix + "journal"
	maxJournal  = 256 << 20
)

// checkpoint is how many bytes of one file may arrive before it is noted.
const checkpoint = 64 << 20

// journal is a list of lines, of which the last about a blob holds. Who can
// write to the target directory can write to the journal: it is trusted as far
// as the files are.
type journal struct {
	root *os.Root

	mu    sync.Mutex
	f     *os.File
	notes map[string]note
}

// note says how far the file of a blob is.
type note struct {
	Blob string `json:"blob"`
	// ID is that of these very contents, see journalID. Another one is of
	// another blob and tells nothing of this one.
	ID string `json:"id"`
	// At is the number of bytes from the start that are on the disk.
	At int64 `json:"at"`
	// Changed is, of a file that has its name, the time of change in
	// nanoseconds, by which it is known again; else zero.
	Changed int64 `json:"changed,omitempty"`
}

// journalID tells these contents from all others: by the ETag, and in mode
// Sealed by the header too, so that a service which shows two blobs under one
// ETag cannot have a file made of both.
func (s *Sink) journalID(c *contents) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %s %q %q %d %x", s, s.mode, c.item.Name, c.item.ETag, c.item.Size, c.head)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func openJournal(root *os.Root) (*journal, error) {
	f, err := root.OpenFile(journalName, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{root: root, f: f, notes: map[string]note{}}
	lines := bufio.NewReader(io.LimitReader(f, maxJournal))
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return j, nil // a line without an end was never written whole
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		var n note
		if json.Unmarshal(line, &n) == nil {
			j.notes[n.Blob] = n
		}
	}
}

// of is what was noted of these contents.
func (j *journal) of(blob, id string) note {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.notes[blob]; n.ID == id {
		return n
	}
	return note{Blob: blob, ID: id}
}

// add appends a line. It is on the disk when it returns; what it says must be
// before.
func (j *journal) add(n note) error {
	line, err := json.Marshal(n)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.notes[n.Blob] = n
	// A line of a run that was cut off ends here.
	if _, err := j.f.Write(append(append([]byte{'\n'}, line...), '\n')); err != nil {
		return err
	}
	return j.f.Sync()
}

func (j *journal) close() error { return j.f.Close() }

// remove ends the journal of a download that is complete.
func (j *journal) remove() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.f.Close()
	return j.root.Remove(journalName)
}

// finished says whether the file is the one that an earlier run finished.
func (j *journal) finished(n note, file string, size int64) bool {
	if n.Changed == 0 {
		return false
	}
	info, err := j.root.Lstat(file)
	return err == nil && info.Mode().IsRegular() && info.Size() == size && info.ModTime().UnixNano() == n.Changed
}

// resumePartial opens the unfinished file of these contents in a directory, or
// makes it. It returns how many bytes of it count.
func resumePartial(root *os.Root, path string, at int64) (*partial, int64, error) {
	f, err := root.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no regular file", path)
	case info.Size() < at:
		at = 0
	}
	if err == nil {
		err = f.Truncate(at)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return &partial{root, path, f}, at, nil
}

// front is how far a file is without a gap, while ranges come in any order. It
// notes that from time to time.
type front struct {
	journal *journal
	part    *partial
	note    note

	mu    sync.Mutex
	ahead map[int64]int64 // ranges beyond a gap: their ends by their starts
	at    int64
}

func newFront(j *journal, p *partial, n note) *front {
	return &front{journal: j, part: p, note: n, ahead: map[int64]int64{}, at: n.At}
}

// arrived says that a range is written.
func (f *front) arrived(off int64, n int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ahead[off] = off + int64(n)
	for end, ok := f.ahead[f.at]; ok; end, ok = f.ahead[f.at] {
		delete(f.ahead, f.at)
		f.at = end
	}
	if f.at-f.note.At < checkpoint {
		return nil
	}
	return f.save()
}

// save brings what is there without a gap to the disk, then notes it. It needs
// mu, unless nobody else is left.
func (f *front) save() error {
	if f.at == f.note.At {
		return nil
	}
	if err := f.part.f.Sync(); err != nil {
		return err
	}
	f.note.At = f.at
	return f.journal.add(f.note)
}
