//go:build !unix

package cputime

import "time"

var start = time.Now()

// Now is the time since the start: this system does not tell more.
func Now() time.Duration { return time.Since(start) }
