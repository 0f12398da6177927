package governance_test

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// ExampleClientOptions_serviceCertificateDigest joins with no more than the
// digest that the operator told, here computed from the operator's own copy.
func ExampleClientOptions_serviceCertificateDigest() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	block, _ := pem.Decode(s.env.ServiceCertificate())
	told := sha256.Sum256(block.Bytes)

	client, err := governance.NewClient(s.env.LedgerURL(), s.client.Member(), &governance.ClientOptions{
		ServiceCertificateDigest: told, DialContext: s.conn.DialContext,
	})
	must(err)
	defer client.Close()
	network, err := client.Network(ctx)
	must(err)
	fmt.Println(network.Status)
	// Output: Open
}
