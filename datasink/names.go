package datasink

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode"
)

// maxName is the service's limit on a blob's name, in characters.
const maxName = 1024

// checkName refuses names that the service, a proxy on the way or a file
// system would read as another name: absolute ones, empty, "." and ".."
// segments, control characters, and the back slash, which the service turns
// into a slash. What is left is valid for [fs.ValidPath].
func checkName(name string) error {
	why := ""
	switch {
	case name == "" || name == ".":
		why = "it is empty"
	case len([]rune(name)) > maxName:
		return fmt.Errorf("%w: it has more than %d characters", ErrName, maxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		why = "it holds a control character"
	case name == manifestName:
		why = "it is kept for the manifest of a sealed sink"
	case strings.Contains(name, `\`):
		why = "it holds a back slash"
	case !fs.ValidPath(name):
		why = "it is absolute, not UTF-8, or has an empty, . or .. segment"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrName, why)
}
