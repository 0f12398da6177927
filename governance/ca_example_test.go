package governance_test

import (
	"context"
	"fmt"

	"github.com/cleanroom-go/sdk/governance"
)

// The members give their contract a certificate authority, and a room gets a
// certificate of it.
func ExampleContractClient_CA() {
	ctx := context.Background()
	s := newStage(ctx)
	defer s.close()
	ca := s.client.Contract("collab1").CA()
	s.accept(ca.ProposeEnable(ctx))
	_, err := ca.GenerateSigningKey(ctx)
	must(err)
	info, err := ca.Info(ctx)
	must(err)

	room := s.room(ctx)
	defer room.Close()
	cert, err := room.EndorsedCertificate(ctx, governance.CertificateRequest{
		CA: info.CertificatePEM, CommonName: "room", DNSNames: []string{"room.example"},
	})
	must(err)
	defer cert.Close()
	pair, err := cert.TLS()
	must(err)
	fmt.Println(pair.Leaf.Subject, pair.Leaf.DNSNames, "issued by", pair.Leaf.Issuer)
	// Output: CN=room [room.example] issued by CN=Azure Clean Room CA
}
