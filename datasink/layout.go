package datasink

import (
	"path"
	"strings"
)

// Layout says where below its target a download puts the file of a blob: a
// path as [fs.ValidPath] has it. Whatever it says is checked as a blob's name
// is, and two blobs in one place are [ErrName].
type Layout func(blob string) string

// LayoutG0 is that of the first generation of the reference command line:
// container/blob.
func LayoutG0(container string) Layout { return under(container) }

// LayoutG1 is that of the releases of 2024: datastore/container/blob.
func LayoutG1(datastore, container string) Layout { return under(datastore + "/" + container) }

// LayoutG2 is that of releases from 2026 on: datastore/blob without the
// subdirectory, if one is given, and with no more than the first of the
// folders that are left, so that a/b/c becomes datastore/a/c. Where two blobs
// fall together so, the reference loses one; this package refuses.
func LayoutG2(datastore, subdirectory string) Layout {
	return func(blob string) string {
		if subdirectory != "" {
			blob = strings.TrimPrefix(blob, subdirectory+"/")
		}
		if folder, rest, ok := strings.Cut(blob, "/"); ok {
			blob = folder + "/" + path.Base(rest)
		}
		return datastore + "/" + blob
	}
}

// of is the place of a blob's file.
func (l Layout) of(blob string) string {
	if l == nil {
		return blob
	}
	return l(blob)
}

// under does not clean what it joins: an odd name shall be seen as such.
func under(folder string) Layout {
	return func(blob string) string { return folder + "/" + blob }
}
