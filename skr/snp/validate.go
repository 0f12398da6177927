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
// host data, but neither debugging nor a privilege level above 0.
type ValidateOptions struct {
	// HostData lists the acceptable host data, 32 bytes each: SHA-256 digests of
	// security policies. Nil accepts any.
	HostData [][]byte
	// Measurements lists the acceptable launch measurements, 48 bytes each. Nil
	// accepts any; the UVM endorsements name the right one.
	Measurements [][]byte
	// AllowDebug accepts guests whose memory the host can read.
	AllowDebug bool
	// MaxVMPL is the highest privilege level number accepted, 0 to 3.
	MaxVMPL uint32
	// MinGuestSVN is the lowest guest security version accepted.
	MinGuestSVN uint32
}

// Validate says whether the guest of an authentic report is acceptable. Verify
// first: the fields of an unverified report are anybody's. The checks come back
// in either case; the error is a *skr.DeniedError.
func Validate(r *Report, opts *ValidateOptions) ([]skr.Check, error) {
	if opts == nil {
		opts = &ValidateOptions{}
	}
	checks := []skr.Check{
		oneOf("report.host-data", opts.HostData, r.HostData[:], "the guest runs another security policy than the accepted one"),
		oneOf("report.measurement", opts.Measurements, r.Measurement[:], "the guest was launched from another utility VM than the accepted one"),
		condition("report.debug", debugWanted(opts.AllowDebug), fmt.Sprint(r.Debug), opts.AllowDebug || !r.Debug, "launch the guest without the debug policy bit"),
		condition("report.vmpl", fmt.Sprintf("at most %d", opts.MaxVMPL), fmt.Sprint(r.VMPL), r.VMPL <= opts.MaxVMPL, "ask for the report at a more privileged level"),
		condition("report.guest-svn", fmt.Sprintf("at least %d", opts.MinGuestSVN), fmt.Sprint(r.GuestSVN), r.GuestSVN >= opts.MinGuestSVN, "deploy on an updated platform"),
	}
	return checks, check.Denied("skr/snp: validate report", by, checks, nil)
}

func debugWanted(allowed bool) string {
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
	return condition(id, strings.Join(wanted, " or "), value, slices.Contains(wanted, value), remedy)
}

func condition(id, want, got string, ok bool, remedy string) skr.Check {
	c := skr.Check{ID: id, Want: want, Got: got}
	if !ok {
		c.Remedy, c.Err = remedy, errRefused
	}
	return c
}
