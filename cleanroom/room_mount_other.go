//go:build !linux

package cleanroom

// mountedDirectory is never nil: the platform's rooms are all Linux.
func mountedDirectory(string) error { return errNoMounts }
