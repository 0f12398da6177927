package cleanroom

import (
	"fmt"
	"syscall"
)

// fuseMagic is what statfs(2) says of every file system in user space, as the
// mounts of a room are.
const fuseMagic = 0x65735546

// mountedDirectory is nil for a directory in a mount of a room.
func mountedDirectory(directory string) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(directory, &st); err != nil {
		return fmt.Errorf("statfs: %w", err)
	}
	if uint32(st.Type) != fuseMagic {
		return errNotMounted
	}
	return nil
}
