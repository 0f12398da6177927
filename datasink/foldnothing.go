//go:build !windows && !darwin

package datasink

// foldName gives names that this system takes for one the same form.
func foldName(name string) string { return name }
