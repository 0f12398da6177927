package snp

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/go-sev-guest/client"
)

// openReporter tries the device once, so that its absence shows at the start
// and not with the first key. The device is opened for each report: the library
// spaces the requests of one open device two seconds apart.
func openReporter(path string) (reporter, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w; this program must run in an SEV-SNP guest, such as a container group of SKU Confidential", err)
	}
	probe := &client.LinuxDevice{}
	if err := probe.Open(path); err != nil {
		return nil, err
	}
	if err := probe.Close(); err != nil {
		return nil, err
	}
	return func(reportData [64]byte) ([]byte, error) {
		d := &client.LinuxDevice{}
		if err := d.Open(path); err != nil {
			return nil, err
		}
		//lint:ignore SA1019 the quote provider picks its own device; a test or a group may have it elsewhere
		report, err := client.GetRawReport(d, reportData)
		return report, errors.Join(err, d.Close())
	}, nil
}
