package postgres

import (
	"os"
	"syscall"
)

// memoryDir is a directory in memory with room for a cluster: there initdb
// takes a third less time, and no secret touches a disk. A container's default
// of 64 MB is too small.
func memoryDir() string {
	const (
		dir   = "/dev/shm"
		tmpfs = 0x01021994 // TMPFS_MAGIC
		room  = 1 << 30
	)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Type != tmpfs || uint64(fs.Bavail)*uint64(fs.Bsize) < room {
		return ""
	}
	if info, err := os.Stat(dir); err != nil || info.Mode()&os.ModeSticky == 0 || info.Mode()&0o002 == 0 {
		return ""
	}
	return dir
}
