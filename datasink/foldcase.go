//go:build windows || darwin

package datasink

import "strings"

// foldName gives names that this system takes for one the same form. Both
// systems keep the case of a name and ignore it when they look for one.
func foldName(name string) string { return strings.ToLower(name) }
