package snp

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

// ValidateOptions say which authentic reports are acceptable. nil works.
type ValidateOptions struct {
	// HostData lists the acceptable values, 32 bytes each; nil means any.
	HostData [][]byte
	// AllowDebug accepts a guest whose memory its host may read.
	AllowDebug bool
	// MaxVMPL is the least privileged level accepted; zero means VMPL 0 only.
	MaxVMPL uint32
}

// Validate compares an authentic report with what is acceptable. The error of
// a refusal is a *skr.DeniedError that holds the same checks.
func Validate(r *Report, opts *ValidateOptions) ([]skr.Check, error) {
	if opts == nil {
		opts = &ValidateOptions{}
	}
	var checks []skr.Check
	add := func(id, want, got, remedy string, ok bool) {
		c := skr.Check{ID: id, Want: want, Got: got}
		if !ok {
			c.Remedy, c.Err = remedy, check.ErrMismatch
		}
		checks = append(checks, c)
	}
	if opts.HostData != nil {
		found := false
		values := make([]string, len(opts.HostData))
		for i, v := range opts.HostData {
			found = found || bytes.Equal(v, r.HostData[:])
			values[i] = hex.EncodeToString(v)
		}
		add("report.host-data", strings.Join(values, " or "), hex.EncodeToString(r.HostData[:]),
			"the machine was launched with another policy; deploy the template that was accepted", found)
	}
	add("report.debug", fmt.Sprintf("debug off, or allowed: %v", opts.AllowDebug), fmt.Sprintf("debug %v", r.Debug),
		"launch the guest without the debug bit", !r.Debug || opts.AllowDebug)
	add("report.vmpl", fmt.Sprintf("at most %d", opts.MaxVMPL), fmt.Sprint(r.VMPL), "ask for the report from a higher privilege level", r.VMPL <= opts.MaxVMPL)
	return checks, check.Denied("snp: validate report", "this program", checks, nil)
}
