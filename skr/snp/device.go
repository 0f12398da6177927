package snp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cleanroom-go/sdk/skr"
)

// DeviceOptions are the options of [OpenDevice]. The zero value fits
// confidential ACI.
type DeviceOptions struct {
	// Path is the guest device; empty means /dev/sev-guest.
	Path string
	// SecurityContextDir is the directory with host-amd-cert-base64 and
	// reference-info-base64; empty means that of the environment variable
	// UVM_SECURITY_CONTEXT_DIR, else the one in the root directory whose name
	// contains security-context-.
	SecurityContextDir string
	// Getenv looks variables up; nil means os.Getenv.
	Getenv func(string) string
}

const defaultDevice = "/dev/sev-guest"

// OpenDevice makes the attester of the guest this program runs in: reports come
// from the device, certificates and UVM endorsements from the security context
// that the platform mounts. It fails where there is no such device; there is no
// pretended report. Off Linux the error wraps errors.ErrUnsupported.
func OpenDevice(opts *DeviceOptions) (skr.Attester, error) {
	if opts == nil {
		opts = &DeviceOptions{}
	}
	path := opts.Path
	if path == "" {
		path = defaultDevice
	}
	getenv := opts.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	report, err := openReporter(path)
	if err != nil {
		return nil, fmt.Errorf("skr/snp: open device %s: %w", path, err)
	}
	return &device{report: report, context: &contextSource{dir: opts.SecurityContextDir, root: "/", getenv: getenv}}, nil
}

// reporter gets a raw report with the given REPORT_DATA.
type reporter func(reportData [64]byte) ([]byte, error)

type device struct {
	report  reporter
	context *contextSource
}

// Attest asks the device for a report. The platform's certificates are read
// with each report, so that an update of the host's TCB needs no restart.
func (d *device) Attest(ctx context.Context, runtimeData []byte) (*skr.Evidence, error) {
	const op = "skr/snp: attest"
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	var reportData [64]byte
	sum := sha256.Sum256(runtimeData)
	copy(reportData[:], sum[:])
	raw, err := d.report(reportData)
	if err != nil {
		return nil, fmt.Errorf("%s: report: %w", op, err)
	}
	report, err := ParseReport(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if report.ReportData != reportData {
		return nil, errors.New(op + ": the device answered for other report data than it was given")
	}
	platform, err := d.context.read()
	if err != nil {
		return nil, fmt.Errorf("%s: security context: %w", op, err)
	}
	if platform.tcb != report.ReportedTCB {
		return nil, fmt.Errorf("%s: the host's certificates are for TCB %016x, its reports for %016x: the host was updated and its certificates were not; deploy again",
			op, platform.tcb, report.ReportedTCB)
	}
	return &skr.Evidence{
		Report:          raw,
		Certificates:    platform.certificates,
		UVMEndorsements: platform.endorsements,
		RuntimeData:     slices.Clone(runtimeData),
	}, nil
}

var _ skr.Attester = (*device)(nil)
