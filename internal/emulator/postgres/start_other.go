//go:build !linux && !darwin

package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"runtime"
)

// Start fails: a cluster needs Unix sockets, process groups and accounts.
func Start(context.Context, Options) (*Cluster, error) {
	return nil, fmt.Errorf("postgres: start: no temporary cluster on %s; %s", runtime.GOOS, InstallHint())
}

// process is never made here.
type process struct {
	dir string
	log serverLog
}

func (*process) stop() error { return nil }

func (*process) reconfigure(context.Context, *tls.Certificate) error {
	return fmt.Errorf("postgres: reconfigure: no temporary cluster on %s", runtime.GOOS)
}
