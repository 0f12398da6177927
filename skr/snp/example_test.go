package snp_test

import (
	"fmt"

	"github.com/cleanroom-go/sdk/skr/snp"
)

// A relying party accepts a report's guest only after the report was found to
// be authentic, and then only with the accepted security policy.
func ExampleValidate() {
	report := &snp.Report{HostData: [32]byte{0xee}} // from Verifier.Verify
	checks, err := snp.Validate(report, &snp.ValidateOptions{HostData: [][]byte{{31: 0}}})
	for _, c := range checks {
		fmt.Println(c.ID, c.OK())
	}
	fmt.Println("refused:", err != nil)
	// Output:
	// report.host-data false
	// report.measurement true
	// report.debug true
	// report.vmpl true
	// report.guest-svn true
	// refused: true
}
