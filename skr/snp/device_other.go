//go:build !linux

package snp

import (
	"errors"
	"fmt"
	"runtime"
)

func platformDevice(string) (guestDevice, error) {
	return nil, fmt.Errorf("SEV-SNP guests run Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
