package snp_test

import (
	"context"
	"fmt"

	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/snp"
)

// A relying party verifies evidence, and then asks whether the guest is one it
// accepts. With real hardware the verifier is that of NewVerifier.
func ExampleValidate() {
	evidence, verifier := emulated()
	result, err := verifier.Verify(evidence)
	fmt.Println("authentic:", err == nil, "with", len(result.Checks), "checks")

	checks, err := snp.Validate(result, &snp.ValidateOptions{
		HostData: [][]byte{result.Report.HostData[:]}, // of the accepted security policy
		UVM:      &snp.UVMPolicy{MinSVN: 200},
	})
	for _, c := range checks {
		if !c.OK() {
			fmt.Println(c)
		}
	}
	fmt.Println("accepted:", err == nil)
	// Output:
	// authentic: true with 14 checks
	// uvm.svn: wanted at least 200, got 101
	// accepted: false
}

func emulated() (*skr.Evidence, *snp.Verifier) {
	machine, err := snpmachine.New()
	if err != nil {
		panic(err)
	}
	evidence, err := machine.Launch([]byte("policy")).Attest(context.Background(), []byte("{}"))
	if err != nil {
		panic(err)
	}
	verifier, err := snp.NewVerifierWithTestRoots(snp.TestRoots{ARKAndASK: machine.ChainPEM(), UVMIssuer: machine.UVMIssuer()}, nil)
	if err != nil {
		panic(err)
	}
	return evidence, verifier
}
