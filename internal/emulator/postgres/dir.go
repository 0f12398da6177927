//go:build linux || darwin

package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An account is whom the server runs as when we are root: PostgreSQL refuses
// to run as root.
type account struct {
	name     string
	uid, gid int
}

func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("the account %s: %w", name, err)
		}
		return &account{name, int(uid), int(gid)}, nil
	}
	return &account{"65534", 65534, 65534}, nil
}

// own gives a file to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

// prefix starts the name of every cluster's directory.
const prefix = "cleanroom-postgres-"

// maxSocketDir is how long a directory's path may be so that a socket's in it
// fits: macOS takes 103 bytes, and ours ends in "/.s.PGSQL.65535".
const maxSocketDir = 103 - len("/.s.PGSQL.65535")

// defaultBase is a directory to make clusters in: one in memory, else the
// temporary one if the server's account can reach it and its path is short.
func defaultBase(a *account) string {
	if dir := memoryDir(); dir != "" {
		return dir
	}
	if dir := os.TempDir(); len(dir)+1+len(prefix)+10 <= maxSocketDir && (a == nil || open(dir)) {
		return dir
	}
	return "/tmp"
}

// open reports whether everybody may go through a directory.
func open(dir string) bool {
	dir, err := filepath.Abs(dir)
	for {
		if err != nil {
			return false
		}
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

// makeDir makes a cluster's directory, mode 0700, and locks it. The system
// releases the lock when the process dies, however it does. A sweep may come
// between the two steps and remove the directory; then another one is made.
func makeDir(base string) (string, *os.File, error) {
	for {
		dir, err := os.MkdirTemp(base, prefix)
		if err != nil {
			return "", nil, err
		}
		if len(dir) > maxSocketDir {
			os.Remove(dir)
			return "", nil, fmt.Errorf("the path %s is too long for a socket", dir)
		}
		lock, err := lockDir(dir)
		if err == nil {
			return dir, lock, nil
		}
		if !errors.Is(err, errLocked) && !errors.Is(err, os.ErrNotExist) {
			os.Remove(dir)
			return "", nil, err
		}
	}
}

var errLocked = errors.New("locked by another process")

// lockDir locks a directory, unless it is a link or was replaced meanwhile.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	opened, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Lstat(dir); err == nil && !os.SameFile(opened, there) {
			err = os.ErrNotExist
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes what killed runs left in base: directories of ours, or of the
// server's account, that nobody holds locked. It does its best and no more.
func sweep(base string, a *account) {
	dirs, err := filepath.Glob(filepath.Join(base, prefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		lock, err := lockDir(dir)
		if err != nil {
			continue
		}
		if info, err := lock.Stat(); err == nil {
			owner := int(info.Sys().(*syscall.Stat_t).Uid)
			if owner == os.Geteuid() || a != nil && owner == a.uid {
				_ = os.RemoveAll(dir)
			}
		}
		lock.Close()
	}
}
