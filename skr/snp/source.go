package snp

import (
	"context"
	"errors"
	"fmt"
)

// A ChainSource finds the certificates that vouch for a report. The chain it
// returns fits the report, see [Chain.Fits]; a source that only has certificates
// for another TCB or chip returns an error. An implementation must be safe for
// concurrent use.
type ChainSource interface {
	Chain(ctx context.Context, r *Report) (*Chain, error)
}

// HostChain is the source that the platform mounts into a confidential
// container group: host-amd-cert-base64 of the security context, read anew for
// each report.
func HostChain(opts *SecurityContextOptions) ChainSource {
	if opts == nil {
		opts = &SecurityContextOptions{}
	}
	return hostChain{*opts}
}

type hostChain struct{ opts SecurityContextOptions }

func (s hostChain) Chain(_ context.Context, r *Report) (*Chain, error) {
	const op = "skr/snp: certificates of the container group"
	c, err := s.opts.read(hostCertFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if len(c.HostCertificates) == 0 {
		return nil, fmt.Errorf("%s: neither %s in %s nor %s is set; is this a confidential container group?", op, hostCertFile, c.Dir, hostCertVariable)
	}
	chain, err := parseHostDocument(c.HostCertificates)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", op, hostCertFile, err)
	}
	if err := chain.Fits(r); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return chain, nil
}

// FirstChain asks sources in turn until one has the chain. If none has it, the
// error is that of each.
func FirstChain(sources ...ChainSource) ChainSource { return firstChain(sources) }

type firstChain []ChainSource

func (s firstChain) Chain(ctx context.Context, r *Report) (*Chain, error) {
	if len(s) == 0 {
		return nil, errors.New("skr/snp: certificates: no source")
	}
	var failures []error
	for _, source := range s {
		chain, err := source.Chain(ctx, r)
		if err == nil {
			return chain, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

var (
	_ ChainSource = hostChain{}
	_ ChainSource = firstChain(nil)
)
