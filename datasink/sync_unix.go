//go:build !windows

package datasink

import "os"

// syncDirectory makes a rename survive a loss of power.
func syncDirectory(root *os.Root, directory string) error {
	d, err := root.Open(directory)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
