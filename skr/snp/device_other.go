//go:build !linux

package snp

import (
	"errors"
	"fmt"
	"runtime"
)

func openReporter(string) (reporter, error) {
	return nil, fmt.Errorf("SEV-SNP guests run Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
