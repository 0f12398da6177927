//go:build !windows

package snp

import "io/fs"

// openToOthers is the permissions that others than the owner have.
func openToOthers(mode fs.FileMode) fs.FileMode { return mode.Perm() & 0o077 }
