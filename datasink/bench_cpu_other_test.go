//go:build !unix

package datasink

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
