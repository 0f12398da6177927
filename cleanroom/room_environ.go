package cleanroom

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// maxEnviron bounds what is read of the process's environment; the kernel
// starts no process with more than a few megabytes.
const maxEnviron = 16 << 20

// checkOwnEnvironment looks at the environment as the platform gave it to this
// process, not as the run time shows it: os.Environ leaves the second of two
// variables of one name out.
func checkOwnEnvironment() error {
	if runtime.GOOS != "linux" {
		return checkEnviron(os.Environ()) // the platform's rooms are all Linux
	}
	f, err := os.Open("/proc/self/environ")
	if err != nil {
		return fmt.Errorf("the environment of this process cannot be checked: %w; mount /proc, or give RoomOptions.Getenv", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxEnviron+1))
	if err != nil {
		return fmt.Errorf("the environment of this process cannot be checked: %w", err)
	}
	if len(b) > maxEnviron {
		return errors.New("the environment of this process is longer than any that is right")
	}
	var environ []string
	for v := range bytes.SplitSeq(b, []byte{0}) {
		environ = append(environ, string(v))
	}
	return checkEnviron(environ)
}

// checkEnviron refuses a name that is set twice: of two values the host has
// chosen one, and the programs in the room need not choose the same. It also
// refuses the variable that no option overrides and that would add to the host
// name to which assertions are sent.
func checkEnviron(environ []string) error {
	seen := make(map[string]bool, len(environ))
	for _, v := range environ {
		name, _, ok := strings.Cut(v, "=")
		switch {
		case !ok || name == "":
			continue // nothing that a look-up by name would find
		case seen[name]:
			return fmt.Errorf("the environment has the variable %q twice: this is not the environment that the parties agreed on", shorten(name, 80))
		case name == "AZURE_REGIONAL_AUTHORITY_NAME":
			return fmt.Errorf("the environment has the variable %s, which changes the host that identities are proved to; remove it", name)
		}
		seen[name] = true
	}
	return nil
}
