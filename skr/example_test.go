package skr_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cleanroom-go/sdk/skr"
)

// The owner of a key binds it to the accepted security policy of a room, and
// sees before any deployment what a vault would say to a room that runs
// another one.
func Example() {
	accepted := strings.Repeat("5a", 32) // the host data of the accepted policy
	policy, err := skr.NewReleasePolicy("sharedneu.neu.attest.azure.net", accepted)
	if err != nil {
		fmt.Println(err)
		return
	}
	var claims skr.Claims
	err = json.Unmarshal([]byte(`{
		"iss": "https://sharedneu.neu.attest.azure.net",
		"x-ms-attestation-type": "sevsnpvm",
		"x-ms-compliance-status": "azure-compliant-uvm",
		"x-ms-sevsnpvm-hostdata": "`+strings.Repeat("00", 32)+`"
	}`), &claims)
	if err != nil {
		fmt.Println(err)
		return
	}
	explanation := policy.Explain(claims)
	fmt.Println("released:", explanation.Satisfied)
	for _, c := range explanation.Checks {
		if !c.OK() {
			fmt.Println("failed:", c.ID)
			fmt.Println("wanted:", c.Want[:8]+"…")
			fmt.Println("got:   ", c.Got[:8]+"…")
		}
	}
	// Output:
	// released: false
	// failed: policy.x-ms-sevsnpvm-hostdata
	// wanted: 5a5a5a5a…
	// got:    00000000…
}
