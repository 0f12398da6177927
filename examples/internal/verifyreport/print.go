package verifyreport

import (
	"fmt"
	"io"

	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

// printer writes the result; its first error is that of the program.
type printer struct {
	out            io.Writer
	err            error
	failed, passed int
}

func (p *printer) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.out, format+"\n", args...); err != nil && p.err == nil {
		p.err = err
	}
}

// report prints what the report says, none of it believed yet.
func (p *printer) report(r *snp.Report) {
	product := r.Product
	if product == "" {
		product = "not named"
	}
	p.line("report of version %d says", r.Version)
	p.line("  product      %s", product)
	p.line("  chip         %x", r.ChipID)
	p.line("  TCB          %016x (current %016x, committed %016x, at launch %016x)", r.ReportedTCB, r.CurrentTCB, r.CommittedTCB, r.LaunchTCB)
	p.line("  policy       %016x (debug %t, SMT %t, migration %t)", r.Policy, r.Debug, r.SMT, r.Migration)
	p.line("  guest SVN    %d, VMPL %d", r.GuestSVN, r.VMPL)
	p.line("  measurement  %x", r.Measurement)
	p.line("  host data    %x", r.HostData)
	p.line("  report data  %x", r.ReportData)
}

// checks prints one line for each, and what to do below a failed one.
func (p *printer) checks(checks []skr.Check) {
	for _, c := range checks {
		if c.OK() {
			p.passed++
			p.line("  ok      %s", c)
			continue
		}
		p.failed++
		p.line("  FAILED  %s", c)
		if c.Remedy != "" {
			p.line("          %s", c.Remedy)
		}
	}
}

func (p *printer) verdict() error {
	if p.failed > 0 {
		p.line("refused: %d of %d checks failed", p.failed, p.failed+p.passed)
		if p.err == nil {
			return ErrRefused
		}
	} else {
		p.line("accepted: all %d checks passed", p.passed)
	}
	if p.err != nil {
		return fmt.Errorf("verifyreport: %w", p.err)
	}
	return nil
}
