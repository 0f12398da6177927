package snp

import "io/fs"

// openToOthers is nothing on Windows, whose access lists have no mode.
func openToOthers(fs.FileMode) fs.FileMode { return 0 }
