package snp

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/skr"
)

// ValidateOptions say which guests are acceptable. The zero value accepts any
// host data, but neither debugging, nor migration, nor a privilege level above 0.
type ValidateOptions struct {
	// HostData lists the acceptable host data, 32 bytes each: SHA-256 digests of
	// security policies. Nil accepts any.
	HostData [][]byte
	// Measurements lists the acceptable launch measurements, 48 bytes each. Nil
	// accepts any; UVM names the right one.
	Measurements [][]byte
	// AllowDebug accepts guests whose memory the host can read.
	AllowDebug bool
	// AllowMigration accepts guests with which a migration agent may be
	// associated: that agent has the guest's memory, and nothing here says who it is.
	AllowMigration bool
	// MaxVMPL is the highest privilege level number accepted, 0 to 3.
	MaxVMPL uint32
	// MinGuestSVN is the lowest guest security version accepted.
	MinGuestSVN uint32
	// MinTCB is the lowest TCB accepted for each product line, in the form of a
	// report's ReportedTCB: each component must reach its own. A product line
	// that is not listed is refused. Nil accepts any.
	MinTCB map[string]uint64
	// UVM says which utility VMs are acceptable; nil asks for no endorsement.
	UVM *UVMPolicy
}

// UVMPolicy says which endorsed utility VMs are acceptable.
type UVMPolicy struct {
	// Feed is the product; empty means [UVMFeed].
	Feed string
	// MinSVN is the lowest security version of the build accepted.
	MinSVN uint64
}

// Validate says whether the guest of authentic evidence is acceptable. It
// refuses a result whose verification did not pass, since the fields of an
// unverified report are anybody's. The checks of the validation come back in
// either case; the error is a *skr.DeniedError.
func Validate(result *Result, opts *ValidateOptions) ([]skr.Check, error) {
	if opts == nil {
		opts = &ValidateOptions{}
	}
	l := &Result{}
	if result == nil || result.Report == nil {
		result = &Result{}
	}
	if l.add(verified(result)) {
		validateReport(l, result, opts)
		if opts.UVM != nil {
			validateUVM(l, result, opts.UVM)
		}
	}
	return l.Checks, check.Denied("skr/snp: validate report", by, l.Checks, nil)
}

func verified(r *Result) skr.Check {
	failed, passed := len(check.Failed(r.Checks)), len(r.Checks)
	return condition("report.verified", "a report whose verification passed", fmt.Sprintf("%d of %d checks passed", passed-failed, passed),
		r.Report != nil && passed > 0 && failed == 0, "verify the report first, and stop if that fails")
}

func validateReport(l, result *Result, opts *ValidateOptions) {
	r := result.Report
	l.add(oneOf("report.host-data", opts.HostData, r.HostData[:], "the guest runs another security policy than the accepted one"))
	l.add(oneOf("report.measurement", opts.Measurements, r.Measurement[:], "the guest was launched from another utility VM than the accepted one"))
	l.add(condition("report.debug", falseOr(opts.AllowDebug), fmt.Sprint(r.Debug), opts.AllowDebug || !r.Debug, "launch the guest without the debug policy bit"))
	l.add(condition("report.migration", falseOr(opts.AllowMigration), fmt.Sprint(r.Migration), opts.AllowMigration || !r.Migration, "launch the guest without the policy bit for a migration agent"))
	l.add(condition("report.vmpl", fmt.Sprintf("at most %d", opts.MaxVMPL), fmt.Sprint(r.VMPL), r.VMPL <= opts.MaxVMPL, "ask for the report at a more privileged level"))
	l.add(condition("report.guest-svn", fmt.Sprintf("at least %d", opts.MinGuestSVN), fmt.Sprint(r.GuestSVN), r.GuestSVN >= opts.MinGuestSVN, "deploy on an updated platform"))
	l.add(minimumTCB(opts.MinTCB, result.Product, r.ReportedTCB))
}

func validateUVM(l, result *Result, policy *UVMPolicy) {
	e := result.UVM
	if !l.add(condition("uvm.present", "an endorsement of the utility VM", map[bool]string{true: "one", false: "none"}[e != nil], e != nil,
		"pass the platform's endorsement, reference-info-base64, with the evidence")) {
		return
	}
	feed := policy.Feed
	if feed == "" {
		feed = UVMFeed
	}
	l.add(check.Equal("uvm.feed", feed, shorten(e.Feed), "do not trust this guest: it runs another product than the utility VM of confidential containers"))
	l.add(condition("uvm.svn", fmt.Sprintf("at least %d", policy.MinSVN), fmt.Sprint(e.SVN), e.SVN >= policy.MinSVN, "deploy again, on an updated utility VM"))
	l.add(check.Equal("uvm.measurement", hex.EncodeToString(e.Measurement[:]), hex.EncodeToString(result.Report.Measurement[:]),
		"do not trust this guest: it was launched from something else than the endorsed utility VM"))
}

// minimumTCB compares byte by byte: a TCB is a row of versions, not a number.
func minimumTCB(minimum map[string]uint64, product string, got uint64) skr.Check {
	const id, remedy = "report.minimum-tcb", "deploy on a host with updated firmware"
	value := fmt.Sprintf("%016x", got)
	if minimum == nil {
		return skr.Check{ID: id, Want: "any", Got: value}
	}
	want, listed := minimum[product]
	if !listed {
		return condition(id, "a product line of the list", orNone(product), false, "list the lowest TCB of this product line, or refuse it")
	}
	ok := true
	for shift := 0; shift < 64; shift += 8 {
		ok = ok && byte(got>>shift) >= byte(want>>shift)
	}
	return condition(id, fmt.Sprintf("each byte at least that of %016x", want), value, ok, remedy)
}

func falseOr(allowed bool) string {
	if allowed {
		return "true or false"
	}
	return "false"
}

func oneOf(id string, accepted [][]byte, got []byte, remedy string) skr.Check {
	value := hex.EncodeToString(got)
	if accepted == nil {
		return skr.Check{ID: id, Want: "any", Got: value}
	}
	wanted := make([]string, len(accepted))
	for i, b := range accepted {
		wanted[i] = hex.EncodeToString(b)
	}
	return condition(id, orNone(strings.Join(wanted, " or ")), value, slices.Contains(wanted, value), remedy)
}

func condition(id, want, got string, ok bool, remedy string) skr.Check {
	c := skr.Check{ID: id, Want: want, Got: got}
	if !ok {
		c.Remedy, c.Err = remedy, errRefused
	}
	return c
}
