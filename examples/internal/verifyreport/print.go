package verifyreport

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

// printer writes the result; its first error is that of the program.
type printer struct {
	out            io.Writer
	err            error
	failed, passed int

	json   bool // one document at the end, in place of lines
	result document
}

// document is the result for a program; what the report says is hexadecimal.
type document struct {
	Accepted bool            `json:"accepted"`
	Report   *reportDocument `json:"report,omitempty"`
	Checks   []checkDocument `json:"checks"`
	Notes    []string        `json:"notes,omitempty"`
}

type reportDocument struct {
	Version     uint32 `json:"version"`
	Product     string `json:"product,omitempty"`
	ChipID      string `json:"chipId"`
	TCB         string `json:"tcb"`
	Debug       bool   `json:"debug"`
	Migration   bool   `json:"migration"`
	Measurement string `json:"measurement"`
	HostData    string `json:"hostData"`
	ReportData  string `json:"reportData"`
}

type checkDocument struct {
	ID     string `json:"id"`
	Passed bool   `json:"passed"`
	Want   string `json:"want"`
	Got    string `json:"got"`
	Remedy string `json:"remedy,omitempty"`
}

func (p *printer) line(format string, args ...any) {
	if p.json {
		if note, found := strings.CutPrefix(fmt.Sprintf(format, args...), "note: "); found {
			p.result.Notes = append(p.result.Notes, note)
		}
		return
	}
	if _, err := fmt.Fprintf(p.out, format+"\n", args...); err != nil && p.err == nil {
		p.err = err
	}
}

// report prints what the report says, none of it believed yet.
func (p *printer) report(r *snp.Report) {
	p.result.Report = &reportDocument{
		Version: uint32(r.Version), Product: r.Product, ChipID: fmt.Sprintf("%x", r.ChipID), TCB: fmt.Sprintf("%016x", r.ReportedTCB), Debug: r.Debug, Migration: r.Migration,
		Measurement: fmt.Sprintf("%x", r.Measurement), HostData: fmt.Sprintf("%x", r.HostData), ReportData: fmt.Sprintf("%x", r.ReportData),
	}
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
		p.result.Checks = append(p.result.Checks, checkDocument{c.ID, c.OK(), c.Want, c.Got, c.Remedy})
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
	if p.result.Accepted = p.failed == 0; p.json {
		p.err = json.NewEncoder(p.out).Encode(p.result)
	}
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
