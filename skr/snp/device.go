package snp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cleanroom-go/sdk/skr"
)

// DeviceOptions are the options of [OpenDevice]. The zero value fits
// confidential ACI.
type DeviceOptions struct {
	// Path is the guest device; empty means /dev/sev if that is there, as on
	// Linux 5, else /dev/sev-guest of Linux 6. A device of another name is asked
	// as that of Linux 6.
	Path string
	// SecurityContext says where the files of the container group are.
	SecurityContext SecurityContextOptions
	// Certificates finds the chain; nil means [DefaultChain]. It is called with
	// each report: put a [ChainCache] before a source that is slow.
	Certificates ChainSource
}

// OpenDevice makes the attester of the guest this program runs in: reports come
// from the device, certificates from the chain source, UVM endorsements from
// the security context that the platform mounts. It fails where there is no
// such device; there is no pretended report. Off Linux the error wraps
// errors.ErrUnsupported.
//
// The device takes one request at a time, and its host holds back a guest that
// makes many: Attest then waits and tries again for up to about 20 seconds,
// within its context.
func OpenDevice(opts *DeviceOptions) (skr.Attester, error) {
	if opts == nil {
		opts = &DeviceOptions{}
	}
	path := opts.Path
	if path == "" {
		path = findDevice(device5, device6)
	}
	open, err := platformDevice(path)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w; this program must run in an SEV-SNP guest, such as a container group of SKU Confidential", err)
	}
	if err != nil {
		return nil, fmt.Errorf("skr/snp: open device %s: %w", path, err)
	}
	source := opts.Certificates
	if source == nil {
		if source, err = DefaultChain(&opts.SecurityContext, ""); err != nil {
			return nil, err
		}
	}
	return &attester{report: newGuest(path, open).report, context: opts.SecurityContext, source: source}, nil
}

// findDevice is the first device that is there: whatever keeps it from being
// looked at, a missing one looks different.
func findDevice(paths ...string) string {
	for _, path := range paths {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			return path
		}
	}
	return paths[len(paths)-1]
}

// DefaultChain is the source of a guest on Azure: the file of the container
// group, then, when the host was updated since it was written, THIM on the host
// and the Azure cache. What was fetched is kept in memory and, if dir is not
// empty, in that directory, see [ChainCacheOptions].
func DefaultChain(context *SecurityContextOptions, dir string) (ChainSource, error) {
	thim, err := THIMChain(nil)
	if err != nil {
		return nil, err
	}
	cache, err := AzureCacheChain(nil)
	if err != nil {
		return nil, err
	}
	return NewChainCache(FirstChain(HostChain(context), thim, cache), &ChainCacheOptions{Dir: dir})
}

// attester is an skr.Attester of a guest.
type attester struct {
	report  func(ctx context.Context, reportData [64]byte) ([]byte, error)
	context SecurityContextOptions
	source  ChainSource
}

var _ skr.Attester = (*attester)(nil)

// Attest asks the device for a report and the source for its certificates. The
// host's firmware can be updated at any time, also between the two: a report for
// which there are no certificates is made once more.
func (a *attester) Attest(ctx context.Context, runtimeData []byte) (*skr.Evidence, error) {
	const op = "skr/snp: attest"
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	platform, err := a.context.read(endorsementFile)
	if err != nil {
		return nil, fmt.Errorf("%s: security context: %w", op, err)
	}
	report, chain, err := a.evidence(ctx, runtimeData)
	if err != nil && ctx.Err() == nil && report != nil {
		first := report.ReportedTCB
		if report, chain, err = a.evidence(ctx, runtimeData); err != nil && report != nil {
			err = fmt.Errorf("no certificates for the reported TCB %016x (before: %016x): the host was updated, and nobody who was asked has its new certificates yet: %w",
				report.ReportedTCB, first, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return &skr.Evidence{
		Report:          report.Raw,
		Certificates:    chain.PEM(),
		UVMEndorsements: platform.UVMEndorsements,
		RuntimeData:     slices.Clone(runtimeData),
	}, nil
}

// evidence gives a report even if there is no chain for it.
func (a *attester) evidence(ctx context.Context, runtimeData []byte) (*Report, *Chain, error) {
	reportData := ReportDataFor(runtimeData)
	raw, err := a.report(ctx, reportData)
	if err != nil {
		return nil, nil, fmt.Errorf("report: %w", err)
	}
	report, err := ParseReport(raw)
	if err != nil {
		return nil, nil, err
	}
	if report.ReportData != reportData {
		return nil, nil, errors.New("the device answered for other report data than it was given")
	}
	chain, err := a.source.Chain(ctx, report)
	if err != nil {
		return report, nil, err
	}
	if err := chain.Fits(report); err != nil {
		return report, nil, err
	}
	return report, chain, nil
}
