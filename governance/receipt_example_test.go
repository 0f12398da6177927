package governance_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// ExampleClient_Receipt keeps the proof that a contract was accepted, and
// verifies it later with nothing but the service certificate.
func ExampleClient_Receipt() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()

	contract, err := s.client.Contract("collab1").Get(ctx)
	must(err)
	receipt, err := s.client.Receipt(ctx, contract.Version)
	must(err)
	kept, err := json.Marshal(receipt)
	must(err)

	receipt, err = governance.ParseReceipt(kept)
	must(err)
	result, err := receipt.Verify(s.env.ServiceCertificate(), &governance.VerifyReceiptOptions{TransactionID: contract.Version})
	must(err)
	for _, c := range result.Checks {
		fmt.Println(c.ID, c.OK())
	}
	// Output:
	// receipt.transaction true
	// receipt.node true
	// receipt.signature true
	// receipt.endorsement true
}
